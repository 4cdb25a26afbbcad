// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "packing.hpp"

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "log.hpp"
#include "settings.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/model/any_weight.hpp"
#include "sparsellm/pack/choose.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "zero_pattern.hpp"

namespace sparsellm_ggml {

using namespace sparsellm;

namespace {

// A matrix of a stack of T as floats, which N:M formats of the same type store as they are.
template <class T>
struct rows_of {
  const tensor_stack& stack;
  std::size_t matrix;
  void operator()(std::size_t r, vector_view<float> out) const {
    const std::byte* const row = stack.row(matrix, r).data();
    for (std::size_t c = 0; c < out.size(); ++c) {
      T value;
      std::memcpy(&value, row + c * sizeof(T), sizeof(T));
      if constexpr (std::same_as<T, float>)
        out[c] = value;
      else
        out[c] = widen(value);
    }
  }
};

// An N:M weight, where the zeros of a matrix of T follow a pattern.
template <class T>
std::optional<any_weight> pack_pruned(cpu::executor& exec, element_kind element,
                                      const rows_of<T>& rows, double sparsity) {
  const extents shape = rows.stack.shape();
  const std::optional<zero_pattern> zeros = find_zero_pattern(exec, shape, rows);
  if (!zeros.has_value()) return std::nullopt;
  const layout_kind layout = choose_layout(shape, element, zeros->pattern, sparsity);
  return any_weight(exec, element, layout, shape, rows, zeros->mask, zeros->pattern);
}

any_weight pack_matrix(cpu::executor& exec, const tensor_stack& stack, std::size_t matrix,
                       double sparsity) {
  const element_kind element = element_of(stack.first().type).value();
  const std::optional<layout_kind> asked = the_settings().layout;
  if (!asked.has_value()) {
    std::optional<any_weight> pruned;
    if (element == element_kind::f32)
      pruned = pack_pruned(exec, element, rows_of<float>{stack, matrix}, sparsity);
    else if (element == element_kind::f16)
      pruned = pack_pruned(exec, element, rows_of<half>{stack, matrix}, sparsity);
    else if (element == element_kind::bf16)
      pruned = pack_pruned(exec, element, rows_of<bfloat16>{stack, matrix}, sparsity);
    if (pruned.has_value()) return std::move(*pruned);
  }
  const extents shape = stack.shape();
  return {exec, element, asked.value_or(choose_layout(shape, element, sparsity)), shape,
          [&](std::size_t r) { return stack.row(matrix, r); }};
}

// A line for each tensor of what was packed, each with its share.
void log(const tensor_stack& stack, const std::vector<sparse_linear>& matrices, double seconds) {
  std::size_t bytes = 0;
  for (const sparse_linear& m : matrices) bytes += m.bytes();
  const auto all = static_cast<double>(stack.shape().outputs);
  for (const tensor_bytes& t : stack.tensors()) {
    const double share = static_cast<double>(shape_of(*t.tensor).outputs) / all;
    packed(t.tensor->name, matrices[0].weight().format(), ggml_nbytes(t.tensor),
           static_cast<std::size_t>(share * static_cast<double>(bytes)), share * seconds);
  }
}

}  // namespace

std::vector<sparse_linear> pack(const tensor_stack& stack, double sparsity) {
  // One pool for all weights. Its threads sleep when nothing is packed.
  static std::mutex mutex;
  static cpu::executor exec;
  const std::lock_guard lock(mutex);
  const auto begin = std::chrono::steady_clock::now();
  std::vector<sparse_linear> matrices;
  for (std::size_t m = 0; m < stack.matrices(); ++m)
    matrices.emplace_back(pack_matrix(exec, stack, m, sparsity), stack.outputs());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  log(stack, matrices, took.count());
  return matrices;
}

}  // namespace sparsellm_ggml

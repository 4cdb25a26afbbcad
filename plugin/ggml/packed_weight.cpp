// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "packed_weight.hpp"

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <future>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "log.hpp"
#include "projection.hpp"
#include "settings.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/model/any_weight.hpp"
#include "sparsellm/pack/choose.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "thresholds.hpp"
#include "zero_pattern.hpp"

namespace sparsellm_ggml {

using namespace sparsellm;

namespace {

// Rows as floats, which N:M formats of the same type store as they are.
template <class T>
struct rows_of {
  const std::byte* data;
  std::size_t inputs;
  void operator()(std::size_t r, vector_view<float> out) const {
    const std::byte* row = data + r * inputs * sizeof(T);
    for (std::size_t c = 0; c < inputs; ++c) {
      T value;
      std::memcpy(&value, row + c * sizeof(T), sizeof(T));
      if constexpr (std::same_as<T, float>)
        out[c] = value;
      else
        out[c] = widen(value);
    }
  }
};

// An N:M weight, where the zeros of a weight of T follow a pattern.
template <class T>
std::optional<any_weight> pack_pruned(cpu::executor& exec, element_kind element, extents shape,
                                      const std::byte* data, double sparsity) {
  const rows_of<T> rows{data, shape.inputs};
  const std::optional<zero_pattern> zeros = find_zero_pattern(exec, shape, rows);
  if (!zeros.has_value()) return std::nullopt;
  const layout_kind layout = choose_layout(shape, element, zeros->pattern, sparsity);
  return any_weight(exec, element, layout, shape, rows, zeros->mask, zeros->pattern);
}

any_weight pack_as(cpu::executor& exec, element_kind element, extents shape, const std::byte* data,
                   std::size_t bytes, double sparsity) {
  const std::optional<layout_kind> asked = the_settings().layout;
  if (!asked.has_value()) {
    std::optional<any_weight> pruned;
    if (element == element_kind::f32)
      pruned = pack_pruned<float>(exec, element, shape, data, sparsity);
    else if (element == element_kind::f16)
      pruned = pack_pruned<half>(exec, element, shape, data, sparsity);
    else if (element == element_kind::bf16)
      pruned = pack_pruned<bfloat16>(exec, element, shape, data, sparsity);
    if (pruned.has_value()) return std::move(*pruned);
  }
  return {exec, element, asked.value_or(choose_layout(shape, element, sparsity)), shape,
          vector_view<const std::byte>(data, bytes)};
}

}  // namespace

struct packed_weight::plan {
  const site_threshold* entry = nullptr;  // of the table
  double sparsity = 0;                    // that is expected
  bool observes = false;
  std::future<std::uint64_t> hash;  // of the weight, where somebody asks for it
};

packed_weight::plan packed_weight::plan_for(const ggml_tensor& tensor, const void* data) {
  const settings& s = the_settings();
  plan p;
  if (!site_of(tensor.name).has_value()) return p;
  p.entry = threshold_of(tensor);
  p.observes = s.on_the_fly() || !s.calibrate.empty();
  p.sparsity = p.entry != nullptr ? p.entry->sparsity : s.on_the_fly() ? s.sparsity : 0;
  // While the weight is packed, which reads the same bytes.
  if (!s.calibrate.empty() || (p.entry != nullptr && p.entry->weight_hash != 0))
    p.hash = std::async(std::launch::async, [data, bytes = ggml_nbytes(&tensor)] {
      weight_hash hash;
      hash.add(data, bytes);
      return hash.value();
    });
  return p;
}

namespace {

std::vector<sparse_linear> pack(const ggml_tensor& tensor, const void* data, double sparsity) {
  // One pool for all weights. Its threads sleep when nothing is packed.
  static std::mutex mutex;
  static cpu::executor exec;
  const std::lock_guard lock(mutex);
  const extents shape = shape_of(tensor);
  const element_kind element = element_of(tensor.type).value();
  const auto begin = std::chrono::steady_clock::now();
  const std::size_t stride = ggml_nbytes(&tensor) / static_cast<std::size_t>(tensor.ne[2]);
  std::vector<sparse_linear> matrices;
  std::size_t bytes = 0;
  for (std::size_t m = 0; m < static_cast<std::size_t>(tensor.ne[2]); ++m) {
    matrices.emplace_back(
        pack_as(exec, element, shape, static_cast<const std::byte*>(data) + m * stride, stride,
                sparsity),
        std::vector<std::size_t>{shape.outputs});
    bytes += matrices.back().bytes();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  packed(tensor.name, matrices[0].weight().format(), ggml_nbytes(&tensor), bytes, took.count());
  return matrices;
}

// Where an expert's rows of inputs and outputs are.
struct expert_row {
  std::size_t slot, token;
};
using expert_rows = std::vector<expert_row>;

// ids [tokens, slots] of int32; rows [experts] of vectors that keep their memory.
void find_rows(const ggml_tensor& ids, std::vector<expert_rows>& rows) {
  const std::size_t experts = rows.size();
  for (expert_rows& of_one : rows) of_one.clear();
  for (std::size_t token = 0; token < static_cast<std::size_t>(ids.ne[1]); ++token)
    for (std::size_t slot = 0; slot < static_cast<std::size_t>(ids.ne[0]); ++slot) {
      std::int32_t id;
      std::memcpy(&id, static_cast<const char*>(ids.data) + token * ids.nb[1] + slot * ids.nb[0],
                  sizeof id);
      require<value_error>(id >= 0 && static_cast<std::size_t>(id) < experts, "an expert below ",
                           experts, " expected, got ", id);
      rows[static_cast<std::size_t>(id)].push_back({slot, token});
    }
}

}  // namespace

packed_weight::packed_weight(const ggml_tensor& tensor, const void* data)
    : packed_weight(tensor, data, plan_for(tensor, data)) {}

packed_weight::packed_weight(const ggml_tensor& tensor, const void* data, plan skips)
    : matrices_(pack(tensor, data, skips.sparsity)),
      sparse_(skips.entry != nullptr && skips.sparsity > 0),
      observes_(skips.observes) {
  const std::uint64_t hash = skips.hash.valid() ? skips.hash.get() : 0;
  if (skips.entry != nullptr && hash != 0) check_weight(tensor, hash);
  if (sparse_) set_threshold(skips.entry->threshold);
  if (observes_)
    seen_ = std::make_unique<observation>(site_of(tensor.name).value(), shape_of(tensor), hash);
  if (the_settings().prompts_to_ggml) copy_ = std::make_unique<ggml_copy>(tensor, data);
}

packed_weight::~packed_weight() {
  if (seen_ != nullptr && !the_settings().calibrate.empty()) keep_counts(*seen_);
}

ggml_tensor* packed_weight::instead_for(std::size_t tokens) const noexcept {
  constexpr std::size_t prompt = 32;  // a batch this large reads weights once for many tokens
  const bool theirs = copy_ != nullptr && tokens >= prompt &&
                      tokens > the_settings().sparse_batch &&
                      !observes_.load(std::memory_order_relaxed);
  return theirs ? copy_->tensor() : nullptr;
}

void packed_weight::set_threshold(float threshold) {
  for (sparse_linear& m : matrices_) m.set_thresholds({threshold});
}

void packed_weight::multiply(cpu::gang_executor& gang, ggml_tensor& product) {
  if (product.op == GGML_OP_MUL_MAT_ID)
    multiply_experts(gang, product);
  else
    multiply_matrix(gang, product);
}

void packed_weight::multiply_matrix(cpu::gang_executor& gang, ggml_tensor& product) {
  const ggml_tensor& x = *product.src[1];
  const auto inputs = static_cast<std::size_t>(x.ne[0]);
  const auto outputs = static_cast<std::size_t>(product.ne[0]);
  const auto rows = [&](std::int64_t i2, std::int64_t i3, std::size_t tokens) {
    const auto* from = static_cast<const char*>(x.data) + static_cast<std::size_t>(i2) * x.nb[2] +
                       static_cast<std::size_t>(i3) * x.nb[3];
    auto* to = static_cast<char*>(product.data) + static_cast<std::size_t>(i2) * product.nb[2] +
               static_cast<std::size_t>(i3) * product.nb[3];
    multiply_rows(gang, matrices_[0], tokens,
                  {reinterpret_cast<const float*>(from), tokens, inputs, x.nb[1] / sizeof(float)},
                  {reinterpret_cast<float*>(to), tokens, outputs, product.nb[1] / sizeof(float)});
  };
  const auto evenly_spaced = [](const ggml_tensor& t) {
    return t.nb[2] == t.nb[1] * static_cast<std::size_t>(t.ne[1]) &&
           t.nb[3] == t.nb[2] * static_cast<std::size_t>(t.ne[2]);
  };
  // Several matrices of inputs are one batch where their rows follow each other.
  if (evenly_spaced(x) && evenly_spaced(product))
    return rows(0, 0, static_cast<std::size_t>(ggml_nrows(&x)));
  for (std::int64_t i3 = 0; i3 < x.ne[3]; ++i3)
    for (std::int64_t i2 = 0; i2 < x.ne[2]; ++i2) rows(i2, i3, static_cast<std::size_t>(x.ne[1]));
}

// product.src[1] [tokens, 1 or slots, inputs] of float, product.src[2] [tokens, slots] which expert
// multiplies a slot of a token, product [tokens, slots, outputs].
void packed_weight::multiply_experts(cpu::gang_executor& gang, ggml_tensor& product) {
  const ggml_tensor &x = *product.src[1], &ids = *product.src[2];
  const auto tokens = static_cast<std::size_t>(ids.ne[1]);
  const extents shape = matrices_[0].shape();
  const auto from = [&](expert_row r) {
    return reinterpret_cast<const float*>(static_cast<const char*>(x.data) + r.token * x.nb[2] +
                                          r.slot % static_cast<std::size_t>(x.ne[1]) * x.nb[1]);
  };
  const auto to = [&](expert_row r) {
    return reinterpret_cast<float*>(static_cast<char*>(product.data) + r.token * product.nb[2] +
                                    r.slot * product.nb[1]);
  };
  thread_local std::vector<expert_rows> chosen;
  thread_local std::vector<float> inputs, outputs;  // of one expert
  chosen.resize(matrices_.size());
  find_rows(ids, chosen);
  for (std::size_t expert = 0; expert < chosen.size(); ++expert) {
    const expert_rows& rows = chosen[expert];
    if (rows.size() == 1) {  // as nearly all are of one token
      multiply_rows(gang, matrices_[expert], tokens, {from(rows[0]), 1, shape.inputs},
                    {to(rows[0]), 1, shape.outputs});
      continue;
    }
    inputs.resize(std::max(inputs.size(), rows.size() * shape.inputs));
    outputs.resize(std::max(outputs.size(), rows.size() * shape.outputs));
    float* const in = inputs.data();  // this thread's, in the others' tasks too
    float* const out = outputs.data();
    gang.parallel_for(rows.size(), [&](std::size_t r) {
      std::copy_n(from(rows[r]), shape.inputs, in + r * shape.inputs);
    });
    multiply_rows(gang, matrices_[expert], tokens, {in, rows.size(), shape.inputs},
                  {out, rows.size(), shape.outputs});
    gang.parallel_for(rows.size(), [&](std::size_t r) {
      std::copy_n(out + r * shape.outputs, shape.outputs, to(rows[r]));
    });
  }
}

void packed_weight::multiply_rows(cpu::gang_executor& gang, const sparse_linear& matrix,
                                  std::size_t tokens, matrix_view<const float> x,
                                  matrix_view<float> y) {
  if (x.rows() == 0) return;
  if (observes_.load(std::memory_order_relaxed)) observe(x);
  const bool sparse =
      sparse_.load(std::memory_order_acquire) && tokens <= the_settings().sparse_batch;
  if (x.rows() == 1)
    sparse ? matrix.sparse(gang, x.row(0), y.row(0)) : matrix.dense(gang, x.row(0), y.row(0));
  else
    sparse ? matrix.sparse(gang, x, y) : matrix.dense(gang, x, y);
}

void packed_weight::observe(matrix_view<const float> x) {
  const settings& s = the_settings();
  // Whose rows complete the warm-up sets the threshold; `add` says so to one context alone.
  const std::size_t tokens = seen_->add(x);
  if (!s.on_the_fly() || tokens < s.warm_up || tokens - x.rows() >= s.warm_up) return;
  set_threshold(seen_->end_with_quantile(s.sparsity));
  observes_.store(false, std::memory_order_relaxed);
  sparse_.store(true, std::memory_order_release);
}

}  // namespace sparsellm_ggml

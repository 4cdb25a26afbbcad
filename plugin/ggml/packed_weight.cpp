// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "packed_weight.hpp"

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

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

namespace sparsellm_ggml {

using namespace sparsellm;

namespace {

// Rows as floats, which formats of floats store as they are.
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

any_weight pack_as(cpu::executor& exec, element_kind element, layout_kind layout, extents shape,
                   const std::byte* data, std::size_t bytes) {
  switch (element) {
    case element_kind::f32:
      return {exec, element, layout, shape, rows_of<float>{data, shape.inputs}};
    case element_kind::f16:
      return {exec, element, layout, shape, rows_of<half>{data, shape.inputs}};
    case element_kind::bf16:
      return {exec, element, layout, shape, rows_of<bfloat16>{data, shape.inputs}};
    default: return {exec, element, layout, shape, vector_view<const std::byte>(data, bytes)};
  }
}

}  // namespace

struct packed_weight::plan {
  double sparsity = 0;                // that is expected
  float threshold = 0;                // what it skips from the start, when it observes nothing
  std::unique_ptr<observation> seen;  // where its inputs are to be observed
};

packed_weight::plan packed_weight::plan_for(const ggml_tensor& tensor, const void* data) {
  const settings& s = the_settings();
  const std::optional<site> where = site_of(tensor.name);
  if (!where.has_value() || (s.thresholds.empty() && s.sparsity == 0)) return {};
  weight_hash hash;
  hash.add(data, ggml_nbytes(&tensor));
  if (const site_threshold* const entry = threshold_of(tensor, hash.value()))
    return {entry->sparsity, entry->threshold, nullptr};
  return {s.on_the_fly() ? s.sparsity : 0, 0,
          std::make_unique<observation>(*where, shape_of(tensor), hash.value())};
}

namespace {

sparse_linear pack(const ggml_tensor& tensor, const void* data, double sparsity) {
  // One pool for all weights. Its threads sleep when nothing is packed.
  static std::mutex mutex;
  static cpu::executor exec;
  const std::lock_guard lock(mutex);
  const extents shape = shape_of(tensor);
  const element_kind element = element_of(tensor.type).value();
  const layout_kind layout =
      the_settings().layout.value_or(choose_layout(shape, element, sparsity));
  const auto begin = std::chrono::steady_clock::now();
  any_weight weight = pack_as(exec, element, layout, shape, static_cast<const std::byte*>(data),
                              ggml_nbytes(&tensor));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  packed(tensor.name, weight.format(), ggml_nbytes(&tensor), weight.bytes(), took.count());
  return sparse_linear(std::move(weight), {shape.outputs});
}

}  // namespace

packed_weight::packed_weight(const ggml_tensor& tensor, const void* data)
    : packed_weight(tensor, data, plan_for(tensor, data)) {}

packed_weight::packed_weight(const ggml_tensor& tensor, const void* data, plan skips)
    : linear_(pack(tensor, data, skips.sparsity)),
      sparse_(skips.sparsity > 0 && skips.seen == nullptr),
      observes_(skips.seen != nullptr),
      seen_(std::move(skips.seen)) {
  if (sparse_) linear_.set_thresholds({skips.threshold});
  if (the_settings().prompts_to_ggml) copy_ = std::make_unique<ggml_copy>(tensor, data);
}

packed_weight::~packed_weight() {
  if (seen_ != nullptr && !the_settings().calibrate.empty()) keep_for_table(std::move(seen_));
}

ggml_tensor* packed_weight::instead_for(std::size_t tokens) const noexcept {
  constexpr std::size_t prompt = 32;  // a batch this large reads weights once for many tokens
  const bool theirs = copy_ != nullptr && tokens >= prompt &&
                      tokens > the_settings().sparse_batch &&
                      !observes_.load(std::memory_order_relaxed);
  return theirs ? copy_->tensor() : nullptr;
}

void packed_weight::multiply(cpu::gang_executor& gang, ggml_tensor& product) {
  const ggml_tensor& x = *product.src[1];
  const auto inputs = static_cast<std::size_t>(x.ne[0]);
  const auto outputs = static_cast<std::size_t>(product.ne[0]);
  const auto rows = [&](std::int64_t i2, std::int64_t i3, std::size_t tokens) {
    const auto* from = static_cast<const char*>(x.data) + static_cast<std::size_t>(i2) * x.nb[2] +
                       static_cast<std::size_t>(i3) * x.nb[3];
    auto* to = static_cast<char*>(product.data) + static_cast<std::size_t>(i2) * product.nb[2] +
               static_cast<std::size_t>(i3) * product.nb[3];
    multiply_rows(gang,
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

void packed_weight::multiply_rows(cpu::gang_executor& gang, matrix_view<const float> x,
                                  matrix_view<float> y) {
  if (x.rows() == 0) return;
  if (observes_.load(std::memory_order_relaxed)) observe(x);
  const bool sparse =
      sparse_.load(std::memory_order_acquire) && x.rows() <= the_settings().sparse_batch;
  if (x.rows() == 1)
    sparse ? linear_.sparse(gang, x.row(0), y.row(0)) : linear_.dense(gang, x.row(0), y.row(0));
  else
    sparse ? linear_.sparse(gang, x, y) : linear_.dense(gang, x, y);
}

void packed_weight::observe(matrix_view<const float> x) {
  const settings& s = the_settings();
  // Whose rows complete the warm-up sets the threshold; `add` says so to one context alone.
  const std::size_t tokens = seen_->add(x);
  if (!s.on_the_fly() || tokens < s.warm_up || tokens - x.rows() >= s.warm_up) return;
  linear_.set_thresholds({seen_->end_with_quantile(s.sparsity)});
  observes_.store(false, std::memory_order_relaxed);
  sparse_.store(true, std::memory_order_release);
}

}  // namespace sparsellm_ggml

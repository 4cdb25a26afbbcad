// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of channel bitmaps: N:M weights that skip channels. Sums are added in the order of a
// dense weight's, so floats give the bits of one with zeros. Tokens of a small batch go one by one;
// larger batches are expanded.
#pragma once

#include <cstddef>

#include "sparsellm/core/compiled.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/pack/bitmap_weight.hpp"

namespace SPARSELLM_PRODUCTS {

// Y [tokens, outputs] = W · what each section keeps of X, outputs that no section covers left
// alone.
template <class T>
void bitmap_product(const executor_ref& exec, const bitmap_weight<T>& w, const selection& s,
                    const token_inputs& x, std::size_t tokens, matrix_view<float> y);

}  // namespace SPARSELLM_PRODUCTS

#if SPARSELLM_DEFINES_PRODUCTS

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cpu/kernels/bitmap.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/products/channel_batch_product.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/expanded_product.hpp"
#include "sparsellm/cpu/products/listed_product.hpp"
#include "sparsellm/cpu/products/part_sums.hpp"
#include "sparsellm/pack/brick_weight.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// What listed_product() calls.
template <class T>
struct bitmap_channels {
  const bitmap_table<T>& kernels;
  const bitmap_weight<T>& w;
  std::size_t task_bytes;
  void operator()(index_range words, active_view<> active, std::size_t ahead, std::byte* scratch,
                  float* sums) const noexcept {
    kernels.channels(w, words, active, ahead, scratch, sums);
  }
};

// What channel_batch_product() calls.
template <class T>
struct bitmap_batch_channels {
  const bitmap_table<T>& kernels;
  const bitmap_weight<T>& w;
  // Expanding a channel is most of the work of one token, and takes as long for several: measured
  // on one Xeon (docs/decisions/0028), a channel of the union costs as much as 1.75 of one token's,
  // and 1/6 for every token; of levels, 1.25 and 1/5.
  static bool pays(std::size_t tokens, const batch_lists::counts& channels) noexcept {
    if constexpr (std::is_same_v<T, std::int8_t>)
      return 20 * channels.kept > (25 + 4 * tokens) * channels.listed;
    else
      return 12 * channels.kept > (21 + 2 * tokens) * channels.listed;
  }
  static constexpr std::size_t shortest_run = bitmap_tuning::shortest_batch_run;
  static constexpr std::size_t task_bytes(std::size_t tokens, std::size_t outputs) noexcept {
    return bitmap_batch_scratch<T>(tokens, outputs);
  }
  void operator()(index_range words, const active_channels& active, const float* x,
                  std::size_t tokens, std::byte* scratch, float* sums,
                  std::size_t stride) const noexcept {
    kernels.batch(w, words, active, x, tokens, scratch, sums, stride);
  }
};

// What expanded_product() calls.
template <class T>
struct bitmap_bricks {
  const bitmap_table<T>& kernels;
  const bitmap_weight<T>& w;
  void operator()(index_range strips, typename expanded<T>::type* bricks) const noexcept {
    kernels.expand(w, strips, bricks);
  }
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace SPARSELLM_PRODUCTS {

template <class T>
void bitmap_product(const executor_ref& exec, const bitmap_weight<T>& w, const selection& s,
                    const token_inputs& x, std::size_t tokens, matrix_view<float> y) {
  const cover sections(s, bitmap_outputs, w.shape.outputs);
  if (tokens >= bitmap_tuning::expanding_batch)
    return expanded_product(exec, w, bitmap_bricks<T>{bitmap_kernels<T>(exec.isa), w}, sections, x,
                            tokens, y);
  const bitmap_batch_channels<T> together{bitmap_kernels<T>(exec.isa), w};
  if (tokens > 1 && together.kernels.batch != nullptr &&
      channel_batch_product(exec, w.shape, sections, x, tokens, together, y))
    return;
  constexpr std::size_t run = bitmap_tuning::run_words;
  const bitmap_channels<T> channels{bitmap_kernels<T>(exec.isa), w,
                                    bitmap_scratch(w.words() * bitmap_outputs)};
  for (std::size_t t = 0; t < tokens; ++t)
    listed_product(
        exec, w.shape, (w.words() + run - 1) / run, sections, x[t], channels,
        [&](const part_sums& sums) { store_parts(exec, sections, sums, y.row(t).data()); });
}

}  // namespace SPARSELLM_PRODUCTS

#endif

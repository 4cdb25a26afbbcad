// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of channel bitmaps: N:M weights that skip channels. Threads split channels, as
// channel_product.hpp; sums are added in the same order, so floats give the bits of a dense weight
// with zeros. Tokens of a small batch go one by one; larger batches expand 32 outputs at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/bitmap_table.hpp"
#include "sparsellm/cpu/channel_product.hpp"
#include "sparsellm/cpu/cover.hpp"
#include "sparsellm/cpu/dense_product.hpp"
#include "sparsellm/cpu/foreach_target.hpp"
#include "sparsellm/cpu/masked_product.hpp"
#include "sparsellm/cpu/tasks.hpp"
#include "sparsellm/pack/bitmap_weight.hpp"
#include "sparsellm/pack/output_group.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

template <class T>
struct bitmap_channels {
  const bitmap_table<T>& kernels;
  const bitmap_weight<T>& w;
  std::size_t task_bytes;
  void operator()(group_range words, active_view active, std::size_t ahead, std::byte* scratch,
                  float* sums) const noexcept {
    kernels.channels(w, words, active, ahead, scratch, sums);
  }
};

// list and finish as listed_product() wants them.
template <host_executor E, class T, class S, class List, class Finish>
void bitmap_product(E& exec, const bitmap_weight<T>& w, const cover<S>& sections, const List& list,
                    const Finish& finish) {
  listed_product(exec, w.shape, (w.words() + 31) / 32, sections, list,
                 bitmap_channels<T>{bitmap_kernels_for<T>(isa_of(exec)), w,
                                    bitmap_scratch(w.words() * bitmap_outputs)},
                 finish);
}

// Output groups of 32 as bricks, one after the other: where each channel's values go on.
template <class T>
class bitmap_groups {
 public:
  // next: room for [inputs]. Stands before group `first`.
  bitmap_groups(const bitmap_weight<T>& w, std::size_t first, const T** next) noexcept
      : w_(w), group_(first), next_(next) {
    for (std::size_t c = 0; c < w.shape.inputs; ++c) {
      next_[c] = w.values(c);
      for (std::size_t g = 0; g < first; ++g) next_[c] += __builtin_popcount(bits(c, g));
    }
  }
  // bricks [inputs][32] of the next group; levels without their scale.
  void expand(typename expanded<T>::type* bricks) noexcept {
    using brick = typename expanded<T>::type;
    std::fill_n(bricks, w_.shape.inputs * group_outputs, brick{});
    for (std::size_t c = 0; c < w_.shape.inputs; ++c, bricks += group_outputs)
      for (std::uint32_t mask = bits(c, group_); mask != 0; mask &= mask - 1) {
        brick& to = bricks[slot_in_group<brick>(static_cast<std::size_t>(__builtin_ctz(mask)))];
        if constexpr (std::is_same_v<T, std::int8_t>)
          to = narrow<bfloat16>(static_cast<float>(*next_[c]++));
        else
          to = *next_[c]++;
      }
    ++group_;
  }

 private:
  [[nodiscard]] std::uint32_t bits(std::size_t c, std::size_t group) const noexcept {
    return static_cast<std::uint32_t>(w_.mask(c)[group / 2] >> (32 * (group % 2)));
  }
  const bitmap_weight<T>& w_;
  std::size_t group_;
  const T** next_;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu

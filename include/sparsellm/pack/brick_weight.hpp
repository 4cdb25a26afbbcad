// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The brick that panel and channel_major are both built of: a strip of 32 neighbouring outputs of
// one input channel, contiguous. The two layouts differ only in where the next brick lies.
//
//   float, half: outputs 0, 1, … 31 in order
//   bfloat16:    0, 16, 1, 17, … 15, 31: each 32-bit word holds outputs j (low half) and j + 16
//                (high half), so one shift and one mask turn a vector of words into two vectors of
//                floats that are already in order, on any instruction set and of any width up to 16
#pragma once

#include <concepts>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::detail {

// 32 bfloat16 fill a cache line and an AVX-512 vector.
inline constexpr std::size_t brick_outputs = 32;

[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::size_t brick_strips(
    std::size_t outputs) noexcept {
  return outputs / brick_outputs + (outputs % brick_outputs != 0 ? 1 : 0);
}

// Where output o of the brick is stored, o in [0, 32).
template <storage_scalar T>
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::size_t slot_in_brick(
    std::size_t o) noexcept {
  if constexpr (std::same_as<T, bfloat16>)
    return o < 16 ? 2 * o : 2 * (o - 16) + 1;
  else
    return o;
}

// What kernels know of a weight of bricks: the brick of strip s and channel c starts at
// data + s · strip_stride + c · channel_stride. Both strides in elements.
template <storage_scalar T>
struct brick_weight {
  using element = T;
  const T* data;
  extents shape;
  std::size_t strip_stride;
  std::size_t channel_stride;

  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE std::size_t strips() const noexcept {
    return brick_strips(shape.outputs);
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE const T* brick(std::size_t s,
                                                             std::size_t c) const noexcept {
    return data + s * strip_stride + c * channel_stride;
  }
};

// A view of one, of either layout.
template <class V>
concept brick_view = std::derived_from<V, brick_weight<typename V::element>>;

}  // namespace sparsellm::inline v0::detail

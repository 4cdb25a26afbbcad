// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The brick that panel and channel_major are both built of: 32 neighbouring outputs of one input
// channel, contiguous. The two formats differ only in where the next brick lies.
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

namespace sparsellm::inline v0 {

// 32 bfloat16 fill a cache line and an AVX-512 vector.
inline constexpr std::size_t group_outputs = 32;

[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::size_t groups_of(
    std::size_t outputs) noexcept {
  return outputs / group_outputs + (outputs % group_outputs != 0 ? 1 : 0);
}

// Where output o of the group is stored, o in [0, 32).
template <storage_scalar T>
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::size_t slot_in_group(
    std::size_t o) noexcept {
  if constexpr (std::same_as<T, bfloat16>)
    return o < 16 ? 2 * o : 2 * (o - 16) + 1;
  else
    return o;
}

// What kernels know of a packed weight: the brick of output group g and channel c starts at
// data + g · group_stride + c · channel_stride. Both strides in elements.
template <storage_scalar T>
struct grouped_weight {
  using value_type = T;
  const T* data;
  extents shape;
  std::size_t group_stride;
  std::size_t channel_stride;

  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE std::size_t groups() const noexcept {
    return groups_of(shape.outputs);
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE const T* brick(std::size_t g,
                                                             std::size_t c) const noexcept {
    return data + g * group_stride + c * channel_stride;
  }
};

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Writes rows [first, first + rows.rows()) of a grouped weight, first a multiple of 32; outputs
// that pad the last group become zero.
template <storage_scalar T>
void pack_grouped(T* storage, grouped_weight<T> layout, std::size_t first,
                  matrix_view<const float> rows) noexcept {
  for (std::size_t r0 = 0; r0 < rows.rows(); r0 += group_outputs) {
    T* const group = storage + (first + r0) / group_outputs * layout.group_stride;
    for (std::size_t c = 0; c < layout.shape.inputs; ++c) {
      T* const brick = group + c * layout.channel_stride;
      for (std::size_t o = 0; o < group_outputs; ++o)
        brick[slot_in_group<T>(o)] = narrow<T>(r0 + o < rows.rows() ? rows(r0 + o, c) : 0.0f);
    }
  }
}

template <storage_scalar T>
void unpack_grouped(grouped_weight<T> w, std::size_t row, vector_view<float> out) noexcept {
  const std::size_t slot = slot_in_group<T>(row % group_outputs);
  for (std::size_t c = 0; c < w.shape.inputs; ++c)
    out[c] = widen(w.brick(row / group_outputs, c)[slot]);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

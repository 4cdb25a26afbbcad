// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What kernels know of an N:M weight: outputs in strips of 8, channels in spans that fill 64 lanes
// with whole groups of M. A cell, one span of one strip, is 8 masks of 64 bits, one for each
// output, then the kept values of the 8 outputs, each output's in ascending order of channels.
// Every output has equally many in every cell, so that all addresses are known without counting
// bits.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::detail {

inline constexpr std::size_t nm_strip_outputs = 8;
inline constexpr std::size_t cell_lanes = 64;

// T: float, half, bfloat16, or std::int8_t for levels with one scale per output.
template <class T>
struct nm_weight {
  using element = T;

  const std::byte* data;
  extents shape;
  std::size_t span;               // channels of a cell: lanes [span, 64) hold nothing
  std::size_t values_per_output;  // kept values of each output in a cell
  std::size_t eight_values;       // kept values of every 8 lanes; 0 when they differ
  const float* scales;            // [strips · 8] for levels, else null

  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE std::size_t strips() const noexcept {
    return (shape.outputs + nm_strip_outputs - 1) / nm_strip_outputs;
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE std::size_t cells() const noexcept {
    return (shape.inputs + span - 1) / span;
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE std::size_t cell_bytes() const noexcept {
    return nm_strip_outputs * (sizeof(std::uint64_t) + values_per_output * sizeof(T));
  }
  // [8]: bit l of a mask is lane l, channel cell · span + l.
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE const std::uint64_t* masks(
      std::size_t strip, std::size_t cell) const noexcept {
    return reinterpret_cast<const std::uint64_t*>(data + (strip * cells() + cell) * cell_bytes());
  }
  // [8][values_per_output]; kernels may read up to 64 bytes more.
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE const T* values(std::size_t strip,
                                                              std::size_t cell) const noexcept {
    return reinterpret_cast<const T*>(masks(strip, cell) + nm_strip_outputs);
  }
};

// A view of one, of any pattern.
template <class V>
concept nm_view = std::derived_from<V, nm_weight<typename V::element>>;

}  // namespace sparsellm::inline v0::detail

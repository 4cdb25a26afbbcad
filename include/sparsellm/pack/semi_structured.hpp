// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// 2:4 weights as CUTLASS's sm80 kernels and PyTorch's SparseSemiStructuredTensor (CUTLASS backend)
// keep them: the kept values, and metadata with four bits for each group, in the order that
// reorder_meta() of CUTLASS's host_reorder.h gives them. 16-bit values have 16-bit metadata
// elements, 8-bit values 32-bit ones.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/kept_values.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/packed_matrix.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A 2:4 weight in that order. T: half, bfloat16, or std::int8_t for levels.
template <sparse_element T>
requires(!std::same_as<T, float>)
struct semi_structured {
  using metadata_element =
      std::conditional_t<std::same_as<T, std::int8_t>, std::uint32_t, std::uint16_t>;
  // Groups of four channels that a metadata element describes.
  static constexpr std::size_t groups = sizeof(metadata_element) * 2;

  extents shape;
  std::vector<T> values;                   // [outputs, inputs / 2]
  std::vector<metadata_element> metadata;  // [outputs, inputs / (4 · groups)], reordered
  std::vector<float> scales;               // [outputs] for levels, else empty

  // Where metadata element `column` of row `row` of `rows` stands in `metadata`, as reorder_meta()
  // puts it: the rows of every 32 (16 for 32-bit elements) are interleaved so that a warp loads
  // whole words, each 2 x 2 tile is transposed, and columns are stored in pairs.
  [[nodiscard]] SPARSELLM_HD static constexpr std::size_t place(std::size_t row, std::size_t column,
                                                                std::size_t rows) noexcept {
    constexpr std::size_t group = sizeof(metadata_element) == 2 ? 32 : 16, deal = group / 8;
    std::size_t r = row / group * group + row % 8 * deal + row % group / 8, c = column;
    if (r % 2 == 0 && c % 2 == 1) {
      ++r;
      --c;
    } else if (r % 2 == 1 && c % 2 == 0) {
      --r;
      ++c;
    }
    return c / 2 * rows * 2 + r * 2 + c % 2;
  }
  // Throws shape_error for shapes that CUTLASS does not take: outputs that are no multiple of 32,
  // inputs that are no multiple of 8 · groups (two metadata columns), and 0 of either.
  static void check(extents e) {
    require<shape_error>(
        e.outputs % 32 == 0 && e.inputs % (8 * groups) == 0 && e.outputs != 0 && e.inputs != 0,
        "semi_structured: outputs in 32s and inputs in ", 8 * groups, "s expected, got ", e.outputs,
        "x", e.inputs);
  }
};

// A packed weight in that order, bit for bit. Allocates what it returns. Throws shape_error for
// shapes that semi_structured::check() refuses.
template <sparse_element T>
[[nodiscard]] semi_structured<T> to_semi_structured(const packed_matrix<n_of_m<T, 2, 4>>& packed) {
  using S = semi_structured<T>;
  const extents e = packed.shape();
  S::check(e);
  kept_values<T> kept = kept_of(packed);
  S out{e, std::move(kept.values), {}, std::move(kept.scales)};
  const std::size_t columns = e.inputs / (4 * S::groups);
  out.metadata.resize(e.outputs * columns);
  for (std::size_t r = 0; r < e.outputs; ++r)
    for (std::size_t column = 0; column < columns; ++column) {
      typename S::metadata_element bits = 0;
      for (std::size_t g = 0; g < S::groups; ++g) {
        const std::size_t c = (column * S::groups + g) * 4;
        std::uint32_t indices = 0, shift = 0;  // the lower index in the low bits
        for (std::uint32_t i = 0; i < 4; ++i)
          if (kept.mask.keeps(r, c + i)) {
            indices |= i << shift;
            shift += 2;
          }
        using element = typename S::metadata_element;
        bits = static_cast<element>(bits | static_cast<element>(indices) << (4 * g));
      }
      out.metadata[S::place(r, column, e.outputs)] = bits;
    }
  return out;
}

// The inverse, bit for bit. Allocates what it returns. Throws shape_error when sizes do not fit,
// value_error for metadata that does not name two channels in ascending order.
template <sparse_element T>
[[nodiscard]] packed_matrix<n_of_m<T, 2, 4>> from_semi_structured(const semi_structured<T>& s) {
  using S = semi_structured<T>;
  S::check(s.shape);
  const std::size_t columns = s.shape.inputs / (4 * S::groups);
  require<shape_error>(s.metadata.size() == s.shape.outputs * columns,
                       "from_semi_structured: ", s.shape.outputs * columns,
                       " metadata elements expected, got ", s.metadata.size());
  kept_values<T> kept{weight_mask(s.shape), s.values, s.scales};
  for (std::size_t r = 0; r < s.shape.outputs; ++r)
    for (std::size_t column = 0; column < columns; ++column)
      for (std::size_t g = 0; g < S::groups; ++g) {
        const std::size_t c = (column * S::groups + g) * 4;
        const std::uint32_t bits =
            static_cast<std::uint32_t>(s.metadata[S::place(r, column, s.shape.outputs)] >>
                                       (4 * g)) &
            15u;
        require<value_error>((bits & 3u) < (bits >> 2), "from_semi_structured: row ", r,
                             ", channels from ", c, ": indices ", bits & 3u, " and ", bits >> 2);
        kept.mask.keep(r, c + (bits & 3u));
        kept.mask.keep(r, c + (bits >> 2));
      }
  return pack_kept<n_of_m<T, 2, 4>>(kept);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

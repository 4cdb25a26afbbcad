// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What panel and channel_major of floats have in common: everything but the order of their bricks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Self: the format that derives from this.
template <class Self, storage_scalar T, layout_kind Layout>
struct brick_format {
  using element = T;
  static constexpr layout_kind layout = Layout;
  static constexpr std::string_view name = sparsellm::name(Layout);
  static constexpr std::size_t rows_at_once = brick_outputs;
  static constexpr std::size_t slack_bytes = 0;

  template <class Space>
  struct view : brick_weight<T> {
    using format = Self;
    using space = Space;
  };

  [[nodiscard]] SPARSELLM_HD static constexpr bool stores(float w) noexcept {
    return finite_as<T>(w);
  }
  [[nodiscard]] static constexpr std::size_t bytes(extents e) noexcept {
    return brick_strips(e.outputs) * brick_outputs * e.inputs * sizeof(T);
  }
  template <class Space = host_space>
  [[nodiscard]] static view<Space> make_view(const std::byte* storage, extents e) noexcept {
    const T* const data = reinterpret_cast<const T*>(storage);
    if constexpr (Layout == layout_kind::panel)
      return {{data, e, brick_outputs * e.inputs, brick_outputs}};
    else
      return {{data, e, brick_outputs, brick_strips(e.outputs) * brick_outputs}};
  }
  // U: float, which is rounded, or T. Outputs that pad the last strip become zero.
  template <class U>
  static void pack_rows(std::byte* storage, extents e, std::size_t first,
                        matrix_view<const U> rows) noexcept {
    const brick_weight<T> w = make_view(storage, e);
    for (std::size_t r0 = 0; r0 < rows.rows(); r0 += brick_outputs) {
      T* const strip =
          reinterpret_cast<T*>(storage) + (first + r0) / brick_outputs * w.strip_stride;
      const std::size_t count = std::min(brick_outputs, rows.rows() - r0);
      for (std::size_t c0 = 0; c0 < e.inputs; c0 += tile_channels) {
        const std::size_t channels = std::min(tile_channels, e.inputs - c0);
        // Rows become channels in a tile that the first cache holds: rows are a power of two apart
        // in most models, and share a few of its sets.
        T tile[tile_channels][brick_outputs] = {};
        for (std::size_t o = 0; o < count; ++o) {
          const U* const row = &rows(r0 + o, c0);
          for (std::size_t c = 0; c < channels; ++c)
            tile[c][slot_in_brick<T>(o)] = as_element<T>(row[c]);
        }
        for (std::size_t c = 0; c < channels; ++c)
          std::copy_n(tile[c], brick_outputs, strip + (c0 + c) * w.channel_stride);
      }
    }
  }
  static void unpack_row(view<host_space> v, std::size_t r, vector_view<float> out) noexcept {
    const std::size_t slot = slot_in_brick<T>(r % brick_outputs);
    for (std::size_t c = 0; c < v.shape.inputs; ++c)
      out[c] = widen(v.brick(r / brick_outputs, c)[slot]);
  }

 private:
  static constexpr std::size_t tile_channels = 16;
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

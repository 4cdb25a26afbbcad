// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What panel and channel_major of floats have in common: everything but the order of their bricks.
#pragma once

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
  // Outputs that pad the last strip become zero.
  static void pack_rows(std::byte* storage, extents e, std::size_t first,
                        matrix_view<const float> rows) noexcept {
    const brick_weight<T> w = make_view(storage, e);
    for (std::size_t r0 = 0; r0 < rows.rows(); r0 += brick_outputs) {
      T* const strip =
          reinterpret_cast<T*>(storage) + (first + r0) / brick_outputs * w.strip_stride;
      for (std::size_t c = 0; c < e.inputs; ++c) {
        T* const brick = strip + c * w.channel_stride;
        for (std::size_t o = 0; o < brick_outputs; ++o)
          brick[slot_in_brick<T>(o)] = narrow<T>(r0 + o < rows.rows() ? rows(r0 + o, c) : 0.0f);
      }
    }
  }
  static void unpack_row(view<host_space> v, std::size_t r, vector_view<float> out) noexcept {
    const std::size_t slot = slot_in_brick<T>(r % brick_outputs);
    for (std::size_t c = 0; c < v.shape.inputs; ++c)
      out[c] = widen(v.brick(r / brick_outputs, c)[slot]);
  }
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

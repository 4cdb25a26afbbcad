// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// W [outputs][inputs] without padding, as other libraries hand it over. It needs no repacking, and
// products read all of it; panel and channel_major are faster.
#pragma once

#include <concepts>
#include <cstddef>
#include <string_view>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"

namespace sparsellm::inline v0::detail {

// What kernels know of it: row o starts at data + o · inputs.
template <storage_scalar T>
struct row_weight {
  using element = T;
  const T* data;
  extents shape;
};

template <class V>
concept row_view = std::derived_from<V, row_weight<typename V::element>>;

}  // namespace sparsellm::inline v0::detail

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A format: outputs one after the other, without padding. T: float, half or bfloat16.
template <storage_scalar T>
struct row_major {
  using element = T;
  static constexpr layout_kind layout = layout_kind::row_major;
  static constexpr std::string_view name = sparsellm::name(layout);
  static constexpr std::size_t rows_at_once = 1;
  static constexpr std::size_t slack_bytes = 0;

  // What products take.
  template <class Space>
  struct view : detail::row_weight<T> {
    using format = row_major;
    using space = Space;
  };

  // As packed_format says.
  [[nodiscard]] SPARSELLM_HD static constexpr bool stores(float w) noexcept {
    return detail::finite_as<T>(w);
  }
  [[nodiscard]] static constexpr std::size_t bytes(extents e) noexcept {
    return e.outputs * e.inputs * sizeof(T);
  }
  template <class Space = host_space>
  [[nodiscard]] static view<Space> make_view(const std::byte* storage, extents e) noexcept {
    return {{reinterpret_cast<const T*>(storage), e}};
  }
  template <class U>
  static void pack_rows(std::byte* storage, extents e, std::size_t first,
                        matrix_view<const U> rows) noexcept {
    T* const to = reinterpret_cast<T*>(storage) + first * e.inputs;
    for (std::size_t r = 0; r < rows.rows(); ++r)
      for (std::size_t c = 0; c < e.inputs; ++c)
        to[r * e.inputs + c] = detail::as_element<T>(rows(r, c));
  }
  static void unpack_row(view<host_space> v, std::size_t r, vector_view<float> out) noexcept {
    for (std::size_t c = 0; c < v.shape.inputs; ++c) out[c] = widen(v.data[r * v.shape.inputs + c]);
  }
};

static_assert(packed_format<row_major<float>>);
static_assert(packed_format<row_major<bfloat16>>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

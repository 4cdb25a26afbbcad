// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// W [outputs][inputs] as other libraries hand it over, no padding. Needs no repacking and reads
// every byte; panel and channel_major are faster.
#pragma once

#include <cstddef>
#include <string_view>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/format.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

template <storage_scalar T>
struct row_major {
  using value_type = T;
  static constexpr std::string_view name = "row_major";
  static constexpr std::size_t row_block = 1;

  template <class Space>
  struct view {
    using format = row_major;
    using value_type = T;
    const T* data;
    extents shape;
  };

  [[nodiscard]] static constexpr bool admits(extents) noexcept { return true; }
  [[nodiscard]] static bool stores(float w) noexcept { return finite_as<T>(w); }
  [[nodiscard]] static constexpr std::size_t bytes(extents e) noexcept {
    return e.outputs * e.inputs * sizeof(T);
  }
  template <class Space = host_space>
  [[nodiscard]] static view<Space> make_view(const T* storage, extents e) noexcept {
    return {storage, e};
  }
  static void pack_rows(T* storage, extents e, std::size_t first,
                        matrix_view<const float> rows) noexcept {
    for (std::size_t r = 0; r < rows.rows(); ++r)
      for (std::size_t c = 0; c < e.inputs; ++c)
        storage[(first + r) * e.inputs + c] = narrow<T>(rows(r, c));
  }
  static void unpack_row(view<host_space> v, std::size_t r, vector_view<float> out) noexcept {
    for (std::size_t c = 0; c < v.shape.inputs; ++c) out[c] = widen(v.data[r * v.shape.inputs + c]);
  }
};

static_assert(packed_format<row_major<float>>);
static_assert(packed_format<row_major<bfloat16>>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

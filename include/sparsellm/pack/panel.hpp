// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The dense format: W [outputs / 32][inputs][32]. A product is one sequential stream a thread, the
// fastest order there is when every channel is read. Outputs are padded to 32.
#pragma once

#include <cstddef>
#include <string_view>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/output_group.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

template <storage_scalar T>
struct panel {
  using value_type = T;
  static constexpr std::string_view name = "panel";
  static constexpr std::size_t row_block = group_outputs;

  template <class Space>
  struct view : grouped_weight<T> {
    using format = panel;
  };

  [[nodiscard]] static constexpr bool admits(extents) noexcept { return true; }
  [[nodiscard]] static bool stores(float w) noexcept { return finite_as<T>(w); }
  [[nodiscard]] static constexpr std::size_t bytes(extents e) noexcept {
    return groups_of(e.outputs) * group_outputs * e.inputs * sizeof(T);
  }
  template <class Space = host_space>
  [[nodiscard]] static view<Space> make_view(const T* storage, extents e) noexcept {
    return {{storage, e, group_outputs * e.inputs, group_outputs}};
  }
  static void pack_rows(T* storage, extents e, std::size_t first,
                        matrix_view<const float> rows) noexcept {
    pack_grouped<T>(storage, make_view(storage, e), first, rows);
  }
  static void unpack_row(view<host_space> v, std::size_t r, vector_view<float> out) noexcept {
    unpack_grouped<T>(v, r, out);
  }
};

static_assert(packed_format<panel<float>>);
static_assert(packed_format<panel<bfloat16>>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

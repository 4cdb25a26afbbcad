// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A packed weight whose storage and layout are chosen at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/row_major.hpp"
#include "sparsellm/pack/storage.hpp"
#include "sparsellm/prune/mask.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

class any_weight {
 public:
  // fill(r, out [inputs]) makes row r, as pack() describes, and quantised storages round it to the
  // nearest levels; fill(r, quantized_row&) gives levels that are kept bit for bit. Throws as
  // pack() and pack_levels() do, and value_error for a quantised row_major, which there is not.
  template <host_executor E, class Fill>
  any_weight(E& exec, storage type, layout where, extents shape, const Fill& fill)
      : type_(type), where_(where), weight_(make(exec, type, where, shape, fill)) {}

  // An N:M weight of the patterns that are compiled: 2:4 and 4:8. `where`: n_of_m or
  // channel_bitmap; type: float, half, bfloat16 or i8. Throws as pack_masked() does, and
  // value_error for other layouts, types and patterns.
  template <host_executor E, class Fill>
  any_weight(E& exec, storage type, layout where, extents shape, const Fill& fill,
             const weight_mask& mask, nm_pattern pattern)
      : type_(type),
        where_(where),
        weight_(make_pruned(exec, type, where, shape, fill, mask, pattern)) {}

  [[nodiscard]] storage type() const noexcept { return type_; }
  [[nodiscard]] layout where() const noexcept { return where_; }

  // body(const packed_matrix<F>&) with the format that it is.
  template <class Body>
  decltype(auto) visit(const Body& body) const {
    return std::visit(body, weight_);
  }
  [[nodiscard]] extents shape() const noexcept {
    return visit([](const auto& w) { return w.shape(); });
  }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return visit([](const auto& w) { return w.bytes(); });
  }

 private:
  template <storage_scalar T>
  using in_panel = packed_matrix<panel<T>>;
  template <storage_scalar T>
  using in_channels = packed_matrix<channel_major<T>>;
  template <storage_scalar T>
  using in_rows = packed_matrix<row_major<T>>;
  template <template <layout> class Q>
  using quantized_panel = packed_matrix<Q<layout::panel>>;
  template <template <layout> class Q>
  using quantized_channels = packed_matrix<Q<layout::channel_major>>;
  template <sparse_element T>
  using two_of_four = packed_matrix<n_of_m<T, 2, 4>>;
  template <sparse_element T>
  using four_of_eight = packed_matrix<n_of_m<T, 4, 8>>;
  template <sparse_element T>
  using bitmap_2_4 = packed_matrix<channel_bitmap<T, 2, 4>>;
  template <sparse_element T>
  using bitmap_4_8 = packed_matrix<channel_bitmap<T, 4, 8>>;

  using weight = std::variant<
      in_panel<float>, in_channels<float>, in_rows<float>, in_panel<half>, in_channels<half>,
      in_rows<half>, in_panel<bfloat16>, in_channels<bfloat16>, in_rows<bfloat16>,
      quantized_panel<q8_0>, quantized_channels<q8_0>, quantized_panel<q4_0>,
      quantized_channels<q4_0>, quantized_panel<q4_1>, quantized_channels<q4_1>, two_of_four<float>,
      four_of_eight<float>, two_of_four<half>, four_of_eight<half>, two_of_four<bfloat16>,
      four_of_eight<bfloat16>, two_of_four<std::int8_t>, four_of_eight<std::int8_t>,
      bitmap_2_4<float>, bitmap_4_8<float>, bitmap_2_4<half>, bitmap_4_8<half>,
      bitmap_2_4<bfloat16>, bitmap_4_8<bfloat16>, bitmap_2_4<std::int8_t>, bitmap_4_8<std::int8_t>>;

  template <storage_scalar T, class E, class Fill>
  [[nodiscard]] static weight make_float(E& exec, layout where, extents e, const Fill& fill) {
    if (where == layout::panel) return pack<panel<T>>(exec, e, fill);
    if (where == layout::row_major) return pack<row_major<T>>(exec, e, fill);
    return pack<channel_major<T>>(exec, e, fill);
  }

  template <packed_format F, class E, class Fill>
  [[nodiscard]] static packed_matrix<F> pack_quantized(E& exec, extents e, const Fill& fill) {
    if constexpr (std::invocable<const Fill&, std::size_t, quantized_row&>)
      return pack_levels<F>(exec, e, fill);
    else
      return pack<F>(exec, e, fill);
  }

  template <template <layout> class Q, class E, class Fill>
  [[nodiscard]] static weight make_quantized(E& exec, layout where, extents e, const Fill& fill) {
    require<value_error>(where != layout::row_major,
                         "any_weight: quantised weights are packed as panel or channel_major");
    if (where == layout::panel) return pack_quantized<Q<layout::panel>>(exec, e, fill);
    return pack_quantized<Q<layout::channel_major>>(exec, e, fill);
  }

  template <sparse_element T, class E, class Fill>
  [[nodiscard]] static weight make_masked(E& exec, layout where, extents e, const Fill& fill,
                                          const weight_mask& mask, nm_pattern p) {
    const bool two = p == nm_pattern{2, 4};
    if (where == layout::n_of_m) {
      if (two) return pack_masked<n_of_m<T, 2, 4>>(exec, e, fill, mask);
      return pack_masked<n_of_m<T, 4, 8>>(exec, e, fill, mask);
    }
    if (two) return pack_masked<channel_bitmap<T, 2, 4>>(exec, e, fill, mask);
    return pack_masked<channel_bitmap<T, 4, 8>>(exec, e, fill, mask);
  }

  template <class E, class Fill>
  [[nodiscard]] static weight make_pruned(E& exec, storage type, layout where, extents e,
                                          const Fill& fill, const weight_mask& mask, nm_pattern p) {
    require<value_error>(is_pruned(where),
                         "any_weight: a mask goes with the layouts n_of_m and channel_bitmap");
    require<value_error>(p == nm_pattern{2, 4} || p == nm_pattern{4, 8},
                         "any_weight: the patterns 2:4 and 4:8 are compiled, got ", p.n, ":", p.m);
    if (type == storage::f32) return make_masked<float>(exec, where, e, fill, mask, p);
    if (type == storage::f16) return make_masked<half>(exec, where, e, fill, mask, p);
    if (type == storage::bf16) return make_masked<bfloat16>(exec, where, e, fill, mask, p);
    require<value_error>(type == storage::i8,
                         "any_weight: N:M weights are f32, f16, bf16 or i8, got ", name(type));
    return make_masked<std::int8_t>(exec, where, e, fill, mask, p);
  }

  template <class E, class Fill>
  [[nodiscard]] static weight make(E& exec, storage type, layout where, extents e,
                                   const Fill& fill) {
    require<value_error>(!is_pruned(where) && type != storage::i8,
                         "any_weight: N:M layouts and i8 need a mask");
    if constexpr (std::invocable<const Fill&, std::size_t, vector_view<float>>) {
      if (type == storage::f32) return make_float<float>(exec, where, e, fill);
      if (type == storage::f16) return make_float<half>(exec, where, e, fill);
      if (type == storage::bf16) return make_float<bfloat16>(exec, where, e, fill);
    } else {
      require<value_error>(is_quantized(type), "any_weight: rows of levels cannot be stored as ",
                           name(type));
    }
    if (type == storage::q8_0) return make_quantized<q8_0>(exec, where, e, fill);
    if (type == storage::q4_0) return make_quantized<q4_0>(exec, where, e, fill);
    return make_quantized<q4_1>(exec, where, e, fill);
  }

  storage type_;
  layout where_;
  weight weight_;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Stage 4, pack: a dense weight W [outputs, inputs] becomes bytes in the order a kernel wants to
// read them. A format, a layout of elements such as channel_major<q4_1>, is a stateless
// description; packed_matrix owns the bytes; a view is the pointer and the shape that kernels get.
#pragma once

#include <concepts>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/layout_kind.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Every byte array of packed weights begins at a multiple of this many bytes.
inline constexpr std::size_t packed_alignment = 64;

// Semantics: storage holds bytes(e) bytes, and kernels may read slack_bytes behind them.
// pack_rows(storage, e, first, rows) writes the rows [first, first + rows.rows()) of the weight and
// the padding that belongs to them; `first` is a multiple of rows_at_once, and rows_at_once rows
// are given, or those up to the last. A rows_at_once beyond the outputs asks for all rows in one
// call. After all rows are written every byte is. It may throw, as one does that needs memory of
// its own. unpack_row(view, r, out [inputs]) gives back what was stored: the nearest number that
// the element holds. stores(w) says whether a weight fits the format.
template <class F>
concept packed_format =
    std::is_trivially_copyable_v<typename F::template view<host_space>> &&
    requires(extents e, std::byte* storage, std::size_t row, float w, matrix_view<const float> rows,
             vector_view<float> out, typename F::template view<host_space> view) {
      typename F::element;
      { F::layout } -> std::convertible_to<layout_kind>;
      { F::name } -> std::convertible_to<std::string_view>;
      { F::rows_at_once } -> std::convertible_to<std::size_t>;
      { F::slack_bytes } -> std::convertible_to<std::size_t>;
      { F::bytes(e) } noexcept -> std::same_as<std::size_t>;
      { F::stores(w) } noexcept -> std::same_as<bool>;
      { F::make_view(storage, e) } noexcept -> std::same_as<typename F::template view<host_space>>;
      F::pack_rows(storage, e, row, rows);
      { F::unpack_row(view, row, out) } noexcept;
      requires std::same_as<typename decltype(view)::format, F>;
      { view.shape } -> std::convertible_to<extents>;
    };

// A view of packed weights: knows its format, its shape and the space it lies in.
template <class V>
concept packed_view = packed_format<typename V::format> && requires(const V& v) {
  typename V::space;
  { v.shape } -> std::convertible_to<extents>;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Whether a weight is finite when stored as T.
template <storage_scalar T>
[[nodiscard]] SPARSELLM_HD constexpr bool finite_as(float w) noexcept {
  return is_finite(widen(narrow<T>(w)));
}

// A number that is to be stored as T: rounded, when it is not one already.
template <storage_scalar T, storage_scalar U>
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr T as_element(U w) noexcept {
  if constexpr (std::same_as<T, U>)
    return w;
  else
    return narrow<T>(widen(w));
}

// What a weight of this format is stored as, for messages.
template <class F>
[[nodiscard]] constexpr std::string_view stored_as() noexcept {
  if constexpr (storage_scalar<typename F::element>)
    return scalar_name<typename F::element>;
  else
    return "integer levels";
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

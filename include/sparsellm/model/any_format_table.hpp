// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The table behind find_format(): every format of the list.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/compiled.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/cpu/multiply_gated.hpp"
#include "sparsellm/cpu/products/row_product.hpp"
#include "sparsellm/model/any_format.hpp"
#include "sparsellm/model/weight_format.hpp"
#include "sparsellm/pack/element.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/pack_levels.hpp"
#include "sparsellm/pack/pack_masked.hpp"
#include "sparsellm/prune/mask.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

[[nodiscard]] inline auto floats_from(row_source rows) noexcept {
  return [rows](std::size_t r, vector_view<float> out) {
    rows.floats(rows.body, r, out.data(), out.size());
  };
}

template <packed_format F>
struct any_format_functions {
  using view = typename F::template view<host_space>;

  static std::size_t bytes(extents shape) noexcept { return F::bytes(shape) + F::slack_bytes; }
  static void pack_floats(const executor_ref& exec, extents shape, std::byte* storage,
                          row_source rows) {
    pack_into<F>(exec, shape, storage, floats_from(rows));
  }
  static void pack_levels(const executor_ref& exec, extents shape, std::byte* storage,
                          row_source rows) {
    levels_into<F>(exec, shape, storage, [rows](std::size_t r, quantized_row& row) {
      rows.levels(rows.body, r, row.level.data(), row.level.size(), row.scale.data(),
                  row.minimum.data(), row.scale.size());
    });
  }
  static void pack_blocks(const executor_ref& exec, extents shape, std::byte* storage,
                          vector_view<const std::byte> blocks) {
    if constexpr (element_format<F>)
      elements_into<F>(exec, shape, storage, blocks);
    else
      gguf_into<F>(exec, shape, storage, blocks);
  }
  static void pack_block_rows(const executor_ref& exec, extents shape, std::byte* storage,
                              row_source rows) {
    const auto row_at = [rows](std::size_t r) { return rows.blocks(rows.body, r); };
    if constexpr (element_format<F>)
      elements_into<F>(exec, shape, storage, row_at);
    else
      gguf_rows_into<F>(exec, shape, storage, row_at);
  }
  static void pack_masked(const executor_ref& exec, extents shape, std::byte* storage,
                          row_source rows, mask_source from) {
    weight_mask mask(shape);
    for (std::size_t r = 0; r < shape.outputs; ++r)
      std::copy_n(from.words + r * from.row_words, from.row_words, mask.row(r));
    masked_into<F>(exec, shape, storage, floats_from(rows), mask);
  }
  static void unpack_row(const std::byte* storage, extents shape, std::size_t r,
                         float* out) noexcept {
    F::unpack_row(F::make_view(storage, shape), r, vector_view<float>(out, shape.inputs));
  }
  static void multiply(const executor_ref& exec, const std::byte* storage, extents shape,
                       const selection& s, const token_inputs& x, std::size_t tokens,
                       matrix_view<float> y) {
    product(exec, F::make_view(storage, shape), s, x, tokens, y);
  }
  static void gated(const executor_ref& exec, const std::byte* storage, extents shape,
                    const selection& s, const token_inputs& x, float* h) {
    brick_gated_product<typename F::element>(exec, F::make_view(storage, shape), s, x, h);
  }
  static void rows(const executor_ref& exec, const std::byte* storage, extents shape,
                   vector_view<const std::uint32_t> wanted, vector_view<const float> x,
                   vector_view<float> y) {
    listed_rows_product<typename F::element>(exec, F::make_view(storage, shape), wanted, x, y);
  }

  [[nodiscard]] static constexpr any_format table() noexcept {
    any_format f{};
    f.format = value_of<F>();
    f.bytes = &bytes;
    f.slack_bytes = F::slack_bytes;
    if constexpr (is_pruned(F::layout)) {
      f.pack_masked = &pack_masked;
    } else {
      f.pack_floats = &pack_floats;
      if constexpr (quantized_element<typename F::element>) f.pack_levels = &pack_levels;
      if constexpr (element_format<F> || levels_format<F>) {
        f.pack_blocks = &pack_blocks;
        f.pack_block_rows = &pack_block_rows;
      }
    }
    f.unpack_row = &unpack_row;
    f.product = &multiply;
    if constexpr (gates_in_place<view>) f.gated = &gated;
    if constexpr (row_view<view>) f.rows = &rows;
    return f;
  }
};

template <class... F>
[[nodiscard]] const any_format* find_in(format_list<F...>, weight_format wanted) noexcept {
  static constexpr any_format formats[] = {any_format_functions<F>::table()...};
  for (const any_format& f : formats)
    if (f.format == wanted) return &f;
  return nullptr;
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace SPARSELLM_PRODUCTS {

template <class>
const any_format* find_format(weight_format f) noexcept {
  return find_in(any_formats{}, f);
}

}  // namespace SPARSELLM_PRODUCTS

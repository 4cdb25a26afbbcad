// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What any_weight knows of each format: functions whose types do not name it. In the compiled
// library where there is one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/compiled.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/model/weight_format.hpp"

namespace sparsellm::inline v0::detail {

// The caller's functions that make row r, their types forgotten.
struct row_source {
  const void* body;
  void (*floats)(const void* body, std::size_t r, float* out, std::size_t inputs);
  void (*levels)(const void* body, std::size_t r, std::uint8_t* level, std::size_t inputs,
                 half* scale, half* minimum, std::size_t blocks);
  vector_view<const std::byte> (*blocks)(const void* body, std::size_t r);  // of GGUF
};

// A mask's rows of words, borrowed; the shape is the weight's.
struct mask_source {
  const std::uint64_t* words;
  std::size_t row_words;
};

// storage: bytes(shape) and the slack behind them. A function is null where the format has none.
struct any_format {
  weight_format format;
  std::size_t (*bytes)(extents shape) noexcept;  // slack included
  std::size_t slack_bytes;
  void (*pack_floats)(const executor_ref& exec, extents shape, std::byte* storage, row_source rows);
  void (*pack_levels)(const executor_ref& exec, extents shape, std::byte* storage, row_source rows);
  void (*pack_blocks)(const executor_ref& exec, extents shape, std::byte* storage,
                      vector_view<const std::byte> blocks);
  void (*pack_block_rows)(const executor_ref& exec, extents shape, std::byte* storage,
                          row_source rows);
  void (*pack_masked)(const executor_ref& exec, extents shape, std::byte* storage, row_source rows,
                      mask_source mask);
  void (*unpack_row)(const std::byte* storage, extents shape, std::size_t r, float* out) noexcept;
  void (*product)(const executor_ref& exec, const std::byte* storage, extents shape,
                  const selection& s, const token_inputs& x, std::size_t tokens,
                  matrix_view<float> y);
  void (*gated)(const executor_ref& exec, const std::byte* storage, extents shape,
                const selection& s, const token_inputs& x, float* h);
  void (*rows)(const executor_ref& exec, const std::byte* storage, extents shape,
               vector_view<const std::uint32_t> rows, vector_view<const float> x,
               vector_view<float> y);
};

}  // namespace sparsellm::inline v0::detail

namespace SPARSELLM_PRODUCTS {

// Null for a format that is not in the list. A template, so that a file that only includes this
// header compiles no product.
template <class = void>
[[nodiscard]] const any_format* find_format(weight_format f) noexcept;

}  // namespace SPARSELLM_PRODUCTS

#if SPARSELLM_DEFINES_PRODUCTS
#include "sparsellm/model/any_format_table.hpp"
#endif

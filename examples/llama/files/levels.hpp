// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows of quantised tensors as levels and scales, for weights that are kept as the file has them.
#pragma once

#include <cstddef>

#include "files/model_file.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "sparsellm/pack/quantized.hpp"

namespace llama {

// What a tensor of this type is packed as. Q8_0, Q4_0 and Q4_1 are kept without loss; Q4_K becomes
// Q4_1 and loses what its scales lose in half precision; other quantised types become Q8_0.
[[nodiscard]] sparsellm::element_kind storage_of(tensor_type t) noexcept;

// Whether read_levels() takes the type: the levels in the file are the levels that are packed.
[[nodiscard]] bool has_levels(tensor_type t) noexcept;

// Row r of t, whose storage is storage_of(t.type): levels as sparsellm::quantized_row wants them.
void read_levels(const tensor& t, std::size_t r, sparsellm::quantized_row& row) noexcept;

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What tensors are packed as, and their rows for weights that are kept as the file has them.
#pragma once

#include <cstddef>

#include "files/model_file.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/element_kind.hpp"

namespace llama {

// What a tensor of this type is packed as, without loss.
[[nodiscard]] sparsellm::element_kind storage_of(tensor_type t) noexcept;

// Whether any_weight takes the tensor's rows as they stand in the file. Not those of pruned
// tensors, whose file has the kept numbers alone.
[[nodiscard]] bool keeps_rows(const tensor& t) noexcept;

// The bytes of row r of such a tensor.
[[nodiscard]] sparsellm::vector_view<const std::byte> row_bytes(const tensor& t,
                                                                std::size_t r) noexcept;

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows of tensors as float. Block layouts as ggml defines them (ggml-common.h, MIT): written
// out in docs/formats.md.
#pragma once

#include <cstddef>

#include "files/model_file.hpp"
#include "sparsellm/core/views.hpp"

namespace llama {

// Whether a pruned tensor keeps column c of the row that is stored as `stored`.
[[nodiscard]] bool keeps(const tensor& t, std::size_t stored, std::size_t c) noexcept;

// out [cols] = row r of t, what was pruned as 0. r < t.rows and out.size() == t.cols are the
// caller's to keep.
void dequantize_row(const tensor& t, std::size_t r, sparsellm::vector_view<float> out) noexcept;

}  // namespace llama

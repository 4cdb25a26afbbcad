// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows of GGUF tensors as float. Block layouts as ggml defines them (ggml-common.h, MIT): written
// out in docs/formats.md.
#pragma once

#include <cstddef>

#include "gguf.hpp"
#include "sparsellm/core/views.hpp"

namespace llama {

// out [cols] = row r of t. r < t.rows and out.size() == t.cols are the caller's to keep.
void dequantize_row(const tensor& t, std::size_t r, sparsellm::vector_view<float> out) noexcept;

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// NaN and infinity are no weights: what meets one gives NaN for everything.
#pragma once

#include <cstddef>

#include "files/model_file.hpp"
#include "sparsellm/core/views.hpp"

namespace llama {

// Throws format_error, which names the tensor as the file does, its row there and the column, when
// a value of row r of t is not finite. values [t.cols] are that row, dequantised.
void require_finite(const model_file& file, const tensor& t, std::size_t r,
                    sparsellm::vector_view<const float> values);

// The same for all of t, which is read through.
void require_finite(const model_file& file, const tensor& t);

}  // namespace llama

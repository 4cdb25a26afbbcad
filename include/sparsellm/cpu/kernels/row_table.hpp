// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What an instruction set provides for row_major weights of one storage type.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::detail {

template <storage_scalar T>
struct row_table {
  // Y [tokens, rows first..last) = X · Wᵀ for row-major W [.., inputs].
  void (*row_dots)(const T* w, std::size_t inputs, std::size_t first, std::size_t last,
                   matrix_view<const float> x, matrix_view<float> y) noexcept;
};

}  // namespace sparsellm::inline v0::detail

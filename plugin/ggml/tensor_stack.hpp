// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Tensors that are packed as one weight, one below the other: q, k and v, or gate and up, which
// read the same input.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "ggml.h"
#include "projection.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm_ggml {

// A tensor and its ggml_nbytes() bytes, as a GGUF file has them. Borrows both.
struct tensor_bytes {
  const ggml_tensor* tensor;
  const std::byte* bytes;
};

class tensor_stack {
 public:
  // At least one, all of one type and with as many inputs; of experts one alone. Borrows the bytes.
  explicit tensor_stack(std::vector<tensor_bytes> tensors) : tensors_(std::move(tensors)) {}

  [[nodiscard]] const std::vector<tensor_bytes>& tensors() const noexcept { return tensors_; }
  [[nodiscard]] const ggml_tensor& first() const noexcept { return *tensors_.front().tensor; }
  // How many matrices a tensor has: experts, else one.
  [[nodiscard]] std::size_t matrices() const noexcept {
    return static_cast<std::size_t>(first().ne[2]);
  }
  // Of each tensor.
  [[nodiscard]] std::vector<std::size_t> outputs() const {
    std::vector<std::size_t> sizes;
    for (const tensor_bytes& t : tensors_) sizes.push_back(shape_of(*t.tensor).outputs);
    return sizes;
  }
  // Of a matrix of all of them.
  [[nodiscard]] sparsellm::extents shape() const noexcept {
    sparsellm::extents all{0, shape_of(first()).inputs};
    for (const tensor_bytes& t : tensors_) all.outputs += shape_of(*t.tensor).outputs;
    return all;
  }
  // Row r of a matrix of all of them.
  [[nodiscard]] sparsellm::vector_view<const std::byte> row(std::size_t matrix,
                                                            std::size_t r) const noexcept {
    const tensor_bytes* t = tensors_.data();
    for (; r >= shape_of(*t->tensor).outputs; ++t) r -= shape_of(*t->tensor).outputs;
    return {t->bytes + matrix * t->tensor->nb[2] + r * t->tensor->nb[1],
            ggml_row_size(t->tensor->type, t->tensor->ne[0])};
  }

 private:
  std::vector<tensor_bytes> tensors_;
};

}  // namespace sparsellm_ggml

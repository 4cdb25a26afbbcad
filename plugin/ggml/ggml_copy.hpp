// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A weight once more, as llama.cpp has it without this plugin: for large batches, where ggml's own
// kernels may be faster than ours (SPARSELLM_PROMPT=ggml). Costs the weight's memory again.
#pragma once

#include <memory>

#include "ggml-backend.h"
#include "ggml.h"

namespace sparsellm_ggml {

class ggml_copy {
 public:
  // Placed in the first of the CPU's other buffer types that takes it, as llama.cpp would place it,
  // else in plain memory. `data`: the tensor's bytes. Throws std::bad_alloc.
  ggml_copy(const ggml_tensor& weight, const void* data);

  // What a product reads in the packed weight's place.
  [[nodiscard]] ggml_tensor* tensor() noexcept { return tensor_; }

 private:
  struct free_context {
    void operator()(ggml_context* c) const { ggml_free(c); }
  };
  struct free_buffer {
    void operator()(ggml_backend_buffer* b) const { ggml_backend_buffer_free(b); }
  };
  std::unique_ptr<ggml_context, free_context> context_;
  std::unique_ptr<ggml_backend_buffer, free_buffer> buffer_;
  ggml_tensor* tensor_;
};

}  // namespace sparsellm_ggml

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The buffer type that weights are placed in: what is set there is packed. A tensor's place in the
// buffer holds the packed weight's address, so that finding it costs one load and needs no lock,
// and works where tensors are known by address alone (RPC).
#pragma once

#include <cstddef>

#include "ggml-backend-impl.h"
#include "packed_weight.hpp"

namespace sparsellm_ggml {

// One for the process. Its device is who placed it, set before llama.cpp sees it.
[[nodiscard]] ggml_backend_buffer_type& weight_buffer_type();

// Whether the tensor, or what it is a view of, lies in such a buffer.
[[nodiscard]] bool in_weight_buffer(const ggml_tensor& tensor);

// Whether what is set there is packed, or was: by its name, before it is there too.
[[nodiscard]] bool keeps_packed(const ggml_tensor& tensor);

// Whether the tensor, or what it is a view of, was packed. One load: every thread asks for every
// node.
[[nodiscard]] bool holds_packed(const ggml_tensor& tensor);

// The packed weight that a tensor is a part of; a null pointer for one that is none or was not set.
struct packed_part {
  packed_weight* weight = nullptr;
  std::size_t part = 0;
};
[[nodiscard]] packed_part packed_in(const ggml_tensor& tensor);

}  // namespace sparsellm_ggml

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The three forms that the plugin takes in a program, one of them for the life of the process
// (SPARSELLM_FORM). Each gives what ggml registers, or null with the reason said.
#pragma once

#include "ggml-backend-impl.h"

namespace sparsellm_ggml {

// No devices: the CPU backend runs our products as its own, through its list of extra buffer types.
[[nodiscard]] ggml_backend_reg_t register_injected();

// Two devices beside the CPU: one owns the weights, the other runs products on the CPU's memory. No
// C++ of ggml's is met; the scheduler goes from one backend to the other at each product.
[[nodiscard]] ggml_backend_reg_t register_accelerators();

// A device like a GPU, with weights, activations and caches of its own, that has an inner CPU
// backend run all of its graph. What RPC servers serve.
[[nodiscard]] ggml_backend_reg_t register_device();

}  // namespace sparsellm_ggml

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "cpu_traits.hpp"
#include "registration.hpp"
#include "registry_entry.hpp"
#include "weight_buffer.hpp"

namespace sparsellm_ggml {

ggml_backend_reg_t register_injected() {
  static ggml_backend_reg reg =
      registry_entry([](ggml_backend_reg_t) { return std::size_t{0}; },
                     [](ggml_backend_reg_t, std::size_t) -> ggml_backend_dev_t { return nullptr; },
                     [](ggml_backend_reg_t, const char*) -> void* { return nullptr; });
  weight_buffer_type().device = cpu_device();
  return join_cpu_backend() ? &reg : nullptr;
}

}  // namespace sparsellm_ggml

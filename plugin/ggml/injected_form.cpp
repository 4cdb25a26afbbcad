// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "cpu_traits.hpp"
#include "registration.hpp"
#include "weight_buffer.hpp"

namespace sparsellm_ggml {

ggml_backend_reg_t register_injected() {
  static ggml_backend_reg reg = [] {
    ggml_backend_reg r{};
    r.api_version = GGML_BACKEND_API_VERSION;
    r.iface.get_name = [](ggml_backend_reg_t) { return "SPARSELLM"; };
    r.iface.get_device_count = [](ggml_backend_reg_t) { return std::size_t{0}; };
    r.iface.get_device = [](ggml_backend_reg_t, std::size_t) -> ggml_backend_dev_t {
      return nullptr;
    };
    r.iface.get_proc_address = [](ggml_backend_reg_t, const char*) -> void* { return nullptr; };
    return r;
  }();
  weight_buffer_type().device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  return join_cpu_backend() ? &reg : nullptr;
}

}  // namespace sparsellm_ggml

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What every form registers with ggml, and the CPU's device that all of them stand on.
#pragma once

#include <cstddef>
#include <cstring>

#include "ggml-backend-impl.h"

namespace sparsellm_ggml {

// Null where the program has loaded no CPU backend.
inline ggml_backend_dev_t cpu_device() {
  return ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
}

// The same, and says so where there is none.
[[nodiscard]] ggml_backend_dev_t cpu_device_or_say();

// `device` is asked for indices below what `count` gives, `address` for functions by name.
inline ggml_backend_reg registry_entry(std::size_t (*count)(ggml_backend_reg_t),
                                       ggml_backend_dev_t (*device)(ggml_backend_reg_t,
                                                                    std::size_t),
                                       void* (*address)(ggml_backend_reg_t, const char*)) {
  ggml_backend_reg r{};
  r.api_version = GGML_BACKEND_API_VERSION;
  r.iface.get_name = [](ggml_backend_reg_t) { return "SPARSELLM"; };
  r.iface.get_device_count = count;
  r.iface.get_device = device;
  r.iface.get_proc_address = address;
  return r;
}

// The function of a form that has one: how many threads a backend runs on.
template <ggml_backend_set_n_threads_t SetThreads>
void* address_of(ggml_backend_reg_t, const char* name) {
  return std::strcmp(name, "ggml_backend_set_n_threads") == 0 ? reinterpret_cast<void*>(SetThreads)
                                                              : nullptr;
}

}  // namespace sparsellm_ggml

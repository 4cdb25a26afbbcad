// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "registry_entry.hpp"

#include "log.hpp"

namespace sparsellm_ggml {

ggml_backend_dev_t cpu_device_or_say() {
  const ggml_backend_dev_t cpu = cpu_device();
  if (cpu == nullptr)
    say("the program has no CPU backend yet: it has to be loaded before this plugin");
  return cpu;
}

}  // namespace sparsellm_ggml

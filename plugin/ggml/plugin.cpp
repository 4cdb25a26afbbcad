// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What ggml looks for when it loads a backend from a file (GGML_BACKEND_PATH).
#include <cstdio>
#include <cstring>
#include <exception>

#include "ggml-backend-impl.h"
#include "registration.hpp"
#include "settings.hpp"
#include "sparsellm/core/error.hpp"
#include "thresholds.hpp"

namespace sparsellm_ggml {

namespace {

// Tensors, buffers and traits are laid out as in the headers that this was compiled with. ggml's
// check of its API version does not cover that.
void check_version() {
  sparsellm::require<sparsellm::value_error>(
      std::strcmp(ggml_version(), SPARSELLM_GGML_VERSION) == 0,
      "this plugin was built for ggml " SPARSELLM_GGML_VERSION ", the program has ",
      ggml_version());
}

ggml_backend_reg_t registration() {
  switch (the_settings().as) {
    case form::accelerator: return register_accelerators();
    case form::device: return register_device();
    case form::injected: break;
  }
  return register_injected();
}

}  // namespace

}  // namespace sparsellm_ggml

// Null, which ggml reports, where the plugin cannot work; the reason is on stderr.
extern "C" __attribute__((visibility("default"))) ggml_backend_reg_t ggml_backend_init() {
  using namespace sparsellm_ggml;
  try {
    check_version();
    load_thresholds();
    return registration();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "sparsellm: %s\n", e.what());
    return nullptr;
  }
}

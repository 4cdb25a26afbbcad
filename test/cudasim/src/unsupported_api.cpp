// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Every other symbol of libcudart.so.13: present so that programs load, failing loudly when called.
#include "messages.hpp"

#define UNSUPPORTED(name)                                                                        \
  extern "C" __attribute__((visibility("default"))) int name() {                                 \
    cudasim::message("the CUDA runtime function '%s' is not supported by the simulator", #name); \
    return 801; /* cudaErrorNotSupported */                                                      \
  }
#include "unsupported_api.inc"

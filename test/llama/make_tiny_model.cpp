// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Writes the tests' small random model: make_tiny_model FILE
#include <cstdio>

#include "llama/gguf_builder.hpp"
#include "sparsellm/core/replace_file.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_tiny_model FILE\n");
    return 2;
  }
  sparsellm::replace_file(argv[1], tiny_model().bytes());
}

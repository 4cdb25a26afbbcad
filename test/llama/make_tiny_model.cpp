// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Writes the tests' small random model: make_tiny_model FILE [CONTEXT]
#include <cstdio>
#include <cstdlib>

#include "llama/gguf_builder.hpp"
#include "sparsellm/core/replace_file.hpp"

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: make_tiny_model FILE [CONTEXT]\n");
    return 2;
  }
  tiny_options options;
  if (argc == 3) options.context = static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10));
  sparsellm::replace_file(argv[1], tiny_model(options).bytes());
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Writes the seed corpus below a folder: make_corpus test/fuzz/corpus
#include <cstdio>
#include <filesystem>

#include "fuzz/seeds.hpp"
#include "sparsellm/core/replace_file.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_corpus FOLDER\n");
    return 2;
  }
  const std::filesystem::path root = argv[1];
  const std::pair<const char*, std::vector<seed>> corpora[] = {
      {"gguf", gguf_seeds()},     {"table", table_seeds()},
      {"counts", counts_seeds()}, {"layouts", layouts_seeds()},
      {"search", search_seeds()}, {"checkpoint", checkpoint_seeds()},
      {"config", config_seeds()}, {"tokenizer", tokenizer_seeds()}};
  for (const auto& [name, seeds] : corpora) {
    std::filesystem::create_directories(root / name);
    for (const auto& [file, bytes] : seeds)
      sparsellm::replace_file((root / name / file).string(), bytes);
  }
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// The committed corpus is what make_corpus writes, and passes; so do damaged copies of it.
#include <filesystem>
#include <random>
#include <string>

#include "catch2_any.hpp"
#include "fuzz/seeds.hpp"
#include "fuzz/targets.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace {

using target = void (*)(const std::uint8_t*, std::size_t);

void replay(const std::string& corpus, const std::vector<seed>& seeds, target run) {
  const std::filesystem::path folder =
      std::filesystem::path(SPARSELLM_SOURCE_DIR) / "test/fuzz/corpus" / corpus;
  std::mt19937 random(37);
  for (const auto& [name, bytes] : seeds) {
    INFO(corpus << "/" << name);
    CHECK(sparsellm::read_file((folder / name).string()) == bytes);
    for (int round = 0; round < 2000; ++round) {
      std::string damaged = bytes;
      for (int i = 0; i < 1 + round % 4; ++i)
        damaged[random() % damaged.size()] = static_cast<char>(random());
      if (round % 7 == 0) damaged.resize(random() % damaged.size());
      run(reinterpret_cast<const std::uint8_t*>(damaged.data()), damaged.size());
    }
  }
}

}  // namespace

TEST_CASE("fuzz corpus: GGUF files, whole and damaged") { replay("gguf", gguf_seeds(), fuzz_gguf); }
TEST_CASE("fuzz corpus: threshold tables, whole and damaged") {
  replay("table", table_seeds(), fuzz_table);
}
TEST_CASE("fuzz corpus: activation counts, whole and damaged") {
  replay("counts", counts_seeds(), fuzz_counts);
}
TEST_CASE("fuzz corpus: layout efficiencies, whole and damaged") {
  replay("layouts", layouts_seeds(), fuzz_layouts);
}
TEST_CASE("fuzz corpus: search states, whole and damaged") {
  replay("search", search_seeds(), fuzz_search);
}
TEST_CASE("fuzz corpus: checkpoints, whole and damaged") {
  replay("checkpoint", checkpoint_seeds(), fuzz_checkpoint);
}
TEST_CASE("fuzz corpus: tokenizer.json, whole and damaged") {
  replay("tokenizer", tokenizer_seeds(), fuzz_tokenizer);
}
TEST_CASE("fuzz corpus: config.json, whole and damaged") {
  replay("config", config_seeds(), fuzz_config);
}

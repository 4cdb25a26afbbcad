// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "files/output_directory.hpp"

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "catch2_any.hpp"
#include "llama/temporary_files.hpp"
#include "sparsellm/core/error.hpp"

using namespace llama;
namespace fs = std::filesystem;

TEST_CASE("output directories that stay empty are removed, with the folders made for them") {
  const temporary_folder folder;
  const std::string path = folder.path() + "/made/too/out";
  {
    const output_directory out(path, "", false);
    CHECK(fs::is_directory(path));
    CHECK_THROWS_AS(output_directory(path, "", false), sparsellm::file_error);
    CHECK(fs::is_directory(path));
  }
  CHECK(fs::is_empty(folder.path()));
}

// Each makes the directory and removes it again; who is refused must not remove another's.
TEST_CASE("an output directory stays while a run has it, whatever others try") {
  const temporary_folder folder;
  const std::string path = folder.path() + "/new/out";
  constexpr int threads = 4, rounds = 5000;
  std::atomic<int> had{0}, gone{0}, refused{0}, running{threads};
  std::vector<std::thread> runs;
  for (int t = 0; t < threads; ++t)
    runs.emplace_back([&] {
      for (int i = 0; i < rounds; ++i) {
        try {
          const output_directory out(path, "", false);
          had += 1;
          const int before = refused;
          while (refused == before && running > 1) std::this_thread::yield();
          if (!fs::is_directory(path)) gone += 1;
        } catch (const sparsellm::file_error&) {
          refused += 1;  // another has it
        }
      }
      running -= 1;
    });
  for (std::thread& t : runs) t.join();
  CHECK(had.load() > 0);
  CHECK(gone.load() == 0);
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// llama.cpp's own vocabulary test vectors, where the source package of llama-cpp-python is at hand:
// script/get-vocabularies puts them into .cache/vocabularies.
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "files/gguf.hpp"
#include "files/mapped_file.hpp"
#include "files/tokenizer.hpp"
#include "shared_data.hpp"
#include "sparsellm/core/replace_file.hpp"

using namespace llama;

namespace {

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  for (std::size_t next; (next = text.find(separator, at)) != std::string::npos;
       at = next + separator.size())
    parts.push_back(text.substr(at, next - at));
  parts.push_back(text.substr(at));
  return parts;
}

}  // namespace

TEST_CASE("tokenizer: llama.cpp's test vectors") {
  const std::filesystem::path folder =
      std::filesystem::path(SPARSELLM_SOURCE_DIR) / ".cache/vocabularies";
  if (!std::filesystem::exists(folder / "ggml-vocab-llama-spm.gguf"))
    SKIP_BY_NAME(".cache/vocabularies is not there; script/get-vocabularies");
  for (const char* name : {"llama-spm", "llama-bpe", "gpt-2", "phi-3"}) {
    const std::string base = (folder / (std::string("ggml-vocab-") + name + ".gguf")).string();
    const mapped_file mapping(base);
    const gguf file(mapping.data(), mapping.size());
    const tokenizer t(file);
    const auto texts = split(sparsellm::read_file(base + ".inp"), "\n__ggml_vocab_test__\n");
    std::istringstream lines(sparsellm::read_file(base + ".out"));
    std::size_t checked = 0;
    for (const std::string& text : texts) {
      std::string line;
      std::getline(lines, line);
      std::istringstream numbers(line);
      std::vector<token_id> expected;
      for (token_id id; numbers >> id;) expected.push_back(id);
      INFO(name << ": '" << text << "'");
      CHECK(t.encode(text, false) == expected);
      ++checked;
    }
    CHECK(checked > 40);
  }
}

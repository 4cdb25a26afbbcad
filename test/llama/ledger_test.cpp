// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Every key is read, on a list with its reason, or refused by name; and docs/files.md shows the
// lists.
#include <nlohmann/json.hpp>
#include <string>

#include "catch2_any.hpp"
#include "files/checkpoint_config.hpp"
#include "files/config.hpp"
#include "files/gguf.hpp"
#include "files/known_keys.hpp"
#include "files/tokenizer_json.hpp"
#include "llama/gguf_builder.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

using namespace llama;
using nlohmann::json;
using sparsellm::format_error;

namespace {

const json config_json{{"model_type", "llama"},
                       {"hidden_size", 8},
                       {"intermediate_size", 8},
                       {"num_hidden_layers", 1},
                       {"num_attention_heads", 2}};
const json tokenizer_json{{"model", {{"vocab", {{"a", 0}}}, {"merges", json::array()}}}};

void read_with(const json& config, const json& generation) {
  (void)read_checkpoint_config(config.dump(), generation.dump(), "x");
}

// A file of a harmless key is read, one of another key refused by it.
template <class Read>
void check_section(std::span<const known_key> harmless, const Read& read) {
  for (const known_key& k : harmless) {
    std::string name(k.name);
    if (name.ends_with('*')) name.back() = 'x';
    INFO(name);
    CHECK_NOTHROW(read(name));
    CHECK(!k.reason.empty());
  }
  CHECK_SAYS(read("unheard_of"), format_error, "'unheard_of'");
}

}  // namespace

TEST_CASE("ledger: keys of a checkpoint's files") {
  check_section(harmless_config_keys(), [](const std::string& key) {
    json c = config_json;
    c[key] = 1;
    read_with(c, json::object());
  });
  check_section(harmless_generation_keys(),
                [](const std::string& key) { read_with(config_json, {{key, 1}}); });
  check_section(harmless_tokenizer_keys(), [](const std::string& key) {
    json t = tokenizer_json;
    t[key] = 1;
    (void)read_tokenizer_json(t.dump(), "", {});
  });
  check_section(harmless_tokenizer_config_keys(), [](const std::string& key) {
    (void)read_tokenizer_json(tokenizer_json.dump(), json{{key, 1}}.dump(), {});
  });
}

TEST_CASE("ledger: keys of a GGUF's metadata") {
  const auto with = [](const std::string& key) {
    gguf_builder b = tiny_model();
    b.text(key, "x");
    const std::string bytes = b.bytes();
    (void)read_config(gguf(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()));
  };
  check_section(harmless_metadata_keys(), with);
  for (const char* key : {"llama.unheard_of", "tokenizer.ggml.unheard_of", "mamba.block_count"})
    CHECK_SAYS(with(key), format_error, key);
  CHECK_SAYS(with("llama.attention.clamp_kqv"), format_error, "must be a floating-point number");
}

TEST_CASE("ledger: docs/files.md has every key and its reason") {
  const std::string page = sparsellm::read_file(SPARSELLM_SOURCE_DIR "/docs/files.md");
  const auto shown = [&](std::span<const known_key> keys) {
    for (const known_key& k : keys) {
      const std::string line =
          "| `" + std::string(k.name) + "` | " + std::string(k.reason) + " |\n";
      INFO(line);
      CHECK(page.find(line) != std::string::npos);
    }
  };
  shown(harmless_config_keys());
  shown(harmless_generation_keys());
  shown(harmless_tokenizer_keys());
  shown(harmless_tokenizer_config_keys());
  shown(harmless_metadata_keys());
  for (const std::string_view key : read_metadata_keys()) {
    INFO(key);
    CHECK(page.find("`" + std::string(key) + "`") != std::string::npos);
  }
}

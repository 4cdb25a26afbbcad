// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// The seed corpus: small valid files with every feature that the parsers know.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "llama/gguf_builder.hpp"
#include "sparsellm/calibrate/table_json.hpp"

using seed = std::pair<std::string, std::string>;  // name, bytes

inline std::vector<seed> gguf_seeds() {
  gguf_builder types;
  types.text("general.name", "types");
  const std::pair<std::uint32_t, std::size_t> blocks[] = {{0, 128},  {1, 64},   {30, 64}, {2, 18},
                                                          {3, 20},   {6, 22},   {7, 24},  {8, 34},
                                                          {12, 144}, {13, 176}, {14, 210}};
  for (const auto& [type, bytes] : blocks)
    types.tensor("t" + std::to_string(type), {type >= 12 && type <= 14 ? 256u : 32u}, type,
                 std::string(bytes, static_cast<char>(type + 1)));

  const auto model = [](gguf_builder& b) {
    b.text("general.architecture", "llama");
    for (const char* key : {"block_count", "embedding_length", "feed_forward_length",
                            "attention.head_count", "context_length"})
      b.whole(std::string("llama.") + key, 2);
    b.real("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    b.floats("token_embd.weight", {2, 6}, std::vector<float>(12, 0.5f));
  };
  gguf_builder bpe;
  model(bpe);
  bpe.text("tokenizer.ggml.model", "gpt2");
  bpe.text("tokenizer.ggml.pre", "llama-bpe");
  bpe.texts("tokenizer.ggml.tokens", {"T", "h", "e", "Th", "The", "<|end|>"});
  bpe.wholes("tokenizer.ggml.token_type", {1, 1, 1, 1, 1, 3});
  bpe.texts("tokenizer.ggml.merges", {"T h", "Th e"});
  bpe.whole("tokenizer.ggml.eos_token_id", 5);

  gguf_builder spm;
  model(spm);
  spm.text("llama.rope.scaling.type", "linear");
  spm.real("llama.rope.scaling.factor", 2.0f);
  spm.text("tokenizer.ggml.model", "llama");
  spm.texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "<0x41>", "\xe2\x96\x81", "T"});
  spm.wholes("tokenizer.ggml.token_type", {2, 3, 3, 6, 1, 1});
  spm.reals("tokenizer.ggml.scores", {0, 0, 0, 0, -1, -2});
  spm.flag("tokenizer.ggml.add_bos_token", true);
  return {{"types", types.bytes(3)},
          {"types_v2", types.bytes(2)},
          {"bpe", bpe.bytes()},
          {"sentencepiece", spm.bytes()}};
}

inline std::vector<seed> table_seeds() {
  sparsellm::threshold_table empty, full;
  full.model = {"a \"name\"\n", 0x0123456789abcdefu};
  full.method = "uniform sequential";
  full.tokens = 16384;
  full.target_sparsity = 0.5;
  full.add({{0, "q"}, {576, 576}, 0.5, 0.1f});
  full.score = sparsellm::table_score::column_scaled;
  full.selection = sparsellm::table_selection::top_k;
  full.add({{29, "down"}, {576, 1536}, 0.25, 1e-30f});
  return {
      {"empty.json", to_json(empty)},
      {"full.json", to_json(full)},
      {"escapes.json", R"({"format": "\u0073\ud83d\ude42", "a": [1e-3, true, null, {"b": []}]})"}};
}

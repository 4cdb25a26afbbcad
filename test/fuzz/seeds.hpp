// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// The seed corpus: small valid files with every feature that the parsers know.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "llama/gguf_builder.hpp"
#include "sparsellm/calibrate/counts_json.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/pack/efficiency_table.hpp"

using seed = std::pair<std::string, std::string>;  // name, bytes

inline std::vector<seed> gguf_seeds() {
  gguf_builder types;
  types.text("general.name", "types");
  const std::pair<std::uint32_t, std::size_t> blocks[] = {
      {0, 128}, {1, 64}, {30, 64},  {2, 18},   {3, 20},   {6, 22},
      {7, 24},  {8, 34}, {12, 144}, {13, 176}, {14, 210}, {20, 18}};
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
    b.text("general.type", "model");
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
  gguf_builder split;
  split.whole("split.count", 2);
  split.whole("split.no", 0);
  split.whole("split.tensors.count", 2);
  split.floats("token_embd.weight", {2, 6}, std::vector<float>(12, 0.5f));
  gguf_builder second;
  second.whole("split.no", 1);
  second.floats("output_norm.weight", {2}, {1.0f, 2.0f});
  return {{"types", types.bytes(3)},
          {"split", split.bytes() + second.bytes()},
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
  full.add({{29, "o"}, {3, 576}, 0.25, 0.2f});
  full.sites.back().bias = {0.5f, -1e-30f, 3e38f};
  full.add({{29, "v"}, {3, 2}, 0.25, 0.2f});
  full.sites.back().centre = {-3e38f, 0.25f};
  return {
      {"empty.json", to_json(empty)},
      {"full.json", to_json(full)},
      {"escapes.json", R"({"format": "\u0073\ud83d\ude42", "a": [1e-3, true, null, {"b": []}]})"}};
}

inline std::vector<seed> counts_seeds() {
  sparsellm::histogram some, more;
  for (const float x : {0.0f, 1e-30f, 0.1f, 0.1f, -0.25f, 3e38f}) some.add(x, 4);
  for (const float x : {1.0f, 1.0001f}) more.add(x, 1);
  sparsellm::activation_counts empty, full;
  full.model = "a \"name\"\n";
  const auto add = [&](sparsellm::site where, sparsellm::extents shape, std::uint64_t hash,
                       std::uint64_t rows, const sparsellm::histogram& values) {
    sparsellm::site_counts s;
    s.where = std::move(where);
    s.shape = shape;
    s.weight_hash = hash;
    s.rows = rows;
    s.values = sparsellm::compact_histogram(values);
    full.add(std::move(s));
  };
  add({0, "q"}, {4, 8}, 0x0123456789abcdefu, 3, some);
  add({0, "k"}, {2, 8}, 7, 3, some);
  add({29, "down"}, {8, 2}, 0, 1, more);
  return {{"empty.json", to_json(empty)}, {"full.json", to_json(full)}};
}

inline std::vector<seed> layouts_seeds() {
  sparsellm::efficiency_table table;
  table.set("one processor, avx2, 2 threads", {{384, {{384, 0.5}, {2048, 0.8}, {8192, 1.0}}},
                                               {256, {{256, 0.5}, {1024, 0.75}}},
                                               {256, {{256, 0.25}}}});
  table.set("another \xc3\xa9", sparsellm::default_efficiencies());
  return {{"none.txt", to_text(sparsellm::efficiency_table())}, {"two.txt", to_text(table)}};
}

inline std::vector<seed> search_seeds() {
  const std::string found =
      R"({"format":"sparsellm-search","version":1,"identity":"made from it","blocks":[)"
      R"({"uniform_error":0.5,"path":[{"sparsity":[0,0,0,0,0,0,0.05],"error":0.1}]}],)"
      R"("divisions":[{"target":0.5,"rounds":3,"now":[0,0,0,0,0,0,0,0,0,0,0,0,0],)"
      R"("best":[0,0,0,0,0,0,0,0,0,0,0,0,0.125],"divergence":-1}]})";
  return {
      {"found.json", found},
      {"fresh.json", R"({"format":"sparsellm-search","version":1,"identity":"tiny made from it",)"
                     R"("blocks":[],"divisions":[]})"}};
}

inline std::vector<seed> checkpoint_seeds() {
  const auto file = [](const std::string& header, const std::string& data) {
    std::string bytes;
    for (std::size_t i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i));
    return bytes + header + data;
  };
  const auto number = [](std::uint64_t n) {
    std::string bytes;
    for (std::size_t i = 0; i < 8; ++i) bytes += static_cast<char>(n >> (8 * i));
    return bytes;
  };
  const std::string dense = file(
      R"({"__metadata__":{"format":"pt"},)"
      R"("model.embed_tokens.weight":{"dtype":"F16","shape":[2,8],"data_offsets":[0,32]},)"
      R"("model.layers.0.self_attn.q_proj.weight":{"dtype":"F32","shape":[8,8],"data_offsets":[32,288]}})",
      std::string(288, '\x31'));
  const std::string two_four = file(
      R"({"__metadata__":{"sparsellm":"{\"version\":1,\"orders\":[{\"mlp\":[1,0,2,3,4,5,6,7]}]}"},)"
      R"("model.layers.0.mlp.up_proj.bitmask":{"dtype":"U8","shape":[2,1],"data_offsets":[0,2]},)"
      R"("model.layers.0.mlp.up_proj.compressed":{"dtype":"BF16","shape":[2,4],"data_offsets":[2,18]},)"
      R"("model.layers.0.mlp.up_proj.shape":{"dtype":"I64","shape":[2,1],"data_offsets":[18,34]}})",
      "\x55\x33" + std::string(16, '\x3f') + number(2) + number(8));
  const std::string any = file(
      R"({"model.layers.0.mlp.down_proj.weight.bitmask":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]},)"
      R"("model.layers.0.mlp.down_proj.weight.compressed":{"dtype":"F16","shape":[5],"data_offsets":[4,14]},)"
      R"("model.layers.0.mlp.down_proj.weight.row_offsets":{"dtype":"I64","shape":[2],"data_offsets":[14,30]},)"
      R"("model.layers.0.mlp.down_proj.weight.shape":{"dtype":"I64","shape":[2],"data_offsets":[30,46]}})",
      std::string("\x07\x02\x01\x00", 4) + std::string(10, '\x3c') + number(0) + number(4) +
          number(2) + number(10));
  return {{"dense", dense}, {"two_four", two_four}, {"any", any}};
}

inline std::vector<seed> config_seeds() {
  const std::string sizes =
      R"({"model_type":"llama","num_hidden_layers":1,"hidden_size":8,"intermediate_size":8,)"
      R"("num_attention_heads":2,"num_key_value_heads":1,"max_position_embeddings":8,)"
      R"("rms_norm_eps":1e-5,"vocab_size":2,"tie_word_embeddings":true,)";
  return {
      {"old", sizes + R"("architectures":["LlamaForCausalLM"],"rope_theta":5e5,)"
                      R"("rope_scaling":{"type":"linear","factor":2.0},"eos_token_id":[1,-1]})"},
      {"new", sizes +
                  R"("rope_parameters":{"rope_type":"llama3","rope_theta":5e5,"factor":8.0,)"
                  R"("low_freq_factor":1.0,"high_freq_factor":4.0,)"
                  R"("original_max_position_embeddings":64},"dtype":"float16",)"
                  R"("quantization_config":{"quant_method":"compressed-tensors"}})" +
                  std::string(1, '\0') + R"({"eos_token_id":1,"temperature":0.6})"}};
}

inline std::vector<seed> tokenizer_seeds() {
  return {
      {"bpe", R"({"added_tokens":[{"id":3,"content":"<|end|>","special":true}],)"
              R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[)"
              R"({"type":"Digits","individual_digits":true},{"type":"ByteLevel","use_regex":true,)"
              R"("add_prefix_space":false}]},"post_processor":{"type":"TemplateProcessing",)"
              R"("single":[{"SpecialToken":{"id":"T"}},{"Sequence":{"id":"A"}}],)"
              R"("special_tokens":{"T":{"ids":[0]}}},)"
              R"("model":{"type":"BPE","vocab":{"T":0,"h":1,"Th":2},"merges":["T h"]}})"},
      {"split",
       R"({"pre_tokenizer":{"type":"Sequence","pretokenizers":[)"
       R"({"type":"Split","pattern":{"Regex":"\\p{N}{1,3}"}},{"type":"ByteLevel","use_regex":false,)"
       R"("add_prefix_space":false}]},)"
       R"("model":{"vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]}})"},
      {"sentencepiece",
       R"({"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},)"
       R"({"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"model":{"byte_fallback":true,)"
       R"("unk_token":"<unk>","vocab":{"<unk>":0,"<0x41>":1,"a":2,"aa":3},"merges":["a a"]}})"},
      {"metaspace",
       R"({"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"},)"
       R"("added_tokens":[{"id":0,"content":"<|end|>","lstrip":true,"rstrip":true},)"
       R"({"id":1,"content":"a","single_word":true,"normalized":true,"special":false}],)"
       R"("decoder":{"type":"Sequence","decoders":[{"type":"Fuse"}]},)"
       R"("model":{"unk_token":"T","fuse_unk":true,"ignore_merges":true,)"
       R"("vocab":{"<|end|>":0,"a":1,"T":2,"h":3,"Th":4},"merges":["T h"]}})" +
           std::string(1, '\0') + R"({"add_bos_token":true,"tokenizer_class":"LlamaTokenizer"})"}};
}

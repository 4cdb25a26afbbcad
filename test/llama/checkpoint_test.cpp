// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "files/checkpoint.hpp"

#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "files/config.hpp"
#include "files/gguf.hpp"
#include "files/little_endian.hpp"
#include "files/safetensors.hpp"
#include "files/tokenizer.hpp"
#include "files/tokenizer_json.hpp"
#include "llama/loaded_tiny.hpp"
#include "llama/pruned.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

using namespace llama;
using nlohmann::json;
using sparsellm::element_kind;
using sparsellm::format_error;

namespace {

safetensors parse(const std::string& bytes) {
  return safetensors(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
}

// A safetensors file of this header, and so many bytes of data.
std::string file_of(const std::string& header, std::size_t data) {
  std::string bytes;
  for (std::size_t i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i));
  return bytes + header + std::string(data, '\1');
}

// The checkpoint in a folder, after its config.json was edited.
template <class Edit>
void reads_with(const std::string& folder, const Edit& edit) {
  const std::string path = folder + "/config.json", before = sparsellm::read_file(path);
  json j = json::parse(before);
  edit(j);
  sparsellm::replace_file(path, j.dump());
  try {
    (void)read_config(model_source(folder).file());
  } catch (...) {
    sparsellm::replace_file(path, before);
    throw;
  }
  sparsellm::replace_file(path, before);
}

}  // namespace

TEST_CASE("checkpoint: a dense one gives the model back, heads and all") {
  for (const bool separate : {false, true}) {
    tiny_options o;
    o.separate_head = separate;
    o.linear_scaling = separate;
    loaded_tiny t(o);
    temporary_folder folder;
    write_checkpoint(output_directory(folder.path(), "", false), {t.m.file(), t.m.shape()},
                     std::vector<pruned_block>(2), {2, 4}, element_kind::f32, "{}", {});
    model back(t.exec, folder.path(), {element_kind::f32}, quiet);
    CHECK(back.shape().heads == 4);
    CHECK(back.shape().kv_heads == 2);
    CHECK(back.shape().context == 128);
    CHECK(back.shape().rotation.scale == (separate ? 2.0 : 1.0));
    const auto ids = some_tokens(30);
    CHECK(last_logits(t.exec, t.m, ids) == last_logits(t.exec, back, ids));
    const tokenizer before(t.m.file()), after(back.file());
    for (const char* text : {"the cat", "th<|end|>the 123 \xc3\xa9", "", " \n\n x"})
      CHECK(before.encode(text) == after.encode(text));
    CHECK(after.bos() == 259);
    CHECK(after.eos() == 258);
    CHECK(after.add_bos() == before.add_bos());
  }
}

TEST_CASE("checkpoint: Llama 3's rotary scaling is written and read") {
  tiny_options o;
  loaded_tiny t(o);
  temporary_folder folder;
  write_checkpoint(output_directory(folder.path(), "", false), {t.m.file(), t.m.shape()},
                   std::vector<pruned_block>(2), {2, 4}, element_kind::f32, "{}", {});
  reads_with(folder.path(), [](json& j) {
    j["rope_scaling"] = {{"rope_type", "llama3"},
                         {"factor", 8.0},
                         {"low_freq_factor", 1.0},
                         {"high_freq_factor", 4.0},
                         {"original_max_position_embeddings", 64}};
  });
  // Frequencies that turn more than 4 times in the context stay, below 1 they are divided.
  const std::vector<float> d = llama3_divisors({8, 1, 4, 64}, 10000.0, 16);
  CHECK(d.size() == 8);
  CHECK(d.front() == 1.0f);
  CHECK(d.back() == 8.0f);
  for (std::size_t i = 1; i < d.size(); ++i) CHECK(d[i] >= d[i - 1]);
}

TEST_CASE("checkpoint: a pruned one gives back what masks keep, in both formats, with orders") {
  for (const auto& [pattern, shuffled] : {std::pair{sparsellm::nm_pattern{2, 4}, true},
                                          {sparsellm::nm_pattern{2, 4}, false},
                                          {sparsellm::nm_pattern{4, 8}, true},
                                          {sparsellm::nm_pattern{3, 5}, true}}) {
    loaded_tiny t;
    pruning how;
    how.pattern = pattern;
    how.global_shuffle = how.local_shuffle = shuffled;
    const auto blocks = prune(t.exec, t.m, {some_tokens(60)}, how);
    temporary_folder folder;
    write_checkpoint(output_directory(folder.path(), "", false), {t.m.file(), t.m.shape()}, blocks,
                     pattern, element_kind::f32, "{\"metric\":\"wanda\"}", {});
    INFO(pattern.n << ":" << pattern.m << (shuffled ? " shuffled" : ""));
    model back(t.exec, folder.path(), {element_kind::f32}, quiet);
    CHECK(back.file().orders().size() == 2);
    std::size_t wrong = 0;
    std::vector<float> original(256), pruned(256);
    for (std::size_t l = 0; l < 2; ++l)
      for (const projection p : projections) {
        const sparsellm::extents e = t.m.extents_of(p);
        original.resize(e.inputs);
        pruned.resize(e.inputs);
        for (std::size_t r = 0; r < e.outputs; ++r) {
          const auto& rows = back.row_order(l, p);
          const auto& columns = back.column_order(l, p);
          const std::size_t from = rows.size() != 0 ? rows[r] : r;
          t.m.read_row(l, p, from, original);
          back.read_row(l, p, r, pruned);
          for (std::size_t i = 0; i < e.inputs; ++i) {
            const std::size_t c = columns.size() != 0 ? columns[i] : i;
            const float expected = blocks[l].weights[p].mask.keeps(from, c) ? original[c] : 0.0f;
            wrong += std::memcmp(&expected, &pruned[i], sizeof expected) != 0;
          }
        }
      }
    CHECK(wrong == 0);
    // 2:4 and 4:8 are packed as such; both layouts and a dense packing of the same weights agree.
    const auto layout_of = [](const model& m) { return m.blocks()[0].qkv.linears()[0].layout(); };
    const bool packed = pattern.m == 4 || pattern.m == 8;
    CHECK((layout_of(back) == sparsellm::layout_kind::n_of_m) == packed);
    model skipping(t.exec, folder.path(), {element_kind::f32, 0.9}, quiet);
    CHECK((layout_of(skipping) == sparsellm::layout_kind::channel_bitmap) == packed);
    const auto ids = some_tokens(30);
    const auto logits = last_logits(t.exec, back, ids);
    CHECK(difference(logits, last_logits(t.exec, skipping, ids)) < 2e-5);
    model half(t.exec, folder.path(), {element_kind::f16}, quiet);
    CHECK(difference(logits, last_logits(t.exec, half, ids)) < 0.05);
    model levels(t.exec, folder.path(), {element_kind::i8}, quiet);
    CHECK(difference(logits, last_logits(t.exec, levels, ids)) < 0.3);
    CHECK(difference(logits, last_logits(t.exec, t.m, ids)) > 0.1);
  }
}

TEST_CASE("checkpoint: the files are compressed-tensors' own layout") {
  loaded_tiny t;
  pruning how;
  const auto blocks = prune(t.exec, t.m, {some_tokens(60)}, how);
  temporary_folder folder;
  write_checkpoint(output_directory(folder.path(), "", false), {t.m.file(), t.m.shape()}, blocks,
                   {2, 4}, element_kind::bf16, "{}", {});
  const std::string bytes = sparsellm::read_file(folder.path() + "/model.safetensors");
  const safetensors f = parse(bytes);
  CHECK(f.metadata().at("format") == "pt");
  const std::string base = "model.layers.1.mlp.down_proj";
  CHECK(f.tensors().at(base + ".compressed").shape == std::vector<std::size_t>{64, 48});
  CHECK(f.tensors().at(base + ".compressed").type == element::bf16);
  CHECK(f.tensors().at(base + ".bitmask").shape == std::vector<std::size_t>{64, 12});
  CHECK(f.tensors().at(base + ".shape").shape == std::vector<std::size_t>{2, 1});
  const json config = json::parse(sparsellm::read_file(folder.path() + "/config.json"));
  const json& sparsity = config["quantization_config"]["sparsity_config"];
  CHECK(sparsity["format"] == "sparse-24-bitmask");
  CHECK(sparsity["sparsity_structure"] == "2:4");
  // Its rule: the values of a row, one after the other, where the mask's bits are, lowest first.
  const safetensor& values = f.tensors().at(base + ".compressed");
  const safetensor& mask = f.tensors().at(base + ".bitmask");
  std::vector<float> row(96);
  t.m.read_row(1, projection::down, 5, row);
  std::size_t next = 5 * 48, wrong = 0;
  for (std::size_t c = 0; c < 96; ++c) {
    if (((std::to_integer<unsigned>(mask.data[5 * 12 + c / 8]) >> (c % 8)) & 1u) == 0) continue;
    const auto bits = read_little_endian<std::uint16_t>(values.data + 2 * next++);
    wrong += bits != sparsellm::narrow<sparsellm::bfloat16>(row[c]).bits;
  }
  CHECK(next == 6 * 48);
  CHECK(wrong == 0);
}

TEST_CASE("checkpoint: says what is wrong") {
  loaded_tiny t;
  temporary_folder folder;
  write_checkpoint(output_directory(folder.path(), "", false), {t.m.file(), t.m.shape()},
                   std::vector<pruned_block>(2), {2, 4}, element_kind::f32, "{}", {});
  const auto with = [&](const char* key, const json& value) {
    reads_with(folder.path(), [&](json& j) { j[key] = value; });
  };
  CHECK_SAYS(with("model_type", "gpt2"), format_error, "qwen3 or opt expected, got 'gpt2'");
  CHECK_SAYS(with("model_type", nullptr), format_error, "no model_type");
  CHECK_SAYS(with("num_hidden_layers", -1), format_error, "whole number 'num_hidden_layers'");
  CHECK_SAYS(with("hidden_act", "gelu"), format_error, "silu");
  CHECK_SAYS(with("attention_bias", true), format_error, "q_proj.bias' is missing");
  CHECK_SAYS(with("rope_scaling", json{{"rope_type", "longrope"}}), format_error,
             "linear, llama3 or yarn");
  CHECK_SAYS(with("head_dim", 15), format_error, "heads of 15");
  CHECK_SAYS(with("rms_norm_eps", "small"), format_error, "a number 'rms_norm_eps'");
  CHECK_SAYS(model_source("/nowhere"), sparsellm::file_error, "/nowhere");
  CHECK_SAYS(model_source(folder.path() + "/.."), sparsellm::file_error, "config.json");
  std::filesystem::remove(folder.path() + "/model.safetensors");
  CHECK_SAYS(model_source(folder.path()), sparsellm::file_error, "neither it nor its index");
  sparsellm::replace_file(folder.path() + "/model.safetensors.index.json",
                          "{\"weight_map\":{\"a\":\"../b\"}}");
  CHECK_SAYS(model_source(folder.path()), format_error, "is not a file name");
  CHECK_SAYS(output_directory(folder.path(), "", false), sparsellm::file_error, "--force");
  CHECK_SAYS(check_checkpoint({t.m.file(), t.m.shape()}, element_kind::q8_0),
             sparsellm::value_error, "f32, f16 or bf16 expected, got q8_0");
}

TEST_CASE("safetensors: headers that lie are refused") {
  CHECK(parse(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8))
            .tensors()
            .at("a")
            .elements == 2);
  const auto refuses = [](const std::string& header, std::size_t data, const char* part) {
    CHECK_SAYS(parse(file_of(header, data)), format_error, part);
  };
  refuses(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7, "needs 8 bytes");
  refuses(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, "needs 12 bytes");
  refuses(R"({"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}})", 8, "unknown type 'F33'");
  refuses(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "whole number expected");
  refuses(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", 8,
          "too large");
  refuses(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
          R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
          3, "overlap");
  refuses(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
          R"("b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})",
          4, "gap");
  refuses(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 3, "after the last tensor");
  refuses(R"({"a":{"dtype":"U8","shape":[2]}})", 2, "lacks dtype, shape or data_offsets");
  refuses(R"({"__metadata__":{"a":1}})", 0, "is not text");
  refuses("[]", 0, "not a JSON object");
  CHECK_SAYS(parse("1234567"), format_error, "8 bytes of header length");
  CHECK_SAYS(parse(std::string(8, '\x7f') + "{}"), format_error, "does not fit");
}

TEST_CASE("safetensors: an interrupted write leaves nothing behind") {
  temporary_folder folder;
  const std::string path = folder.path() + "/x.safetensors";
  const std::vector<safetensor_source> one{
      {"a", element::u8, {2}, 2, [](std::size_t, std::vector<std::byte>& out) {
         out.push_back(std::byte{1});
       }}};
  CHECK_THROWS_AS(
      write_safetensors(path, one, {}, [](double) { throw std::runtime_error("stop"); }),
      std::runtime_error);
  CHECK(std::filesystem::is_empty(folder.path()));
  write_safetensors(path, one, {{"k", "v"}}, {});
  CHECK(parse(sparsellm::read_file(path)).metadata().at("k") == "v");
  std::vector<safetensor_source> wrong = one;
  wrong[0].pieces = 1;
  CHECK_SAYS(write_safetensors(path, wrong, {}, {}), format_error, "has 2 bytes, 1 were written");
  CHECK(parse(sparsellm::read_file(path)).tensors().size() == 1);
}

TEST_CASE("tokenizer.json: pieces of a SentencePiece model survive the way there and back") {
  gguf_builder b;
  b.text("tokenizer.ggml.model", "llama");
  b.texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "<0x41>", "<0xC3>", "\xe2\x96\x81", "t",
                                    "h", "e", "th", "he", "the", "\xe2\x96\x81the", "a", "<0xA9>"});
  b.wholes("tokenizer.ggml.token_type", {2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1, 1, 1, 1, 6});
  b.reals("tokenizer.ggml.scores", {0, 0, 0, 0, 0, -20, -21, -22, -23, -1, -2, -3, -4, -24, 0});
  b.flag("tokenizer.ggml.add_bos_token", true);
  const std::string bytes = b.bytes();
  const gguf file(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
  const tokenizer before(file);
  const tokenizer after(
      read_tokenizer_json(write_tokenizer_json(file), write_tokenizer_config(file), {1, {2}, 15}));
  for (const char* text : {"the", "the he a", "th\xc3\xa9", "<s>hethe", "A"})
    CHECK(before.encode(text) == after.encode(text));
  CHECK(after.add_bos());
  CHECK(before.decode(before.encode("the he")) == after.decode(after.encode("the he")));
}

TEST_CASE("tokenizer.json: kinds that are not read are refused") {
  const auto refuses = [&](const std::string& text, const char* part) {
    CHECK_SAYS(read_tokenizer_json(text, "", {}), format_error, part);
  };
  refuses("[]", "not a JSON object");
  refuses("{}", "has no model");
  refuses(R"({"model":{"type":"WordPiece","vocab":{},"merges":[]}})", "a BPE model");
  refuses(R"({"model":{"vocab":{"a":-1},"merges":[]}})", "no id below");
  refuses(R"({"model":{"vocab":{"a":0},"merges":["ab"]},"pre_tokenizer":{"type":"ByteLevel"}})",
          "not two pieces");
  refuses(R"({"model":{"vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Whitespace"}})",
          "'Whitespace' is not known");
  refuses(R"({"model":{"vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Digits"}})",
          "byte-level pre-tokenizer expected");
  refuses(R"({"model":{"vocab":{"a":0},"merges":[["a","b"]]}})", "needs the token 'b'");
}

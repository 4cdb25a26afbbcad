// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// A pruned model as a GGUF file, read back by the reader.
#include "files/gguf_metadata.hpp"
#include "files/gguf_writer.hpp"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "files/dequantize.hpp"
#include "files/gguf.hpp"
#include "files/gguf_tokenizer.hpp"
#include "files/tokenizer.hpp"
#include "files/tokenizer_json.hpp"
#include "llama/gguf_builder.hpp"
#include "llama/pruned.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

using namespace llama;
using sparsellm::element_kind;
using sparsellm::format_error;

namespace {

const progress quiet = [](double) {};

struct loaded {
  explicit loaded(const std::string& path) : exec(2), m(exec, path, {element_kind::f32}, quiet) {}
  sparsellm::cpu::executor exec;
  model m;
};

struct written {
  temporary_folder folder;
  std::vector<pruned_block> blocks;
  std::string file = folder.path() + "/pruned.gguf", directory = folder.path() + "/pruned";

  // Prunes to 3:5, which is loaded as dense weights from either.
  written(loaded& from, element_kind type, const std::string& source = "") {
    pruning how;
    how.pattern = {3, 5};
    how.global_shuffle = true;
    blocks = prune(from.exec, from.m, {some_tokens(60)}, how);
    const checkpoint_source of{from.m.file(), from.m.shape(), source};
    sparsellm::output_file to(file);
    const std::size_t size =
        write_gguf(to, of, blocks, type, {pruning_key, R"({"pattern":"3:5"})"}, quiet);
    CHECK(std::filesystem::file_size(file) == size);
    if (sparsellm::is_quantized(type)) return;
    write_checkpoint(output_directory(directory, source, false), of, blocks, how.pattern, type,
                     R"({"pattern":"3:5"})", quiet);
  }
};

// The logits without the orders, which sums go along.
std::vector<float> logits_of(const std::string& path) {
  loaded of(path);
  const std::vector<block_orders> none;
  model plain(of.exec, path,
              {element_kind::f32, 0.0, nullptr, sparsellm::table_score::magnitude, &none}, quiet);
  return last_logits(of.exec, plain, some_tokens(30));
}

}  // namespace

TEST_CASE("gguf writer: what was pruned has the logits of the checkpoint written from it") {
  for (const bool separate : {false, true}) {
    tiny_options o;
    o.separate_head = separate;
    o.linear_scaling = separate;
    const temporary_file file(tiny_model(o).bytes());
    loaded dense(file.path());
    const written w(dense, element_kind::f32);
    CHECK(logits_of(w.file) == logits_of(w.directory));
    loaded back(w.file);
    CHECK(back.m.file().text(std::string("sparsellm.pruning")) == R"({"pattern":"3:5"})");
    for (const tensor& t : back.m.file().tensors()) CHECK(t.type == tensor_type::f32);
    for (std::size_t l = 0; l < 2; ++l)
      for (const projection p : dense.m.shape().projections()) {
        const sparsellm::weight_mask& mask = w.blocks[l].weights[p].mask;
        std::vector<float> before(mask.shape().inputs), after(mask.shape().inputs);
        for (std::size_t r = 0; r < mask.shape().outputs; ++r) {
          dense.m.read_row(l, p, r, before);
          back.m.read_row(l, p, r, after);
          for (std::size_t c = 0; c < before.size(); ++c)
            REQUIRE(after[c] == (mask.keeps(r, c) ? before[c] : 0.0f));
        }
      }
  }
}

TEST_CASE("gguf writer: metadata is carried over byte for byte, but for what pruning changes") {
  gguf_builder b = tiny_model();
  b.whole("general.file_type", 2);
  b.whole("split.count", 1);
  b.text("tokenizer.chat_template", "{{ x }}");
  b.text("general.license", "\xff no UTF-8");
  const temporary_file file(b.bytes());
  loaded dense(file.path());
  const written w(dense, element_kind::bf16);
  const model_source source(w.file);
  const model_file &before = dense.m.file(), &after = source.file();
  std::size_t same = 0;
  for (const stored_value& v : before.stored_values())
    for (const stored_value& other : after.stored_values())
      if (v.key == other.key && v.bytes.size == other.bytes.size &&
          std::equal(v.bytes.data, v.bytes.data + v.bytes.size, other.bytes.data))
        ++same;
  CHECK(same == before.stored_values().size() - 2);
  CHECK(after.stored_values().size() == same + 2);
  CHECK(after.whole("general.file_type") == 32);
  CHECK(after.value("split.count") == nullptr);
  for (std::size_t i = 0; i < before.tensors().size(); ++i) {
    const tensor& t = after.tensors()[i];
    CHECK(t.name == before.tensors()[i].name);
    CHECK(t.type == (t.rows == 1 ? tensor_type::f32 : tensor_type::bf16));
  }
}

TEST_CASE("gguf writer: Q8_0 is ggml's, and zeros stay zeros") {
  gguf_builder b = tiny_model();
  const temporary_file file(b.bytes());
  loaded dense(file.path());
  const written w(dense, element_kind::q8_0);
  loaded back(w.file);
  CHECK(back.m.file().whole("general.file_type") == 7);
  CHECK(back.m.file().whole("general.quantization_version") == 2);
  std::vector<float> before(64), after(64);
  const sparsellm::weight_mask& mask = w.blocks[0].weights[projection::q].mask;
  for (std::size_t r = 0; r < 64; ++r) {
    dense.m.read_row(0, projection::q, r, before);
    back.m.read_row(0, projection::q, r, after);
    for (std::size_t first = 0; first < 64; first += 32) {
      float most = 0;
      for (std::size_t c = first; c < first + 32; ++c)
        if (mask.keeps(r, c)) most = std::max(most, std::fabs(before[c]));
      const float scale = sparsellm::widen(sparsellm::narrow<sparsellm::half>(most / 127.0f));
      for (std::size_t c = first; c < first + 32; ++c) {
        const float level = mask.keeps(r, c) ? std::round(before[c] * (127.0f / most)) : 0.0f;
        REQUIRE(std::fabs(after[c] - scale * level) <= scale * 1e-3f);
      }
    }
  }
}

TEST_CASE("gguf writer: a checkpoint's metadata and tokenizer are made") {
  tiny_options o;
  o.linear_scaling = true;
  const temporary_file file(tiny_model(o).bytes());
  loaded dense(file.path());
  temporary_folder folder;
  const std::vector<pruned_block> nothing(2);
  write_checkpoint(output_directory(folder.path(), "", false), {dense.m.file(), dense.m.shape()},
                   nothing, {2, 4}, element_kind::f32, "{}", quiet);
  loaded checkpoint(folder.path());
  temporary_folder place;
  sparsellm::output_file to(place.path() + "/made.gguf");
  (void)write_gguf(to, {checkpoint.m.file(), checkpoint.m.shape(), folder.path()}, nothing,
                   element_kind::f32, {pruning_key, "{}"}, quiet);
  CHECK(logits_of(place.path() + "/made.gguf") == logits_of(file.path()));
  loaded back(place.path() + "/made.gguf");
  CHECK(back.m.file().whole("llama.attention.value_length") == 16);
  const tokenizer before(checkpoint.m.file()), after(back.m.file());
  for (const char* text : {"the cat", "th<|end|>the 123 \xc3\xa9", "", " \n\n x"})
    CHECK(before.encode(text) == after.encode(text));
  CHECK(before.bos() == after.bos());
  CHECK(before.eos() == after.eos());
  CHECK(before.add_bos() == after.add_bos());
}

TEST_CASE("gguf writer: what GGUF cannot say of a tokenizer is refused") {
  const auto said = [](const std::string& change, const std::string& to) {
    std::string text = R"({"added_tokens":[{"id":3,"content":"<|end|>","special":true},)"
                       R"({"id":4,"content":"<|","special":true}],)"
                       R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},)"
                       R"("model":{"type":"BPE","vocab":{"T":0,"h":1,"Th":2},"merges":["T h"]}})";
    const std::size_t at = text.find(change);
    REQUIRE(at != std::string::npos);
    text.replace(at, change.size(), to);
    return tokenizer_values(read_tokenizer_json(text, "", {0, {3}, {}}));
  };
  CHECK_NOTHROW(said("", ""));
  CHECK_SAYS(said(R"("content":"<|end|>")", R"("content":"<|end|>","lstrip":true)"), format_error,
             "'<|end|>' has lstrip");
  CHECK_SAYS(said(R"("content":"<|")", R"("content":"<<")"), format_error,
             "'<<' and '<|end|>' can overlap");
  CHECK_SAYS(
      said(R"({"type":"ByteLevel")", R"({"type":"Sequence","pretokenizers":[{"type":)"
                                     R"("Split","pattern":{"Regex":"a"}},{"type":"ByteLevel")"),
      format_error, "JSON");
  CHECK_SAYS(said(R"("type":"BPE")", R"("type":"BPE","ignore_merges":true)"), format_error,
             "not the one that GGUF calls 'gpt-2'");
  CHECK_SAYS(said(R"("add_prefix_space":false)", R"("add_prefix_space":true)"), format_error,
             "not the one that GGUF calls 'gpt-2'");
}

TEST_CASE("gguf writer: scores of characters say what the merges say, or are refused") {
  const auto scores = [](const std::string& merges, const std::string& more) {
    std::string vocab;
    for (int b = 0; b < 256; ++b) {
      char name[32];
      std::snprintf(name, sizeof name, "\"<0x%02X>\":%d,", b, b);
      vocab += name;
    }
    const std::string text =
        R"({"normalizer":{"type":"Replace","pattern":{"String":" "},"content":"▁"},)"
        R"("model":{"type":"BPE","byte_fallback":true,"fuse_unk":true,"vocab":{)" +
        vocab + R"("a":256,"b":257,"c":258,"ab":259,"bc":260,"abc":261)" + more +
        R"(},"merges":[)" + merges + "]}}";
    for (const auto& [key, value] : tokenizer_values(read_tokenizer_json(text, "", {{}, {0}, {}})))
      if (key == "tokenizer.ggml.scores") return std::get<std::vector<double>>(value);
    return std::vector<double>{};
  };
  const std::vector<double> s = scores(R"("b c","a b","ab c","a bc")", "");
  CHECK(s[260] > s[259]);
  CHECK(s[259] > s[261]);
  CHECK_SAYS(scores(R"("ab c","b c","a b","a bc")", ""), format_error, "others between them");
  CHECK_SAYS(scores(R"("b c","a b","ab c")", ""), format_error, "'a' and 'bc' make a token");
}

TEST_CASE("gguf writer: what GGUF cannot hold is refused, naming the tensor") {
  gguf_builder narrow;
  for (const char* key : {"block_count", "attention.head_count"})
    narrow.whole(std::string("llama.") + key, 1);
  const temporary_file file(tiny_model().bytes());
  loaded dense(file.path());
  const checkpoint_source of{dense.m.file(), dense.m.shape()};
  CHECK_SAYS(check_gguf(of, element_kind::q4_0), sparsellm::value_error, "got q4_0");
  CHECK_NOTHROW(check_gguf(of, element_kind::q8_0));
}

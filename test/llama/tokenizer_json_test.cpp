// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Ids of the package tokenizers 0.23.3, in tokenizer_ids.json (tokenizer_oracle.py --write); what
// is not read is refused.
#include "files/tokenizer_json.hpp"

#include <nlohmann/json.hpp>
#include <string>

#include "catch2_any.hpp"
#include "files/tokenizer.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

using namespace llama;
using nlohmann::json;
using sparsellm::format_error;

namespace {

json changed(json base, const json& changes) {
  for (const auto& [key, value] : changes.items())
    if (key == "model")
      base["model"].update(value);
    else
      base[key] = value;
  return base;
}

const json& golden() {
  static const json all =
      json::parse(sparsellm::read_file(SPARSELLM_SOURCE_DIR "/test/llama/tokenizer_ids.json"));
  return all;
}

}  // namespace

TEST_CASE("tokenizer.json: the ids of the package tokenizers") {
  const json& texts = golden()["texts"];
  CHECK(golden()["tokenizers"].size() >= 30);
  for (const json& t : golden()["tokenizers"]) {
    const json file = changed(golden()["bases"][t["base"].get<std::string>()], t["changes"]);
    const tokenizer ours(read_tokenizer_json(file.dump(), "", {}));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      INFO(t["name"] << ": " << texts[i]);
      CHECK(ours.encode(texts[i].get<std::string>()) == t["ids"][i].get<std::vector<token_id>>());
    }
  }
}

TEST_CASE("tokenizer.json: steps that are not read are refused by name") {
  const json bytes = golden()["bases"]["bytes"], characters = golden()["bases"]["characters"];
  const auto refuses = [](const json& base, const std::string& changes, const char* part) {
    INFO(changes);
    CHECK_SAYS(read_tokenizer_json(changed(base, json::parse(changes)).dump(), "", {}),
               format_error, part);
  };
  for (const std::string step : {"NFD", "NFKC", "Lowercase", "StripAccents", "BertNormalizer"})
    refuses(bytes, R"({"normalizer":{"type":")" + step + R"("}})", step.c_str());
  for (const std::string step : {"BertPreTokenizer", "Whitespace", "Punctuation"})
    refuses(bytes, R"({"pre_tokenizer":{"type":")" + step + R"("}})", step.c_str());
  const auto split = [](const std::string& pattern, const std::string& behavior) {
    return R"({"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":)"
           R"({"Regex":")" +
           pattern + R"("},"behavior":")" + behavior +
           R"(","invert":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}})";
  };
  refuses(bytes, split("a", "MergedWithPrevious"), "MergedWithPrevious");
  refuses(bytes, split("(", "Isolated"), "cannot compile");
  refuses(bytes, split("a{2,3}+", "Isolated"), "a + behind {}");
  refuses(bytes, split("[a&&b]", "Isolated"), "an intersection of classes");
  refuses(bytes, split("\\\\h", "Isolated"), "\\h");
  refuses(bytes, R"({"model":{"dropout":0.1}})", "dropout");
  refuses(bytes, R"({"model":{"continuing_subword_prefix":"##"}})", "continuing_subword_prefix");
  refuses(bytes, R"({"model":{"type":"Unigram"}})", "a BPE model");
  refuses(bytes, R"({"model":{"unk_token":"<none>"}})", "'<none>' is not in vocab");
  refuses(bytes, R"({"decoder":{"type":"WordPiece"}})", "WordPiece");
  refuses(bytes, R"({"post_processor":{"type":"RobertaProcessing"}})", "RobertaProcessing");
  refuses(bytes,
          R"({"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},)"
          R"({"SpecialToken":{"id":"x"}}],"special_tokens":{"x":{"ids":[1]}}}})",
          "'x' behind a text");
  refuses(bytes, R"({"added_tokens":[{"id":5,"content":"other"}]})", "id 5 is both");
  refuses(bytes, R"({"added_tokens":[{"id":999,"content":"x","prefix":true}]})", "prefix");
  refuses(characters, R"({"normalizer":{"type":"Prepend","prepend":"_"}})", "Prepend");
  refuses(characters,
          R"({"normalizer":null,"pre_tokenizer":{"type":"Metaspace","replacement":"_"}})",
          "U+2581 expected");
}

TEST_CASE("tokenizer_config.json: what it says of tokens is taken, or refused") {
  const std::string file = golden()["bases"]["bytes"].dump();
  const auto with = [&](const json& settings) {
    return read_tokenizer_json(file, settings.dump(), {3, {4, 5}, {}});
  };
  CHECK(!with({{"chat_template", "x"}}).add_bos);
  CHECK(with({{"add_bos_token", true}}).add_bos);
  CHECK(with({{"tokenizer_class", "LlamaTokenizerFast"}}).add_bos);
  CHECK(with({{"add_bos_token", false}, {"tokenizer_class", "LlamaTokenizer"}}).add_bos == false);
  CHECK(with(json::object()).bos == 3);
  CHECK(with(json::object()).stops == std::vector<std::int32_t>{4, 5});
  CHECK_SAYS(with({{"add_eos_token", true}}), format_error, "add_eos_token");
  CHECK_SAYS(with({{"add_prefix_space", true}}), format_error, "add_prefix_space");
  CHECK_SAYS(with({{"do_lower_case", true}}), format_error, "do_lower_case");
  const json added = golden()["bases"]["bytes"]["added_tokens"][0];
  json same{{"content", added["content"]}, {"normalized", false}, {"special", true}};
  const std::string id = added["id"].dump();
  CHECK_NOTHROW(with({{"added_tokens_decoder", {{id, same}}}}));
  same["rstrip"] = true;
  CHECK_SAYS(with({{"added_tokens_decoder", {{id, same}}}}), format_error,
             "is another than in tokenizer.json");
}

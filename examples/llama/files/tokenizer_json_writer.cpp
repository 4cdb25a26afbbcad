// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What is written is what tokenizer_json.cpp recognises.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "files/pretokenizer.hpp"
#include "files/tokenizer_json.hpp"
#include "files/utf8.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::format_error;
using sparsellm::require;

namespace {

ordered_json byte_level(bool regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", regex}};
}

ordered_json pre_tokenizer_of(const std::string& pre) {
  if (pre == "gpt-2" || pre == "gpt2") return byte_level(true);
  ordered_json steps = ordered_json::array();
  if (pre == "smollm") {
    steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
    steps.push_back(byte_level(true));
  } else {
    for (const split_step& step : pretokenizer::steps_of(pre))
      steps.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", step.pattern}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
    steps.push_back(byte_level(false));
  }
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

// SentencePiece ranks pieces; tokenizer.json ranks merges: every way to make a piece of two others,
// best pieces first.
ordered_json merges_of(const vocabulary& v) {
  std::unordered_map<std::string, std::size_t> ids;
  for (std::size_t i = 0; i < v.texts.size(); ++i) ids.emplace(v.texts[i], i);
  std::vector<std::size_t> order(v.texts.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const float left = (*v.scores)[a], right = (*v.scores)[b];
    return left != right ? left > right : a < b;
  });
  ordered_json merges = ordered_json::array();
  for (const std::size_t i : order)
    for (std::size_t cut = 1; cut < v.texts[i].size(); ++cut) {
      if ((static_cast<unsigned char>(v.texts[i][cut]) & 0xc0) == 0x80) continue;
      std::string left = v.texts[i].substr(0, cut), right = v.texts[i].substr(cut);
      if (ids.count(left) != 0 && ids.count(right) != 0)
        merges.push_back({std::move(left), std::move(right)});
    }
  return merges;
}

// Text to id; of tokens that are there twice the first.
ordered_json vocabulary_of(const std::vector<std::string>& texts) {
  std::map<std::string, std::size_t> by_text;
  for (std::size_t i = 0; i < texts.size(); ++i) by_text.emplace(texts[i], i);
  std::vector<std::pair<std::size_t, std::string>> entries;
  for (const auto& [text, id] : by_text) entries.emplace_back(id, text);
  std::sort(entries.begin(), entries.end());
  ordered_json vocabulary = ordered_json::object();
  for (const auto& [id, text] : entries) vocabulary.emplace(text, id);
  return vocabulary;
}

// In GGUF, unknown tokens are found in a text as control tokens are.
ordered_json added_tokens_of(const vocabulary& v) {
  ordered_json added = ordered_json::array();
  for (const added_token& t : v.added) {
    const auto at = static_cast<std::size_t>(t.id);
    added.push_back({{"id", t.id},
                     {"content", v.texts[at]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", v.kinds[at] != token_kind::user_defined}});
  }
  return added;
}

ordered_json sentencepiece_normalizer(bool space_prefix) {
  ordered_json steps = ordered_json::array();
  if (space_prefix) steps.push_back({{"type", "Prepend"}, {"prepend", "\xe2\x96\x81"}});
  steps.push_back(
      {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\xe2\x96\x81"}});
  return {{"type", "Sequence"}, {"normalizers", steps}};
}

ordered_json sentencepiece_decoder() {
  return {{"type", "Sequence"},
          {"decoders",
           {{{"type", "Replace"}, {"pattern", {{"String", "\xe2\x96\x81"}}}, {"content", " "}},
            {{"type", "ByteFallback"}},
            {{"type", "Fuse"}}}}};
}

// Puts the token before a text: what other programs go by.
ordered_json template_of(const std::string& bos, std::int32_t id) {
  const auto part = [](const char* kind, const std::string& name, int type) {
    return ordered_json{{kind, {{"id", name}, {"type_id", type}}}};
  };
  return {{"type", "TemplateProcessing"},
          {"single", {part("SpecialToken", bos, 0), part("Sequence", "A", 0)}},
          {"pair",
           {part("SpecialToken", bos, 0), part("Sequence", "A", 0), part("SpecialToken", bos, 1),
            part("Sequence", "B", 1)}},
          {"special_tokens", {{bos, {{"id", bos}, {"ids", {id}}, {"tokens", {bos}}}}}}};
}

// The listed merges. One that makes no token is undone in GGUF after it was made; tokenizer.json
// cannot hold it, and does without where its pieces are in no other.
ordered_json listed_merges(const vocabulary& v) {
  std::unordered_set<std::string> tokens(v.texts.begin(), v.texts.end());
  std::unordered_map<std::string, std::size_t> uses;
  for (const auto& [left, right] : v.merges) {
    ++uses[left];
    ++uses[right];
  }
  ordered_json merges = ordered_json::array();
  for (const auto& [left, right] : v.merges) {
    if (tokens.count(left) != 0 && tokens.count(right) != 0 && tokens.count(left + right) != 0) {
      merges.push_back({left, right});
      continue;
    }
    const std::size_t own = left == right ? 2 : 1;
    require<format_error>(uses[left] == own && uses[right] == own && uses.count(left + right) == 0,
                          "tokenizer: the merge of '", left, "' and '", right,
                          "' makes no token, which tokenizer.json cannot hold");
  }
  return merges;
}

ordered_json model_of(const vocabulary& v) {
  const bool characters = v.model == "llama";
  ordered_json model{{"type", "BPE"},
                     {"dropout", nullptr},
                     {"unk_token", nullptr},
                     {"continuing_subword_prefix", nullptr},
                     {"end_of_word_suffix", nullptr},
                     {"fuse_unk", false},
                     {"byte_fallback", characters},
                     {"ignore_merges", v.ignore_merges},
                     {"vocab", vocabulary_of(v.texts)}};
  if (v.unknown >= 0) model["unk_token"] = v.texts[static_cast<std::size_t>(v.unknown)];
  model["merges"] = characters ? merges_of(v) : listed_merges(v);
  return model;
}

// JSON holds UTF-8 alone.
void check_texts(const vocabulary& v) {
  for (std::size_t i = 0; i < v.texts.size(); ++i)
    require<format_error>(is_utf8(v.texts[i]), "tokenizer: token ", i,
                          " is no UTF-8, which tokenizer.json cannot hold");
}

}  // namespace

std::string write_tokenizer_json(const model_file& file) {
  const vocabulary v = gguf_vocabulary(file);
  check_texts(v);
  const bool characters = v.model == "llama";
  const ordered_json whole{
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added_tokens_of(v)},
      {"normalizer",
       characters ? sentencepiece_normalizer(v.prefix == space_prefix::every) : nullptr},
      {"pre_tokenizer", characters ? nullptr : pre_tokenizer_of(v.pre)},
      {"post_processor",
       v.add_bos ? template_of(v.texts[static_cast<std::size_t>(v.bos)], v.bos) : nullptr},
      {"decoder", characters ? sentencepiece_decoder() : byte_level(true)},
      {"model", model_of(v)}};
  return whole.dump(1) + "\n";
}

std::string write_tokenizer_config(const model_file& file) {
  const vocabulary v = gguf_vocabulary(file);
  ordered_json j{{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false},
                 {"add_bos_token", v.add_bos}};
  if (v.bos >= 0) j["bos_token"] = v.texts[static_cast<std::size_t>(v.bos)];
  if (!v.stops.empty()) j["eos_token"] = v.texts[static_cast<std::size_t>(v.stops.front())];
  if (file.value("tokenizer.chat_template") != nullptr)
    j["chat_template"] = valid_utf8(file.text("tokenizer.chat_template"));
  return j.dump(1) + "\n";
}

}  // namespace llama

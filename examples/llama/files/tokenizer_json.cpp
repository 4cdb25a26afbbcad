// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Both ways in one file: what is written is what is recognised.
#include "files/tokenizer_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "files/pretokenizer.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using nlohmann::json;
using nlohmann::ordered_json;
using sparsellm::concat;
using sparsellm::format_error;
using sparsellm::raise;
using sparsellm::require;

namespace {

// GGUF's token types.
enum : std::int64_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};
constexpr std::size_t most_tokens = 1u << 24;

json parse(const std::string& text, const char* file) {
  json j = json::parse(text, nullptr, false);
  require<format_error>(j.is_object(), "tokenizer: ", file, " is not a JSON object");
  return j;
}

const json* member(const json& j, const char* key) {
  if (!j.is_object()) return nullptr;
  const auto at = j.find(key);
  return at == j.end() || at->is_null() ? nullptr : &*at;
}

// Members of the wrong type are as good as none.
std::string text_of(const json& j, const char* key) {
  const json* v = member(j, key);
  return v != nullptr && v->is_string() ? v->get<std::string>() : std::string();
}
bool flag_of(const json& j, const char* key, bool otherwise) {
  const json* v = member(j, key);
  return v != nullptr && v->is_boolean() ? v->get<bool>() : otherwise;
}

// The pre-tokenizer's steps, a Sequence unrolled.
std::vector<const json*> steps_of(const json* pre) {
  std::vector<const json*> steps;
  if (pre == nullptr) return steps;
  const json* list = member(*pre, "pretokenizers");
  if (list != nullptr && list->is_array())
    for (const json& s : *list) steps.push_back(&s);
  else
    steps.push_back(pre);
  return steps;
}

// GGUF's name of a byte-level pre-tokenizer.
std::string pre_of(const json* pre) {
  std::vector<std::string> patterns;
  bool byte_level = false, digits = false, own_regex = false;
  for (const json* step : steps_of(pre)) {
    const std::string type = text_of(*step, "type");
    if (type == "ByteLevel") {
      byte_level = true;
      own_regex = flag_of(*step, "use_regex", true);
    } else if (type == "Digits" && flag_of(*step, "individual_digits", false)) {
      digits = true;
    } else if (type == "Split" && member(*step, "pattern") != nullptr &&
               member(*member(*step, "pattern"), "Regex") != nullptr &&
               member(*member(*step, "pattern"), "Regex")->is_string()) {
      patterns.push_back(member(*member(*step, "pattern"), "Regex")->get<std::string>());
    } else {
      raise<format_error>(concat("tokenizer: the pre-tokenizer '", type, "' is not known"));
    }
  }
  require<format_error>(byte_level, "tokenizer: a byte-level pre-tokenizer expected");
  if (patterns.empty() && own_regex) return digits ? "smollm" : "gpt-2";
  for (const char* name : {"llama-bpe", "default", "gpt-2", "smollm"})
    if (!own_regex && !digits && patterns == pretokenizer::patterns(name)) return name;
  // Llama 3's expression is written in more than one way.
  if (patterns.size() == 1 && !own_regex && !digits &&
      patterns[0].find("\\p{N}{1,3}") != std::string::npos)
    return "llama-bpe";
  raise<format_error>("tokenizer: the pre-tokenizer is none of smollm, llama-bpe, gpt-2, default");
}

// "left right", or ["left", "right"].
std::pair<std::string, std::string> merge_of(const json& m) {
  if (m.is_array() && m.size() == 2 && m[0].is_string() && m[1].is_string())
    return {m[0].get<std::string>(), m[1].get<std::string>()};
  require<format_error>(m.is_string(), "tokenizer: a merge is not two pieces");
  const std::string text = m.get<std::string>();
  const std::size_t space = text.find(' ', 1);
  require<format_error>(space != std::string::npos, "tokenizer: a merge is not two pieces");
  return {text.substr(0, space), text.substr(space + 1)};
}

}  // namespace

std::map<std::string, metadata_value> read_tokenizer_json(const std::string& tokenizer,
                                                          const std::string& tokenizer_config,
                                                          const std::string& config) {
  const json t = parse(tokenizer, "tokenizer.json"), c = parse(config, "config.json");
  const json settings =
      tokenizer_config.empty() ? json::object() : parse(tokenizer_config, "tokenizer_config.json");
  const json* model = member(t, "model");
  require<format_error>(model != nullptr && model->is_object(),
                        "tokenizer: tokenizer.json has no model");
  const json *vocabulary = member(*model, "vocab"), *merges = member(*model, "merges");
  require<format_error>((member(*model, "type") == nullptr || text_of(*model, "type") == "BPE") &&
                            vocabulary != nullptr && vocabulary->is_object() && merges != nullptr &&
                            merges->is_array(),
                        "tokenizer: a BPE model with vocab and merges expected");
  const json* fallback = member(*model, "byte_fallback");
  const bool sentencepiece = fallback != nullptr && *fallback == true;

  std::vector<std::string> texts;
  std::vector<std::int64_t> types;
  const auto put = [&](const std::string& text, const json& id, std::int64_t type) {
    require<format_error>(id.is_number_unsigned() && id.get<std::uint64_t>() < most_tokens,
                          "tokenizer: the token '", text, "' has no id below ", most_tokens);
    const std::size_t at = id.get<std::size_t>();
    while (texts.size() <= at) {  // places that no token takes
      texts.push_back("<unused" + std::to_string(texts.size()) + ">");
      types.push_back(unused);
    }
    texts[at] = text;
    types[at] = type;
  };
  for (const auto& [text, id] : vocabulary->items()) {
    const bool is_byte = sentencepiece && text.size() == 6 && text.starts_with("<0x");
    put(text, id, is_byte ? byte : normal);
  }
  if (const json* added = member(t, "added_tokens"); added != nullptr && added->is_array())
    for (const json& a : *added) {
      const json *content = member(a, "content"), *id = member(a, "id");
      require<format_error>(content != nullptr && content->is_string() && id != nullptr,
                            "tokenizer: an added token lacks content or id");
      const bool special = member(a, "special") != nullptr && *member(a, "special") == true;
      put(content->get<std::string>(), *id, special ? control : user_defined);
    }
  if (const json* size = member(c, "vocab_size"); size != nullptr && size->is_number_unsigned()) {
    const std::size_t n = size->get<std::size_t>();
    require<format_error>(n <= most_tokens, "tokenizer: a vocabulary of ", n, " tokens");
    if (n > texts.size()) put("<unused" + std::to_string(n - 1) + ">", n - 1, unused);
  }

  std::map<std::string, metadata_value> values;
  std::vector<std::string> pairs;
  std::vector<double> scores(texts.size(), 0.0);
  std::unordered_map<std::string, std::size_t> ids;
  for (std::size_t i = 0; i < texts.size(); ++i) ids.emplace(texts[i], i);
  for (const json& m : *merges) {
    const auto [left, right] = merge_of(m);
    if (sentencepiece) {  // a piece ranks as the first merge that makes it
      const auto at = ids.find(left + right);
      if (at != ids.end() && scores[at->second] == 0.0)
        scores[at->second] = -1.0 - static_cast<double>(pairs.size());
    }
    pairs.push_back(left + " " + right);
  }
  values["tokenizer.ggml.model"] = std::string(sentencepiece ? "llama" : "gpt2");
  if (sentencepiece) {
    for (std::size_t i = 0; i < texts.size(); ++i)  // what no merge makes is never merged
      if (scores[i] == 0.0) scores[i] = -1e9;
    values["tokenizer.ggml.scores"] = std::move(scores);
    const json* normalizer = member(t, "normalizer");
    values["tokenizer.ggml.add_space_prefix"] =
        normalizer != nullptr &&
        normalizer->dump(-1, ' ', false, json::error_handler_t::replace).find("Prepend") !=
            std::string::npos;
  } else {
    values["tokenizer.ggml.merges"] = std::move(pairs);
    values["tokenizer.ggml.pre"] = pre_of(member(t, "pre_tokenizer"));
  }

  const auto id_of = [&](const char* key) -> const json* {
    const json* v = member(c, key);
    if (v != nullptr && v->is_array() && !v->empty()) v = &v->front();
    return v != nullptr && v->is_number_unsigned() ? v : nullptr;
  };
  if (const json* id = id_of("bos_token_id"))
    values["tokenizer.ggml.bos_token_id"] = id->get<std::uint64_t>();
  if (const json* id = id_of("eos_token_id"))
    values["tokenizer.ggml.eos_token_id"] = id->get<std::uint64_t>();
  if (const json* piece = member(*model, "unk_token"); piece != nullptr && piece->is_string())
    if (const auto at = ids.find(piece->get<std::string>()); at != ids.end()) {
      values["tokenizer.ggml.unknown_token_id"] = std::uint64_t{at->second};
      if (sentencepiece) types[at->second] = unknown;
    }
  // Either said outright, or in what is put around a text.
  if (const json* add = member(settings, "add_bos_token"); add != nullptr && add->is_boolean()) {
    values["tokenizer.ggml.add_bos_token"] = add->get<bool>();
  } else if (const json* post = member(t, "post_processor")) {
    const std::string text = post->dump(-1, ' ', false, json::error_handler_t::replace);
    const json* bos = id_of("bos_token_id");
    const bool begins =
        bos != nullptr && bos->get<std::size_t>() < texts.size() &&
        text.find("\"SpecialToken\":{\"id\":" +
                  json(texts[bos->get<std::size_t>()])
                      .dump(-1, ' ', false, json::error_handler_t::replace)) != std::string::npos;
    values["tokenizer.ggml.add_bos_token"] = begins;
  }
  values["tokenizer.ggml.tokens"] = std::move(texts);
  values["tokenizer.ggml.token_type"] = std::move(types);
  return values;
}

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
    for (const std::string& p : pretokenizer::patterns(pre))
      steps.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", p}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
    steps.push_back(byte_level(false));
  }
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

// SentencePiece ranks pieces; tokenizer.json ranks merges: every way to make a piece of two others,
// best pieces first.
ordered_json merges_of(const std::vector<std::string>& texts, const std::vector<double>& scores) {
  std::unordered_map<std::string, std::size_t> ids;
  for (std::size_t i = 0; i < texts.size(); ++i) ids.emplace(texts[i], i);
  std::vector<std::size_t> order(texts.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  ordered_json merges = ordered_json::array();
  for (const std::size_t i : order)
    for (std::size_t cut = 1; cut < texts[i].size(); ++cut) {
      if ((static_cast<unsigned char>(texts[i][cut]) & 0xc0) == 0x80) continue;
      std::string left = texts[i].substr(0, cut), right = texts[i].substr(cut);
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

ordered_json added_tokens(const std::vector<std::string>& texts,
                          const std::vector<std::int64_t>& types) {
  ordered_json added = ordered_json::array();
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (types[i] == control || types[i] == user_defined)
      added.push_back({{"id", i},
                       {"content", texts[i]},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", types[i] == control}});
  return added;
}

// SentencePiece writes spaces as U+2581.
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

}  // namespace

std::string write_tokenizer_json(const model_file& file) {
  const bool sentencepiece = file.text("tokenizer.ggml.model") == "llama";
  const auto& texts = file.array<std::string>("tokenizer.ggml.tokens");
  const auto& types = file.array<std::int64_t>("tokenizer.ggml.token_type");
  require<format_error>(types.size() == texts.size(), "tokenizer: ", texts.size(), " tokens and ",
                        types.size(), " types");
  ordered_json model{{"type", "BPE"},
                     {"dropout", nullptr},
                     {"unk_token", nullptr},
                     {"continuing_subword_prefix", nullptr},
                     {"end_of_word_suffix", nullptr},
                     {"fuse_unk", sentencepiece},
                     {"byte_fallback", sentencepiece}};
  ordered_json pre = nullptr, normalizer = nullptr, decoder;
  if (sentencepiece) {
    const auto& scores = file.array<double>("tokenizer.ggml.scores");
    require<format_error>(scores.size() == texts.size(), "tokenizer: ", texts.size(),
                          " tokens and ", scores.size(), " scores");
    const std::uint64_t unknown_id = file.whole("tokenizer.ggml.unknown_token_id", 0);
    if (unknown_id < texts.size()) model["unk_token"] = texts[static_cast<std::size_t>(unknown_id)];
    normalizer = sentencepiece_normalizer(file.flag("tokenizer.ggml.add_space_prefix", true));
    decoder = sentencepiece_decoder();
    model["vocab"] = vocabulary_of(texts);
    model["merges"] = merges_of(texts, scores);
  } else {
    const std::string name = file.text("tokenizer.ggml.pre", "default");
    pre = pre_tokenizer_of(name);
    decoder = byte_level(true);
    model["ignore_merges"] = name == "llama-bpe" || name == "llama3" || name == "llama-v3";
    model["vocab"] = vocabulary_of(texts);
    model["merges"] = file.array<std::string>("tokenizer.ggml.merges");
  }
  const ordered_json whole{{"version", "1.0"},
                           {"truncation", nullptr},
                           {"padding", nullptr},
                           {"added_tokens", added_tokens(texts, types)},
                           {"normalizer", normalizer},
                           {"pre_tokenizer", pre},
                           {"post_processor", nullptr},
                           {"decoder", decoder},
                           {"model", model}};
  return whole.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string write_tokenizer_config(const model_file& file) {
  const auto& texts = file.array<std::string>("tokenizer.ggml.tokens");
  ordered_json j{{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false},
                 {"add_bos_token", file.flag("tokenizer.ggml.add_bos_token",
                                             file.text("tokenizer.ggml.model") == "llama")}};
  for (const char* which : {"bos", "eos"}) {
    const std::string key = std::string("tokenizer.ggml.") + which + "_token_id";
    if (file.value(key) != nullptr && file.whole(key) < texts.size())
      j[std::string(which) + "_token"] = texts[static_cast<std::size_t>(file.whole(key))];
  }
  return j.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace llama

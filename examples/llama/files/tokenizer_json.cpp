// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/tokenizer_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "files/json_ledger.hpp"
#include "files/tokenizer_json_steps.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using nlohmann::json;
using sparsellm::format_error;
using sparsellm::require;

namespace {

constexpr std::size_t most_tokens = 1u << 24;

// Grows to hold the id; places that no token takes are unused.
std::size_t place_of(const json& id, const std::string& text, vocabulary& v) {
  require<format_error>(id.is_number_unsigned() && id.get<std::uint64_t>() < most_tokens,
                        "tokenizer: the token '", text, "' has no id below ", most_tokens);
  const auto at = id.get<std::size_t>();
  while (v.texts.size() <= at) {
    v.texts.push_back("<unused" + std::to_string(v.texts.size()) + ">");
    v.kinds.push_back(token_kind::unused);
    v.findable.push_back(false);
  }
  require<format_error>(v.kinds[at] == token_kind::unused || v.texts[at] == text, "tokenizer: id ",
                        at, " is both '", v.texts[at], "' and '", text, "'");
  v.texts[at] = text;
  return at;
}

void read_vocabulary(json_ledger& model, vocabulary& v) {
  const json* entries = model.take("vocab");
  require<format_error>(entries != nullptr && entries->is_object(),
                        "tokenizer: a BPE model with vocab and merges expected");
  for (const auto& [text, id] : entries->items()) {
    const std::size_t at = place_of(id, text, v);
    const bool is_byte = v.byte_fallback && text.size() == 6 && text.starts_with("<0x");
    v.kinds[at] = is_byte ? token_kind::byte : token_kind::normal;
    v.findable[at] = true;
  }
}

// "left right", or ["left", "right"].
std::pair<std::string, std::string> merge_of(const json& m) {
  if (m.is_array() && m.size() == 2 && m[0].is_string() && m[1].is_string())
    return {m[0].get<std::string>(), m[1].get<std::string>()};
  require<format_error>(m.is_string(), "tokenizer: a merge is not two pieces");
  const std::string text = m.get<std::string>();
  const std::size_t space = text.find(' ', 1);
  require<format_error>(
      space != std::string::npos && text.find(' ', space + 1) == std::string::npos,
      "tokenizer: a merge is not two pieces");
  return {text.substr(0, space), text.substr(space + 1)};
}

void read_merges(json_ledger& model, vocabulary& v) {
  const json* list = model.take("merges");
  require<format_error>(list != nullptr && list->is_array(),
                        "tokenizer: a BPE model with vocab and merges expected");
  std::unordered_map<std::string_view, bool> known;
  for (std::size_t i = 0; i < v.texts.size(); ++i)
    if (v.findable[i]) known.emplace(v.texts[i], true);
  v.merges.reserve(list->size());
  for (const json& m : *list) {
    auto [left, right] = merge_of(m);
    const std::string whole = left + right;
    for (const std::string* piece : {&std::as_const(left), &std::as_const(right), &whole})
      require<format_error>(known.count(*piece) != 0, "tokenizer: the merge of '", left, "' and '",
                            right, "' needs the token '", *piece, "', which vocab does not have");
    v.merges.emplace_back(std::move(left), std::move(right));
  }
}

// Whether it is one that words are made of too, or one of its own.
void read_added(const json& entry, vocabulary& v) {
  json_ledger a(entry, "tokenizer: an added token");
  const auto content = a.text("content");
  const json* id = a.take("id");
  require<format_error>(content.has_value() && id != nullptr,
                        "tokenizer: an added token lacks content or id");
  const std::size_t at = place_of(*id, *content, v);
  added_token t;
  t.id = static_cast<std::int32_t>(at);
  t.single_word = a.flag("single_word").value_or(false);
  t.lstrip = a.flag("lstrip").value_or(false);
  t.rstrip = a.flag("rstrip").value_or(false);
  const bool special = a.flag("special").value_or(false);
  t.normalized = a.flag("normalized").value_or(!special);
  a.finish();
  v.kinds[at] = special ? token_kind::control : token_kind::user_defined;
  v.added.push_back(t);
}

void read_model(json_ledger& file, vocabulary& v) {
  const json* given = file.take("model");
  require<format_error>(given != nullptr && given->is_object(),
                        "tokenizer: tokenizer.json has no model");
  json_ledger m(*given, "tokenizer: tokenizer.json: model");
  require<format_error>(m.text("type").value_or("BPE") == "BPE",
                        "tokenizer: a BPE model with vocab and merges expected");
  require<format_error>(m.number("dropout").value_or(0.0) == 0.0, m.where(),
                        ": 'dropout' must be 0");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    require<format_error>(m.text(affix).value_or("").empty(), m.where(), ": '", affix,
                          "' is not supported");
  v.byte_fallback = m.flag("byte_fallback").value_or(false);
  v.fuse_unknown = m.flag("fuse_unk").value_or(false);
  v.ignore_merges = m.flag("ignore_merges").value_or(false);
  read_vocabulary(m, v);
  read_merges(m, v);
  if (const auto unknown = m.text("unk_token")) {
    const auto at = std::find(v.texts.begin(), v.texts.end(), *unknown);
    require<format_error>(
        at != v.texts.end() && v.findable[static_cast<std::size_t>(at - v.texts.begin())],
        m.where(), ": the unk_token '", *unknown, "' is not in vocab");
    v.unknown = static_cast<std::int32_t>(at - v.texts.begin());
  }
  m.finish();
}

// tokenizer_config.json repeats added tokens; transformers lets it change them.
void check_repeated(const json& decoder, const vocabulary& v) {
  require<format_error>(decoder.is_object(),
                        "tokenizer: tokenizer_config.json: added_tokens_decoder is no object");
  for (const auto& item : decoder.items()) {
    const std::string& id = item.key();
    json_ledger a(item.value(), "tokenizer: tokenizer_config.json: token " + id);
    const auto found = std::find_if(v.added.begin(), v.added.end(), [&](const added_token& t) {
      return std::to_string(t.id) == id;
    });
    const bool same =
        found != v.added.end() &&
        a.text("content").value_or("") == v.texts[static_cast<std::size_t>(found->id)] &&
        a.flag("single_word").value_or(false) == found->single_word &&
        a.flag("lstrip").value_or(false) == found->lstrip &&
        a.flag("rstrip").value_or(false) == found->rstrip &&
        a.flag("normalized").value_or(true) == found->normalized;
    require<format_error>(same, a.where(), " is another than in tokenizer.json");
  }
}

// Whether a text begins with bos: said outright, or by what is put around a text, or by a Llama's
// tokenizer class.
void read_settings(const std::string& text, const json* post_processor, vocabulary& v) {
  const json parsed =
      text.empty() ? json::object() : parse_object(text, "tokenizer: tokenizer_config.json");
  json_ledger s(parsed, "tokenizer: tokenizer_config.json");
  const std::optional<std::uint64_t> before = read_post_processor(post_processor);
  require<format_error>(!before || *before < v.texts.size(),
                        "tokenizer: the post-processor puts token ", before.value_or(0), " of ",
                        v.texts.size());
  if (before) v.bos = static_cast<std::int32_t>(*before);
  const std::string kind = s.text("tokenizer_class").value_or("");
  const bool by_class = post_processor == nullptr && kind.starts_with("Llama");
  v.add_bos = s.flag("add_bos_token").value_or(before.has_value() || by_class) && v.bos >= 0;
  for (const char* key : {"add_eos_token", "do_lower_case", "split_special_tokens"})
    require<format_error>(!s.flag(key).value_or(false), s.where(), ": '", key,
                          "' true is not supported");
  if (const auto spaced = s.flag("add_prefix_space")) {
    const bool does = v.model == "gpt2" ? v.space_before_words : v.prefix != space_prefix::none;
    require<format_error>(*spaced == does, s.where(),
                          ": 'add_prefix_space' says another thing than tokenizer.json");
  }
  if (const json* repeated = s.take("added_tokens_decoder")) check_repeated(*repeated, v);
  s.finish(harmless_tokenizer_config_keys());
}

}  // namespace

vocabulary read_tokenizer_json(const std::string& tokenizer, const std::string& tokenizer_config,
                               const token_ids& ids) {
  const json parsed = parse_object(tokenizer, "tokenizer: tokenizer.json");
  json_ledger t(parsed, "tokenizer: tokenizer.json");
  vocabulary v;
  v.leftmost = true;
  read_model(t, v);
  read_normalizer(t.take("normalizer"), v);
  read_pre_tokenizer(t.take("pre_tokenizer"), v);
  check_decoder(t.take("decoder"));
  if (const json* added = t.take("added_tokens")) {
    require<format_error>(added->is_array(), t.where(), ": added_tokens is no list");
    for (const json& a : *added) read_added(a, v);
  }
  const json* post_processor = t.take("post_processor");
  t.finish(harmless_tokenizer_keys());
  if (ids.size) {
    require<format_error>(*ids.size <= most_tokens, "tokenizer: a vocabulary of ", *ids.size,
                          " tokens");
    if (*ids.size > v.texts.size()) {
      const std::string last = "<unused" + std::to_string(*ids.size - 1) + ">";
      (void)place_of(*ids.size - 1, last, v);
    }
  }
  if (ids.bos && *ids.bos < v.texts.size()) v.bos = static_cast<std::int32_t>(*ids.bos);
  for (const std::uint64_t id : ids.stops)
    if (id < v.texts.size()) v.stops.push_back(static_cast<std::int32_t>(id));
  read_settings(tokenizer_config, post_processor, v);
  return v;
}

}  // namespace llama

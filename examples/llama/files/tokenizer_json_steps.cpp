// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/tokenizer_json_steps.hpp"

#include <algorithm>
#include <vector>

#include "files/json_ledger.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using nlohmann::json;
using sparsellm::concat;
using sparsellm::format_error;
using sparsellm::raise;
using sparsellm::require;

namespace {

constexpr const char* word_start = "\xe2\x96\x81";  // U+2581

std::string type_of(json_ledger& step) { return step.text("type").value_or(""); }

// The steps of a Sequence, unrolled, whose list is under `key`; a step alone is one.
void unroll(const json* step, const char* key, const std::string& where,
            std::vector<const json*>& to) {
  if (step == nullptr) return;
  json_ledger s(*step, where);
  if (type_of(s) != "Sequence") {
    to.push_back(step);
    return;
  }
  const json* list = s.take(key);
  require<format_error>(list != nullptr && list->is_array(), where, ": a Sequence without '", key,
                        "'");
  s.finish();
  for (const json& inner : *list) unroll(&inner, key, where, to);
}

std::vector<const json*> unrolled(const json* step, const char* key, const std::string& where) {
  std::vector<const json*> steps;
  unroll(step, key, where, steps);
  return steps;
}

// {"String": …} or {"Regex": …}.
std::pair<std::string, bool> pattern_of(json_ledger& step) {
  const json* given = step.take("pattern");
  require<format_error>(given != nullptr && given->is_object(), step.where(),
                        ": a pattern expected");
  json_ledger p(*given, step.where() + ": pattern");
  const auto literal = p.text("String"), regex = p.text("Regex");
  p.finish();
  require<format_error>(literal.has_value() != regex.has_value(), step.where(),
                        ": a pattern is one String or one Regex");
  return {literal ? *literal : *regex, regex.has_value()};
}

std::string escaped(const std::string& literal) {
  std::string out;
  for (const char c : literal) {
    if (std::string_view("\\^$.|?*+()[]{}-#&~ ").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

split_step read_split(json_ledger& s) {
  const auto [pattern, is_regex] = pattern_of(s);
  const std::string behavior = s.text("behavior").value_or("Isolated");
  const bool invert = s.flag("invert").value_or(false);
  require<format_error>(behavior == "Isolated" || behavior == "Removed", s.where(),
                        ": a Split whose behavior is '", behavior,
                        "' is not supported; Isolated and Removed are");
  const bool removed = behavior == "Removed";
  return {is_regex ? pattern : escaped(pattern), removed && !invert, removed && invert};
}

void read_metaspace(json_ledger& s, vocabulary& to) {
  require<format_error>(s.text("replacement").value_or(word_start) == word_start, s.where(),
                        ": a Metaspace replacement of U+2581 expected");
  const auto adds = s.flag("add_prefix_space");
  const std::string scheme =
      s.text("prepend_scheme").value_or(adds.value_or(true) ? "always" : "never");
  require<format_error>(scheme == "always" || scheme == "first" || scheme == "never", s.where(),
                        ": the prepend_scheme '", scheme, "' is not known");
  (void)s.text("str_rep");  // the replacement once more, in files of old
  to.replaces_spaces = true;
  to.cuts_at_spaces = s.flag("split").value_or(true);
  to.prefix = scheme == "always"  ? space_prefix::every_without_it
              : scheme == "first" ? space_prefix::first_without_it
                                  : space_prefix::none;
}

// GGUF's name of the steps, where it has one.
std::string name_of(const std::vector<split_step>& steps) {
  for (const char* name : {"llama-bpe", "qwen2", "default", "gpt-2", "smollm"})
    if (steps == pretokenizer::steps_of(name)) return name;
  return "tokenizer.json";
}

}  // namespace

void read_normalizer(const json* step, vocabulary& to) {
  const std::string where = "tokenizer: the normalizer";
  bool prepends = false, replaces = false;
  for (const json* one : unrolled(step, "normalizers", where)) {
    json_ledger s(*one, where);
    const std::string type = type_of(s);
    if (type == "NFC" && !prepends && !replaces) {
      to.composes = true;
    } else if (type == "Prepend" && !prepends && !replaces) {
      require<format_error>(s.text("prepend").value_or("") == word_start, where,
                            ": Prepend of U+2581 expected");
      prepends = true;
    } else if (type == "Replace" && !replaces) {
      const auto [pattern, is_regex] = pattern_of(s);
      require<format_error>(
          !is_regex && pattern == " " && s.text("content").value_or("") == word_start, where,
          ": Replace of a space by U+2581 expected, others are not supported");
      replaces = true;
    } else {
      raise<format_error>(concat("tokenizer: the normalizer '", type, "' is not supported",
                                 type == "Prepend" || type == "Replace" ? " at its place" : ""));
    }
    s.finish();
  }
  require<format_error>(!prepends || replaces, where, ": Prepend without Replace");
  if (!replaces) return;
  to.replaces_spaces = to.prefix_is_normalization = true;
  to.prefix = prepends ? space_prefix::every : space_prefix::none;
}

void read_pre_tokenizer(const json* step, vocabulary& to) {
  const std::string where = "tokenizer: the pre-tokenizer";
  bool byte_level = false, metaspace = false;
  for (const json* one : unrolled(step, "pretokenizers", where)) {
    json_ledger s(*one, where);
    const std::string type = type_of(s);
    require<format_error>(!byte_level && !metaspace, where, ": '", type, "' after the last step");
    if (type == "ByteLevel") {
      byte_level = true;
      (void)s.flag("trim_offsets");  // of the words' places, which nothing here asks for
      if (s.flag("add_prefix_space").value_or(true)) {
        require<format_error>(to.steps.empty(), where,
                              ": add_prefix_space after other steps is not supported");
        to.space_before_words = true;
      }
      if (s.flag("use_regex").value_or(true))
        to.steps.push_back(pretokenizer::steps_of("gpt-2").front());
    } else if (type == "Digits") {
      const bool alone = s.flag("individual_digits").value_or(false);
      to.steps.push_back({alone ? R"(\p{N})" : R"(\p{N}+)"});
    } else if (type == "Split") {
      to.steps.push_back(read_split(s));
    } else if (type == "Metaspace") {
      metaspace = true;
      require<format_error>(to.steps.empty() && !to.replaces_spaces, where,
                            ": Metaspace after other steps is not supported");
      read_metaspace(s, to);
    } else {
      raise<format_error>(concat("tokenizer: the pre-tokenizer '", type, "' is not known"));
    }
    s.finish();
  }
  require<format_error>(byte_level || to.steps.empty(), where,
                        ": a byte-level pre-tokenizer expected after its steps");
  require<format_error>(!byte_level || !to.replaces_spaces,
                        "tokenizer: a normalizer before a byte-level pre-tokenizer is not "
                        "supported");
  to.model = byte_level ? "gpt2" : "llama";
  if (!byte_level) return;
  to.pre = name_of(to.steps);
  (void)pretokenizer(to.steps);  // expressions that cannot be compiled are refused here
}

void check_decoder(const json* step) {
  const std::string where = "tokenizer: the decoder";
  for (const json* one : unrolled(step, "decoders", where)) {
    json_ledger s(*one, where);
    const std::string type = type_of(s);
    constexpr const char* known[] = {"ByteLevel", "ByteFallback", "Fuse",
                                     "Metaspace", "Replace",      "Strip"};
    require<format_error>(std::find_if(std::begin(known), std::end(known),
                                       [&](const char* k) { return type == k; }) != std::end(known),
                          "tokenizer: the decoder '", type, "' is not known");
  }
}

std::optional<std::uint64_t> read_post_processor(const json* step) {
  const std::string where = "tokenizer: the post-processor";
  std::optional<std::uint64_t> before;
  for (const json* one : unrolled(step, "processors", where)) {
    json_ledger s(*one, where);
    const std::string type = type_of(s);
    if (type == "ByteLevel") continue;  // trims the words' places
    require<format_error>(type == "TemplateProcessing", "tokenizer: the post-processor '", type,
                          "' is not known");
    const json *single = s.take("single"), *specials = s.take("special_tokens");
    (void)s.take("pair");  // of two texts, which are never given
    s.finish();
    require<format_error>(single != nullptr && single->is_array(), where, " has no 'single'");
    bool text_seen = false;
    for (const json& item : *single) {
      if (item.is_object() && item.contains("Sequence")) {
        require<format_error>(!text_seen, where, " gives the text twice");
        text_seen = true;
        continue;
      }
      require<format_error>(
          item.is_object() && item.contains("SpecialToken") && item["SpecialToken"].is_object() &&
              item["SpecialToken"].contains("id") && item["SpecialToken"]["id"].is_string(),
          where, ": a Sequence or a SpecialToken expected");
      const auto name = item["SpecialToken"]["id"].get<std::string>();
      require<format_error>(!text_seen && !before.has_value(), where, " puts '", name,
                            text_seen
                                ? "' behind a text, which is not supported"
                                : "' as a second token before a text, which is not supported");
      const json* entry = specials != nullptr && specials->is_object() && specials->contains(name)
                              ? &(*specials)[name]
                              : nullptr;
      require<format_error>(entry != nullptr && entry->is_object() && entry->contains("ids") &&
                                (*entry)["ids"].is_array() && (*entry)["ids"].size() == 1 &&
                                (*entry)["ids"][0].is_number_unsigned(),
                            where, ": '", name, "' must have one id");
      before = (*entry)["ids"][0].get<std::uint64_t>();
    }
  }
  return before;
}

}  // namespace llama

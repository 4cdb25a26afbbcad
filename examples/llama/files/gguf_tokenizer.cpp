// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/gguf_tokenizer.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::format_error;
using sparsellm::require;

namespace {

using entries = std::vector<std::pair<std::string, metadata_value>>;

// What was said, for gguf_vocabulary() to read.
class said final : public model_file {
 public:
  explicit said(const entries& all) : model_file("GGUF") {
    for (const auto& [key, value] : all) add(key, value);
  }
};

bool is_findable(const vocabulary& v, std::size_t id) {
  return v.findable.empty() || v.findable[id];
}

// GGUF ranks the merges of characters by a score of what they make. The list must say the same:
// all merges that make a token stand together, and every two tokens that make one are listed.
std::vector<double> scores_of(const vocabulary& v) {
  std::vector<double> scores(v.texts.size(), 0.0);
  if (v.scores.has_value()) return {v.scores->begin(), v.scores->end()};
  std::unordered_map<std::string_view, std::size_t> ids;
  for (std::size_t i = 0; i < v.texts.size(); ++i)
    if (is_findable(v, i)) ids.emplace(v.texts[i], i);
  std::unordered_set<std::string> listed;
  std::size_t ranks = 0, last = v.texts.size();
  for (const auto& [left, right] : v.merges) {
    const std::string whole = left + right;
    const std::size_t id = ids.at(whole);
    listed.insert(left + '\xff' + right);
    if (id == last) continue;
    require<format_error>(scores[id] == 0.0, "GGUF: the merges that make '", whole,
                          "' have others between them, which scores of tokens cannot say");
    scores[id] = -static_cast<double>(++ranks);
    last = id;
  }
  for (const auto& [text, id] : ids)
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      if ((static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) continue;
      const std::string_view left = text.substr(0, cut), right = text.substr(cut);
      require<format_error>(ids.count(left) == 0 || ids.count(right) == 0 ||
                                listed.count(std::string(left) + '\xff' + std::string(right)) != 0,
                            "GGUF: '", left, "' and '", right,
                            "' make a token and are not merged, which scores of tokens cannot say");
    }
  return scores;
}

entries say(const vocabulary& v) {
  const auto id = [](std::int32_t n) { return static_cast<std::uint64_t>(n); };
  entries all{{"tokenizer.ggml.model", v.model}};
  if (v.model == "gpt2") all.emplace_back("tokenizer.ggml.pre", v.pre);
  all.emplace_back("tokenizer.ggml.tokens", v.texts);
  std::vector<std::int64_t> kinds;
  for (const token_kind k : v.kinds) kinds.push_back(static_cast<std::int64_t>(k));
  all.emplace_back("tokenizer.ggml.token_type", kinds);
  if (v.model == "gpt2") {
    std::vector<std::string> merges;
    for (const auto& [left, right] : v.merges) merges.push_back(left + " " + right);
    all.emplace_back("tokenizer.ggml.merges", merges);
  } else {
    all.emplace_back("tokenizer.ggml.scores", scores_of(v));
    all.emplace_back("tokenizer.ggml.add_space_prefix", v.prefix != space_prefix::none);
  }
  if (v.bos >= 0) all.emplace_back("tokenizer.ggml.bos_token_id", id(v.bos));
  if (v.unknown >= 0) all.emplace_back("tokenizer.ggml.unknown_token_id", id(v.unknown));
  constexpr const char* ends[] = {"eos", "eot", "eom"};
  for (std::size_t i = 0; i < std::min(v.stops.size(), std::size(ends)); ++i)
    all.emplace_back(std::string("tokenizer.ggml.") + ends[i] + "_token_id", id(v.stops[i]));
  all.emplace_back("tokenizer.ggml.add_bos_token", v.add_bos);
  return all;
}

// Of added tokens that overlap in a text, tokenizer.json takes the left one, GGUF the longer.
void check_added(const vocabulary& v) {
  const auto text = [&](const added_token& t) -> const std::string& {
    return v.texts[static_cast<std::size_t>(t.id)];
  };
  for (const added_token& t : v.added)
    require<format_error>(
        !t.single_word && !t.lstrip && !t.rstrip && !(t.normalized && v.prefix_is_normalization),
        "GGUF: the added token '", text(t),
        "' has lstrip, rstrip, single_word or normalized, which GGUF cannot say");
  for (const added_token& left : v.added)
    for (const added_token& right : v.added) {
      const std::string &a = text(left), &b = text(right);
      for (std::size_t n = 1; a.size() < b.size() && n < a.size(); ++n)
        require<format_error>(a.compare(a.size() - n, n, b, 0, n) != 0, "GGUF: the added tokens '",
                              a, "' and '", b, "' can overlap, where GGUF takes another one");
    }
}

// What is no word of the vocabulary is bytes, so that no text has unknown tokens.
void check_bytes(const vocabulary& v) {
  if (v.model == "gpt2") return;
  require<format_error>(v.byte_fallback,
                        "GGUF: the tokenizer has no byte_fallback, which GGUF has");
  const std::unordered_set<std::string_view> known(v.texts.begin(), v.texts.end());
  for (unsigned b = 0; b < 256; ++b) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", b);
    require<format_error>(known.count(name) != 0, "GGUF: the vocabulary has no token '", name, "'");
  }
}

std::vector<std::int32_t> ids_of(const std::vector<added_token>& added) {
  std::vector<std::int32_t> ids;
  for (const added_token& t : added) ids.push_back(t.id);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

void check_same(const vocabulary& v, const vocabulary& back) {
  require<format_error>(
      back.steps == v.steps && !v.space_before_words && back.ignore_merges == v.ignore_merges,
      "GGUF: the pre-tokenizer is not the one that GGUF calls '", back.pre, "'");
  require<format_error>(back.replaces_spaces == v.replaces_spaces &&
                            back.prefix_is_normalization == v.prefix_is_normalization &&
                            back.prefix == v.prefix && !v.cuts_at_spaces,
                        "GGUF: spaces are replaced in another way than GGUF's tokenizer '", v.model,
                        "' has it");
  require<format_error>(v.model != "gpt2" || back.merges == v.merges,
                        "GGUF: a merge has a space in it");
  require<format_error>(ids_of(back.added) == ids_of(v.added),
                        "GGUF: other tokens would be found in texts before words are cut");
  require<format_error>(back.add_bos == v.add_bos && (!v.add_bos || back.bos == v.bos),
                        "GGUF: the token before a text would be another");
  // Without one of its own, a file's texts end at a token of llama.cpp's choice.
  require<format_error>(!v.stops.empty(), "GGUF: config.json names no token that ends a text");
  for (const std::int32_t id : v.stops)
    require<format_error>(std::find(back.stops.begin(), back.stops.end(), id) != back.stops.end(),
                          "GGUF: ", v.stops.size(), " tokens end a text, GGUF names three");
}

}  // namespace

entries tokenizer_values(const vocabulary& v) {
  require<format_error>(v.model != "gpt2" || v.pre != "tokenizer.json",
                        "GGUF: tokenizer.json cuts words by expressions that GGUF has no name for");
  check_added(v);
  check_bytes(v);
  entries all = say(v);
  check_same(v, gguf_vocabulary(said(all)));
  return all;
}

}  // namespace llama

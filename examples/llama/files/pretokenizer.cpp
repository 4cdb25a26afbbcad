// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Each expression cuts what the one before it left: its matches, and the gaps between them.
#include "files/pretokenizer.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::concat;
using sparsellm::format_error;
using sparsellm::raise;

struct pretokenizer::expression {
  explicit expression(const std::string& pattern) {
    int error = 0;
    PCRE2_SIZE at = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.c_str()), PCRE2_ZERO_TERMINATED,
                         PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &error, &at, nullptr);
    if (code == nullptr) raise<format_error>(concat("cannot compile the pattern ", pattern));
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it matching is slower, and the same
    match = pcre2_match_data_create_from_pattern(code, nullptr);
  }
  ~expression() {
    pcre2_match_data_free(match);
    pcre2_code_free(code);
  }
  expression(const expression&) = delete;
  expression& operator=(const expression&) = delete;

  pcre2_code* code;
  pcre2_match_data* match;
};

std::vector<std::string> pretokenizer::patterns(const std::string& name) {
  constexpr const char* gpt2 =
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))";
  if (name == "smollm") {
    return {R"(\p{N})", gpt2};
  } else if (name == "llama-bpe" || name == "llama3" || name == "llama-v3") {
    return {R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|)"
            R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
  } else if (name == "gpt-2" || name == "gpt2") {
    return {gpt2};
  } else if (name == "default" || name.empty()) {
    return {R"([\p{P}\$\+<=>\^~\|]+)", gpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"};
  }
  raise<format_error>(concat("tokenizer: the pre-tokenizer '", name,
                             "' is not known; smollm, llama-bpe, gpt-2 and default are"));
}

pretokenizer::pretokenizer(const std::string& name) {
  for (const std::string& p : patterns(name))
    expressions_.push_back(std::make_unique<expression>(p));
}

pretokenizer::~pretokenizer() = default;

std::vector<std::string_view> pretokenizer::split(std::string_view text) const {
  std::vector<std::string_view> words{text}, cut;
  if (text.empty()) return {};
  for (const auto& e : expressions_) {
    cut.clear();
    for (const std::string_view word : words) {
      std::size_t at = 0;
      while (at < word.size()) {
        // Lookahead must not see past the word: it is matched as a subject of its own.
        const int found = pcre2_match(e->code, reinterpret_cast<PCRE2_SPTR>(word.data()),
                                      word.size(), at, 0, e->match, nullptr);
        if (found <= 0) break;
        const PCRE2_SIZE* range = pcre2_get_ovector_pointer(e->match);
        if (range[1] == range[0]) break;
        if (range[0] > at) cut.push_back(word.substr(at, range[0] - at));
        cut.push_back(word.substr(range[0], range[1] - range[0]));
        at = range[1];
      }
      if (at < word.size()) cut.push_back(word.substr(at));
    }
    words.swap(cut);
  }
  return words;
}

}  // namespace llama

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

namespace {

// Whether a quantifier {n,m} stands at `at`.
bool is_interval(std::string_view p, std::size_t at, std::size_t& end) {
  end = p.find_first_not_of("0123456789,", at + 1);
  return p[at] == '{' && end != std::string_view::npos && end > at + 1 && p[end] == '}';
}

// An expression that means to PCRE2 what it means to Oniguruma with Ruby's syntax. Classes of white
// space and of words are not quite the same in both, so they are spelled out.
std::string translated(const std::string& p) {
  constexpr std::string_view space = R"(\t-\r\x{85}\p{Z})", word = R"(\p{L}\p{M}\p{N}\p{Pc})";
  const auto refuse = [&](std::string_view what) {
    raise<format_error>(concat("tokenizer: the pre-tokenizer's expression ", p, " has ", what,
                               ", which is not supported"));
  };
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < p.size(); ++i) {
    std::size_t end = 0;
    if (p[i] == '\\' && i + 1 < p.size()) {
      const char c = p[++i];
      const std::string_view set = c == 's' || c == 'S' ? space : word;
      if (c == 's' || c == 'w') {
        out += in_class ? std::string(set) : concat('[', set, ']');
      } else if ((c == 'S' || c == 'W') && !in_class) {
        out += concat("[^", set, ']');
      } else if (std::string_view("SWhHbBGKRXyYZ").find(c) != std::string_view::npos) {
        refuse(concat("\\", c));
      } else {
        out += {'\\', c};
      }
      continue;
    }
    if (in_class && p[i] == '[' && p.compare(i, 2, "[:") != 0) refuse("a class in a class");
    if (in_class && p.compare(i, 2, "&&") == 0) refuse("an intersection of classes");
    if (!in_class && is_interval(p, i, end) && end + 1 < p.size() && p[end + 1] == '+')
      refuse("a + behind {}");
    const bool named = in_class && p.compare(i, 2, "[:") == 0;
    if (named) {
      const std::size_t close = p.find(":]", i);
      if (close == std::string::npos) refuse("an open [:");
      out += p.substr(i, close + 2 - i);
      i = close + 1;
      continue;
    }
    if (p[i] == '[' && !in_class) {
      in_class = true;
      out += '[';
      if (i + 1 < p.size() && p[i + 1] == '^') out += p[++i];
      continue;
    }
    if (p[i] == ']') in_class = false;
    out += p[i];
  }
  return out;
}

}  // namespace

struct pretokenizer::expression {
  explicit expression(const split_step& s)
      : drops_matches(s.drops_matches), drops_gaps(s.drops_gaps) {
    int error = 0;
    PCRE2_SIZE at = 0;
    const std::string pattern = translated(s.pattern);
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                         PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_MULTILINE, &error,
                         &at, nullptr);
    if (code == nullptr)
      raise<format_error>(
          concat("tokenizer: cannot compile the pre-tokenizer's expression ", s.pattern));
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it matching is slower, and the same
    match = pcre2_match_data_create_from_pattern(code, nullptr);
  }
  ~expression() {
    pcre2_match_data_free(match);
    pcre2_code_free(code);
  }
  expression(const expression&) = delete;
  expression& operator=(const expression&) = delete;

  // Whether something matches at or behind `at`.
  [[nodiscard]] bool find(std::string_view text, std::size_t at) const {
    const auto run = [&](std::uint32_t options) {
      return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, options,
                         match, nullptr);
    };
    int found = run(0);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = run(PCRE2_NO_JIT);
    if (found < 0 && found != PCRE2_ERROR_NOMATCH)
      raise<format_error>(concat("tokenizer: the pre-tokenizer's expression gives up on a text of ",
                                 text.size(), " bytes (PCRE2's error ", found, ")"));
    return found > 0;
  }

  bool drops_matches, drops_gaps;
  pcre2_code* code;
  pcre2_match_data* match;
};

std::vector<split_step> pretokenizer::steps_of(const std::string& name) {
  constexpr const char* gpt2 =
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))";
  if (name == "smollm") {
    return {{R"(\p{N})"}, {gpt2}};
  } else if (name == "llama-bpe" || name == "llama3" || name == "llama-v3") {
    return {
        {R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|)"
         R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
  } else if (name == "qwen2") {
    return {
        {R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|)"
         R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
  } else if (name == "gpt-2" || name == "gpt2") {
    return {{gpt2}};
  } else if (name == "default" || name.empty()) {
    return {{R"([\p{P}\$\+<=>\^~\|]+)"}, {gpt2}, {R"(\p{N}+)"}, {"[0-9][0-9][0-9]"}};
  }
  raise<format_error>(concat("tokenizer: the pre-tokenizer '", name,
                             "' is not known; smollm, llama-bpe, qwen2, gpt-2 and default are"));
}

pretokenizer::pretokenizer(const std::vector<split_step>& steps) {
  for (const split_step& s : steps) expressions_.push_back(std::make_unique<expression>(s));
}

pretokenizer::~pretokenizer() = default;

std::vector<std::string_view> pretokenizer::split(std::string_view text) const {
  std::vector<std::string_view> words{text}, cut;
  if (text.empty()) return {};
  for (const auto& e : expressions_) {
    cut.clear();
    const auto keep = [&](std::string_view word, bool dropped) {
      if (!word.empty() && !dropped) cut.push_back(word);
    };
    for (const std::string_view word : words) {
      std::size_t at = 0;
      // Lookahead must not see past the word: it is matched as a subject of its own.
      while (at < word.size() && e->find(word, at)) {
        const PCRE2_SIZE* range = pcre2_get_ovector_pointer(e->match);
        if (range[1] == range[0]) break;
        keep(word.substr(at, range[0] - at), e->drops_gaps);
        keep(word.substr(range[0], range[1] - range[0]), e->drops_matches);
        at = range[1];
      }
      keep(word.substr(at), e->drops_gaps);
    }
    words.swap(cut);
  }
  return words;
}

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "settings.hpp"

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <string_view>

#include "sparsellm/core/error.hpp"

namespace sparsellm_ggml {

using sparsellm::concat;
using sparsellm::raise;
using sparsellm::require;
using sparsellm::value_error;

namespace {

// Empty when it is not set.
std::string text_of(const char* variable) {
  const char* const value = std::getenv(variable);
  return value == nullptr ? std::string() : std::string(value);
}

// One of a few words, the first when the variable is not set.
struct word {
  std::string_view name;
  int value;
};
template <std::size_t N>
int word_of(const char* variable, const word (&words)[N]) {
  const std::string value = text_of(variable);
  if (value.empty()) return words[0].value;
  std::string known;
  for (const word& w : words) {
    if (value == w.name) return w.value;
    known += concat(known.empty() ? "" : ", ", w.name);
  }
  raise<value_error>(concat(variable, ": one of ", known, " expected, got '", value, "'"));
}

template <class T>
T number_of(const char* variable, T otherwise) {
  const std::string text = text_of(variable);
  if (text.empty()) return otherwise;
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require<value_error>(error == std::errc{} && end == text.data() + text.size(), variable,
                       ": a number expected, got '", text, "'");
  return value;
}

void check(const settings& s) {
  require<value_error>(s.sparsity >= 0 && s.sparsity < 1,
                       "SPARSELLM_SPARSITY: a share in [0, 1) expected, got ", s.sparsity);
  require<value_error>(s.thresholds.empty() || (s.sparsity == 0 && s.counts.empty()),
                       "SPARSELLM_THRESHOLDS goes with neither SPARSELLM_SPARSITY nor "
                       "SPARSELLM_COUNTS: the table says what is skipped");
  require<value_error>(
      s.calibrate.empty() || (s.sparsity == 0 && s.thresholds.empty() && s.counts.empty()),
      "SPARSELLM_CALIBRATE goes with none of SPARSELLM_SPARSITY, SPARSELLM_THRESHOLDS and "
      "SPARSELLM_COUNTS: nothing is skipped while inputs are counted, and 'sparsellm-llama "
      "thresholds' makes tables of the counts");
  require<value_error>(s.counts.empty() || s.sparsity > 0,
                       "SPARSELLM_COUNTS needs SPARSELLM_SPARSITY, the share to skip, above 0");
  require<value_error>(s.divided == allocation::uniform || !s.counts.empty(),
                       "SPARSELLM_ALLOCATION goes with SPARSELLM_COUNTS");
  require<value_error>(
      !s.prompts_to_ggml || s.as != form::accelerator,
      "SPARSELLM_PROMPT=ggml goes with the forms injected and device, whose graphs "
      "ggml runs");
  require<value_error>(s.warm_up >= 1, "SPARSELLM_WARM_UP: at least 1 token expected, got 0");
}

settings read() {
  settings s;
  constexpr word forms[] = {{"injected", static_cast<int>(form::injected)},
                            {"accelerator", static_cast<int>(form::accelerator)},
                            {"device", static_cast<int>(form::device)}};
  s.as = static_cast<form>(word_of("SPARSELLM_FORM", forms));
  constexpr word levels[] = {{"summary", static_cast<int>(log_level::summary)},
                             {"quiet", static_cast<int>(log_level::quiet)},
                             {"tensors", static_cast<int>(log_level::tensors)}};
  s.log = static_cast<log_level>(word_of("SPARSELLM_LOG", levels));
  constexpr word layouts[] = {
      {"automatic", -1},
      {"panel", static_cast<int>(sparsellm::layout_kind::panel)},
      {"channel_major", static_cast<int>(sparsellm::layout_kind::channel_major)}};
  if (const int layout = word_of("SPARSELLM_LAYOUT", layouts); layout >= 0)
    s.layout = static_cast<sparsellm::layout_kind>(layout);
  constexpr word allocations[] = {{"uniform", static_cast<int>(allocation::uniform)},
                                  {"profile", static_cast<int>(allocation::profile)}};
  s.divided = static_cast<allocation>(word_of("SPARSELLM_ALLOCATION", allocations));
  constexpr word prompts[] = {{"sparsellm", 0}, {"ggml", 1}};
  s.prompts_to_ggml = word_of("SPARSELLM_PROMPT", prompts) == 1;
  s.thresholds = text_of("SPARSELLM_THRESHOLDS");
  s.counts = text_of("SPARSELLM_COUNTS");
  s.calibrate = text_of("SPARSELLM_CALIBRATE");
  s.sparsity = number_of("SPARSELLM_SPARSITY", s.sparsity);
  s.warm_up = number_of("SPARSELLM_WARM_UP", s.warm_up);
  s.sparse_batch = number_of("SPARSELLM_SPARSE_BATCH", s.sparse_batch);
  check(s);
  return s;
}

}  // namespace

const settings& the_settings() {
  static const settings s = read();
  return s;
}

}  // namespace sparsellm_ggml

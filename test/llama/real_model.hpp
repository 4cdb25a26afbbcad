// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// SmolLM2, the texts it is tried on, and an independent implementation's results for them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "files/tokenizer.hpp"
#include "llama/quiet.hpp"
#include "methods/calibration.hpp"
#include "methods/perplexity.hpp"
#include "model/model.hpp"
#include "model/session.hpp"
#include "model/sparsity_meter.hpp"
#include "shared_data.hpp"
#include "sparsellm/calibrate/uniform.hpp"
#include "sparsellm/core/replace_file.hpp"

// What is observed, and what is scored.
struct two_texts {
  std::filesystem::path calibration, scored;
};
// Outside the repository; results for it are in ../shared/data/smollm2.
inline two_texts wikitext() {
  const std::filesystem::path folder = shared_data("wikitext-2");
  return {folder / "calibration.txt", folder / "eval.txt"};
}
// Of two Debian packages, by script/get-books; results for them are in test/data/smollm2.
inline two_texts books() {
  const auto folder = std::filesystem::path(SPARSELLM_SOURCE_DIR) / ".cache/books";
  return {folder / "calibration.txt", folder / "held-out.txt"};
}

struct real_model {
  real_model(std::optional<sparsellm::element_kind> type, double sparsity)
      : exec(sparsellm::cpu::executor::hardware_threads()),
        m(exec, SPARSELLM_DEMO_MODEL, {type, sparsity, nullptr}, quiet),
        tok(m.file()) {}
  sparsellm::cpu::executor exec;
  llama::model m;
  llama::tokenizer tok;

  [[nodiscard]] std::vector<std::int32_t> ids(const std::filesystem::path& file) const {
    return tok.encode(sparsellm::read_file(file.string()));
  }
  // To be scored.
  [[nodiscard]] std::vector<llama::window> windows(const two_texts& of, std::size_t count,
                                                   std::size_t stride) const {
    const auto all = ids(of.scored);
    std::vector<llama::window> w;
    for (std::size_t i = 0; i < count; ++i)
      w.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(i * stride),
                     all.begin() + static_cast<std::ptrdiff_t>(i * stride + 512));
    return w;
  }
  llama::perplexity_result perplexity(const std::vector<llama::window>& w, std::size_t prefix,
                                      llama::sparsity_meter* meter) {
    llama::session s(exec, m, 512, 512);
    if (meter == nullptr) return llama::measure_perplexity(exec, s, w, prefix, nullptr, quiet);
    const llama::activation_observer count = meter->observer(prefix);
    return llama::measure_perplexity(exec, s, w, prefix, &count, quiet);
  }
  // What calibrations and prunings observe.
  [[nodiscard]] std::vector<llama::window> calibration_text(const two_texts& of) const {
    return llama::cut_windows(ids(of.calibration), 512, 16384);
  }
  sparsellm::threshold_table calibrate(const two_texts& on, double sparsity, llama::calibration how,
                                       const llama::text_maker& text = llama::make_host_text) {
    how.shares = llama::allocate(sparsellm::uniform{sparsity}, m, how.score);
    return llama::calibrate_model(exec, m, calibration_text(on), how, quiet, text);
  }
};

// The model packed as asked for, shared by the cases of a process: one at a time, so the next call
// for another one ends it. Its thresholds are those of whoever used it last.
inline real_model& shared_model(sparsellm::element_kind type, double sparsity) {
  static std::unique_ptr<real_model> model;
  static std::pair<sparsellm::element_kind, double> packed_as;
  if (model == nullptr || packed_as != std::pair(type, sparsity)) {
    model.reset();
    model = std::make_unique<real_model>(type, sparsity);
    packed_as = {type, sparsity};
  }
  return *model;
}

inline nlohmann::json read_json(const std::filesystem::path& file) {
  return nlohmann::json::parse(sparsellm::read_file(file.string()));
}
// Results for WikiText.
inline nlohmann::json wikitext_json(const std::string& name) {
  return read_json(shared_data("smollm2") / name);
}
// Results for the books, and for prompts that need no text.
inline nlohmann::json books_json() { return read_json(test_data("smollm2/books.json")); }

#define NEEDS_MODEL()                                           \
  do {                                                          \
    if (!std::filesystem::exists(SPARSELLM_DEMO_MODEL))         \
      SKIP_BY_NAME("the model is not there; script/get-model"); \
  } while (false)

#define NEEDS_MODEL_AND_WIKITEXT()                                           \
  do {                                                                       \
    NEEDS_MODEL();                                                           \
    if (shared_data("smollm2").empty() || shared_data("wikitext-2").empty()) \
      SKIP_BY_NAME("../shared/data/smollm2 and wikitext-2 are not there");   \
  } while (false)

#define NEEDS_MODEL_AND_BOOKS()                                                     \
  do {                                                                              \
    NEEDS_MODEL();                                                                  \
    if (!std::filesystem::exists(books().scored))                                   \
      SKIP_BY_NAME("the two books are not there, or are others; script/get-books"); \
  } while (false)

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// SmolLM2 and an independent implementation's results for it (../shared/data/smollm2).
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
#include "methods/calibration.hpp"
#include "methods/perplexity.hpp"
#include "model/model.hpp"
#include "model/session.hpp"
#include "shared_data.hpp"
#include "sparsellm/calibrate/uniform.hpp"
#include "sparsellm/core/replace_file.hpp"

inline const llama::progress quiet = [](double) {};

struct real_model {
  real_model(std::optional<sparsellm::element_kind> type, double sparsity)
      : exec(sparsellm::cpu::executor::hardware_threads()),
        m(exec, SPARSELLM_DEMO_MODEL, {type, sparsity, nullptr}, quiet),
        tok(m.file()) {}
  sparsellm::cpu::executor exec;
  llama::model m;
  llama::tokenizer tok;

  [[nodiscard]] std::vector<std::int32_t> ids(const std::string& file) const {
    return tok.encode(sparsellm::read_file((shared_data("wikitext-2") / file).string()));
  }
  [[nodiscard]] std::vector<llama::window> windows(std::size_t count, std::size_t stride) const {
    const auto all = ids("eval.txt");
    std::vector<llama::window> w;
    for (std::size_t i = 0; i < count; ++i)
      w.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(i * stride),
                     all.begin() + static_cast<std::ptrdiff_t>(i * stride + 512));
    return w;
  }
  llama::perplexity_result perplexity(const std::vector<llama::window>& w, std::size_t prefix,
                                      llama::sparsity_meter* meter) {
    llama::session s(exec, m, 512, 512);
    return llama::measure_perplexity(exec, s, w, prefix, meter, quiet);
  }
  // What calibrations and prunings observe.
  [[nodiscard]] std::vector<llama::window> calibration_text() const {
    return llama::cut_windows(ids("calibration.txt"), 512, 16384);
  }
  sparsellm::threshold_table calibrate(double sparsity, llama::calibration how,
                                       const llama::text_maker& text = llama::make_host_text) {
    how.shares = llama::allocate(sparsellm::uniform{sparsity}, m, how.score);
    return llama::calibrate_model(exec, m, calibration_text(), how, quiet, text);
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

inline nlohmann::json read_json(const std::string& name) {
  return nlohmann::json::parse(sparsellm::read_file((shared_data("smollm2") / name).string()));
}

#define NEEDS_MODEL_AND_DATA()                                               \
  do {                                                                       \
    if (!std::filesystem::exists(SPARSELLM_DEMO_MODEL))                      \
      SKIP_BY_NAME("the model is not there; script/get-model");              \
    if (shared_data("smollm2").empty() || shared_data("wikitext-2").empty()) \
      SKIP_BY_NAME("../shared/data/smollm2 and wikitext-2 are not there");   \
  } while (false)

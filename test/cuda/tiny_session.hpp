// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A tiny model, and what sessions of it are asked.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "llama/gguf_builder.hpp"
#include "methods/calibration.hpp"
#include "model/decoder.hpp"
#include "model/model.hpp"
#include "sparsellm/calibrate/uniform.hpp"

inline const llama::progress quiet = [](double) {};

struct tiny {
  explicit tiny(sparsellm::table_score score = sparsellm::table_score::magnitude)
      : file(tiny_model({}).bytes()),
        exec(1),
        m(exec, file.path(), {sparsellm::element_kind::f32, 0.9, nullptr, score}, quiet) {}
  temporary_file file;
  sparsellm::cpu::executor exec;
  llama::model m;
};

inline llama::window some_tokens(std::size_t n) {
  llama::window ids;
  for (std::size_t i = 0; i < n; ++i) ids.push_back(static_cast<std::int32_t>((i * 71 + 13) % 256));
  return ids;
}

inline sparsellm::threshold_table calibrated(tiny& t, llama::calibration how,
                                             const llama::text_maker& where) {
  how.shares = allocate(sparsellm::uniform{0.5}, t.m, how.score);
  return calibrate_model(t.exec, t.m, {some_tokens(48), some_tokens(48)}, how, quiet, where);
}

inline std::vector<float> row_of(llama::decoder& d, std::size_t row) {
  std::vector<float> out(d.vocabulary());
  d.logits(row, llama::rows(out.data(), 1, out.size()));
  return out;
}

inline float apart(const std::vector<float>& a, const std::vector<float>& b) {
  float most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(a[i] - b[i]));
  return most;
}

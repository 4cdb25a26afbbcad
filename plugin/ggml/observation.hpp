// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The inputs of a weight, counted while llama.cpp reads a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "sparsellm/calibrate/activation_counts.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/observe/histogram.hpp"

namespace sparsellm_ggml {

class observation {
 public:
  // weight_hash: of the weight's bytes; 0 where the counts are not to be kept.
  observation(sparsellm::site where, sparsellm::extents shape, std::uint64_t weight_hash);

  // Counts rows of inputs, and gives the number of all rows so far. Several contexts may call at
  // once.
  std::size_t add(sparsellm::matrix_view<const float> rows);

  // The t for which a share q of all |x| is at most t. Nothing is counted any more, and the memory
  // for it is freed. Throws as histogram::quantile().
  [[nodiscard]] float end_with_quantile(double q);

  // What was counted, before the end; nothing of a weight that was never multiplied.
  [[nodiscard]] std::optional<sparsellm::site_counts> counts();

 private:
  sparsellm::site where_;
  sparsellm::extents shape_;
  std::uint64_t weight_hash_;
  std::mutex mutex_;
  std::optional<sparsellm::histogram> values_;  // until the end
  std::size_t rows_ = 0;
};

// An observation whose weight goes: it belongs to the counts that are written. A program may load a
// model again: more of the same weight is added to what was kept of it, another weight takes its
// place.
void keep_counts(observation& seen);

// Writes the file of SPARSELLM_CALIBRATE from everything that was kept; nothing when that is
// nothing. Errors are said, not thrown: this is when models are freed, and nobody is there to
// catch.
void write_counts();

}  // namespace sparsellm_ggml

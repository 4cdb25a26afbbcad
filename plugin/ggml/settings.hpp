// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the user asks for: environment variables, since llama.cpp hands a plugin no options. Each is
// described in docs/llamacpp.md.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "sparsellm/pack/layout_kind.hpp"

namespace sparsellm_ggml {

// What the plugin is to ggml: registration.hpp.
enum class form { injected, accelerator, device };

// How much is said on stderr.
enum class log_level { quiet, summary, tensors };

// How the wanted sparsity is divided between a model's projections.
enum class allocation { uniform, profile };

struct settings {
  form as = form::injected;                      // SPARSELLM_FORM
  log_level log = log_level::summary;            // SPARSELLM_LOG
  std::optional<sparsellm::layout_kind> layout;  // SPARSELLM_LAYOUT; else by what is skipped
  std::string thresholds;                        // SPARSELLM_THRESHOLDS: a table's file
  std::string counts;                            // SPARSELLM_COUNTS: a file of counts
  std::string calibrate;                         // SPARSELLM_CALIBRATE: the counts' file to write
  double sparsity = 0;                           // SPARSELLM_SPARSITY, in [0, 1)
  allocation divided = allocation::uniform;      // SPARSELLM_ALLOCATION
  std::size_t warm_up = 64;                      // SPARSELLM_WARM_UP, in tokens
  std::size_t sparse_batch = 16;                 // SPARSELLM_SPARSE_BATCH, in tokens

  bool prompts_to_ggml = false;  // SPARSELLM_PROMPT=ggml

  // Nothing is skipped before so many tokens have been seen, and thresholds are made from those.
  [[nodiscard]] bool on_the_fly() const noexcept { return counts.empty() && sparsity > 0; }
};

// Read once. Throws value_error that names the variable, what it may be and what it is, also for
// variables that contradict each other.
[[nodiscard]] const settings& the_settings();

}  // namespace sparsellm_ggml

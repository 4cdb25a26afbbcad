// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which pattern each weight of a model is pruned to, so that the model has a wanted size. A plan
// made for another model gives a poor one in silence, so it carries the model's weight hash and
// shapes; docs/formats.md describes the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "files/config.hpp"
#include "files/projection.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace llama {

struct planned_weight {
  std::size_t layer = 0;
  projection which = projection::q;
  sparsellm::extents shape;
  std::optional<sparsellm::nm_pattern> pattern;  // nothing: stays dense
  double error = 0;                              // ‖(W − Ŵ)x‖² / ‖Wx‖² that the choice counted with
};

struct pattern_plan {
  static constexpr int format_version = 1;

  sparsellm::model_identity model;
  std::uint64_t tokens = 0;  // that the errors were measured on
  double target_size = 0;    // wanted, of the dense 16-bit linear layers
  std::vector<planned_weight> weights;

  // Throws format_error when the plan does not have the weight.
  [[nodiscard]] const planned_weight& at(std::size_t layer, projection p) const;
  // Throws format_error when the plan was made for other weights.
  void check(const sparsellm::model_identity& self) const;
  // Throws format_error unless the plan has each weight of this model, in its shape, and no other.
  void check(const config& c) const;
  // Of the weights at 16 bits, masks counted, against dense.
  [[nodiscard]] double size() const;
};

// Bytes of a weight, against dense, with values of 16 bits and a mask of one bit a weight.
[[nodiscard]] double size_of(const std::optional<sparsellm::nm_pattern>& p,
                             sparsellm::extents shape);

[[nodiscard]] std::string to_json(const pattern_plan& plan);
// Throws format_error for text that is no such plan.
[[nodiscard]] pattern_plan plan_from_json(const std::string& text);
// Throws file_error too.
[[nodiscard]] pattern_plan load_plan(const std::string& path);

}  // namespace llama

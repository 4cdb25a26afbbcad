// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Counts the activations that are really skipped, per projection and for the model: thresholds are
// fixed, so what they achieve differs from what was asked and is worth knowing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "model/decoder.hpp"
#include "model/model.hpp"

namespace llama {

class sparsity_meter {
 public:
  explicit sparsity_meter(const model& m) : model_(m) {}

  // Rows [0, dense_rows) do not count.
  void count(std::size_t layer, activation_site site, const_rows x, std::size_t dense_rows);
  // Counts what it sees, batches that begin at position 0. Borrows the meter.
  [[nodiscard]] activation_observer observer(std::size_t dense_rows) {
    return [this, dense_rows](std::size_t layer, activation_site site, const_rows x) {
      count(layer, site, x, std::min(dense_rows, x.rows()));
    };
  }

  // Share of the skipped activations of a projection, over all layers; 0 when nothing was counted.
  [[nodiscard]] double sparsity(projection p) const noexcept;
  // Over the model, weighted by the size of the weights: the share of weights not read.
  [[nodiscard]] double total() const noexcept;
  // Of weights that a token reads: all of those in a layout without channels to skip.
  [[nodiscard]] double bytes_per_token() const noexcept;

  [[nodiscard]] std::span<const projection> projections() const noexcept {
    return model_.shape().projections();
  }

 private:
  const model& model_;
  per_projection<std::uint64_t> skipped_, seen_;
};

}  // namespace llama

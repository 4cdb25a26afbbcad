// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Thresholds are looked up where they are used, in the packed layers.
#include "sparsity_meter.hpp"

#include <cmath>

namespace llama {

namespace {

float threshold_of(const block& b, std::size_t p) {
  if (p < 3) return b.qkv.threshold(p);
  if (p == 3) return b.out.threshold(0);
  return p < 6 ? b.gate_up.threshold(p - 4) : b.down.threshold(0);
}

}  // namespace

void sparsity_meter::count(std::size_t layer, input where, const_rows x, std::size_t dense_rows) {
  for (std::size_t p = 0; p < projections.size(); ++p) {
    if (input_of[p] != where) continue;
    const float threshold = threshold_of(model_.blocks()[layer], p);
    for (std::size_t r = dense_rows; r < x.rows(); ++r) {
      std::uint64_t skipped = 0;
      for (const float v : x.row(r)) skipped += std::fabs(v) <= threshold ? 1 : 0;
      skipped_[p] += skipped;
      seen_[p] += x.cols();
    }
  }
}

double sparsity_meter::projection(std::size_t p) const noexcept {
  return seen_[p] == 0 ? 0.0 : static_cast<double>(skipped_[p]) / static_cast<double>(seen_[p]);
}

double sparsity_meter::total() const noexcept {
  double skipped = 0, weights = 0;
  for (std::size_t p = 0; p < projections.size(); ++p) {
    const sparsellm::extents e = model_.extents_of(p);
    const auto size = static_cast<double>(e.outputs * e.inputs);
    skipped += size * projection(p);
    weights += size;
  }
  return skipped / weights;
}

}  // namespace llama

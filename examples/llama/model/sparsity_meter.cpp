// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Thresholds are looked up where they are used, in the packed layers.
#include "model/sparsity_meter.hpp"

#include <algorithm>

namespace llama {

namespace {

// How many of x's channels projection p of a block skips.
std::size_t skipped_by(const block& b, projection p, std::size_t place_in_stack,
                       sparsellm::vector_view<const float> x) {
  const stack& w = b.reading(site_of(p));
  const auto [linear, place] = w.linear_with(place_in_stack);
  if (linear->top_k().has_value()) return x.size() - std::min(*linear->top_k(), x.size());
  const auto keep = linear->sections().sections[place].keep;
  std::size_t skipped = 0;
  for (std::size_t c = 0; c < x.size(); ++c)
    skipped += keep.keeps(w.from_centre(x[c], c), c) ? 0 : 1;
  return skipped;
}

}  // namespace

void sparsity_meter::count(std::size_t layer, activation_site site, const_rows x,
                           std::size_t dense_rows) {
  const block& b = model_.blocks()[layer];
  const auto add = [&](projection p, std::size_t skipped) {
    skipped_[p] += skipped;
    seen_[p] += x.cols();
  };
  for (std::size_t r = dense_rows; r < x.rows(); ++r) {
    if (b.gate_threshold < 0.0f) {
      for (const projection p : model_.shape().readers(site))
        add(p, skipped_by(b, p, model_.shape().place_of(p), x.row(r)));
    } else if (site == activation_site::mlp_hidden) {
      // CATS skips what forward::gate() has set to zero: inputs of down, and the outputs of up that
      // they are made of.
      const auto zeros =
          static_cast<std::size_t>(std::count(x.row(r).begin(), x.row(r).end(), 0.0f));
      add(projection::up, zeros);
      add(projection::down, zeros);
    }
  }
}

double sparsity_meter::sparsity(projection p) const noexcept {
  return seen_[p] == 0 ? 0.0 : static_cast<double>(skipped_[p]) / static_cast<double>(seen_[p]);
}

double sparsity_meter::total() const noexcept {
  double skipped = 0, weights = 0;
  for (const projection p : model_.shape().projections()) {
    const sparsellm::extents e = model_.extents_of(p);
    const auto size = static_cast<double>(e.outputs * e.inputs);
    skipped += size * sparsity(p);
    weights += size;
  }
  return skipped / weights;
}

double sparsity_meter::bytes_per_token() const noexcept {
  const config& c = model_.shape();
  auto bytes = static_cast<double>(model_.head().bytes());
  for (const block& b : model_.blocks())
    for (const projection p : c.projections()) {
      const auto& linear = *b.reading(site_of(p)).linear_with(c.place_of(p)).first;
      const double share = static_cast<double>(c.extents_of(p).outputs) /
                           static_cast<double>(linear.shape().outputs);
      const bool reads_all = linear.layout() == sparsellm::layout_kind::panel;
      bytes += static_cast<double>(linear.bytes()) * share * (reads_all ? 1.0 : 1.0 - sparsity(p));
    }
  return bytes;
}

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/output_errors.hpp"

#include "sparsellm/core/error.hpp"

namespace llama {

output_errors::output_errors(sparsellm::cpu::executor& exec, const model& m, std::size_t max_tokens)
    : model_(m), steps_(exec, m, max_tokens, 1), sums_(m.shape().layers) {
  for (const block& b : m.blocks())
    sparsellm::require<sparsellm::value_error>(
        b.gate_threshold < 0.0f,
        "output errors: scores of the products' own inputs expected, got CATS' of the gate");
}

void output_errors::add(std::size_t layer, activation_site site, const_rows x,
                        std::size_t dense_rows) {
  if (dense_rows >= x.rows()) return;
  const const_rows in(&x(dense_rows, 0), x.rows() - dense_rows, x.cols(), x.stride());
  const stack& w = model_.blocks()[layer].reading(site);
  whole_.resize(in.rows() * w.outputs());
  skipping_.resize(whole_.size());
  const rows whole(whole_.data(), in.rows(), w.outputs()),
      skipping(skipping_.data(), in.rows(), w.outputs());
  steps_.product(w, in, in.rows(), whole);
  steps_.product(w, in, 0, skipping);
  for (const projection p : model_.shape().readers(site)) {
    squares& sum = sums_[layer][p];
    for (std::size_t t = 0; t < in.rows(); ++t) {
      const auto y_whole = of_projection(whole, t, p), y = of_projection(skipping, t, p);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const auto value = static_cast<double>(y_whole[i]), off = static_cast<double>(y[i]) - value;
        sum.error += off * off;
        sum.whole += value * value;
      }
    }
  }
}

sparsellm::vector_view<const float> output_errors::of_projection(const_rows y, std::size_t row,
                                                                 projection p) const {
  return {&y(row, model_.shape().first_output_of(p)), model_.extents_of(p).outputs};
}

double output_errors::of(projection p) const noexcept {
  double sum = 0;
  for (const per_projection<squares>& layer : sums_)
    if (layer[p].whole > 0) sum += layer[p].error / layer[p].whole;
  return sum / static_cast<double>(sums_.size());
}

double output_errors::total() const noexcept {
  double sum = 0;
  for (const projection p : model_.shape().projections()) sum += of(p);
  return sum / static_cast<double>(model_.shape().projections().size());
}

}  // namespace llama

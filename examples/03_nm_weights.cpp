// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// E-Sparse on one linear layer: statistics of its inputs, scores, an order of the channels, a mask,
// and a 2:4 weight that is multiplied as such, alone and with skipped activations.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "sparsellm/sparsellm.hpp"

int main() {
  using namespace sparsellm;
  constexpr std::size_t outputs = 1024, inputs = 1024, tokens = 256;
  constexpr nm_pattern pattern{2, 4};
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> w(outputs * inputs), x(tokens * inputs);
  for (float& v : w) v = normal(random);
  // Channels differ, as those of real activations do.
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = normal(random) * std::exp(normal(random) / 2);
  const matrix_view<const float> weight(w.data(), outputs, inputs), rows(x.data(), tokens, inputs);
  cpu::executor exec;

  // Decide: norms in one pass, entropies in a second, |w| · (entropy + norm).
  const auto [stats] = observe(rows, channel_stats{inputs});
  const auto [bits] = observe(rows, entropy{stats});
  std::vector<double> norms(inputs), entropies(inputs);
  for (std::size_t c = 0; c < inputs; ++c) {
    norms[c] = stats.l2_norm(c);
    entropies[c] = bits.value(c);
  }
  const std::vector<float> scale = e_sparse_scale(entropies, norms);
  std::vector<float> scores(w.size()), ordered(w.size());
  const matrix_view<float> s(scores.data(), outputs, inputs), o(ordered.data(), outputs, inputs);
  score_weights(exec, weight, scaled_magnitude{scale.data()}, s);
  const channel_order order =
      block_shuffle(exec, pattern, s, global_shuffle(mean_scores(s), pattern.m));
  for (std::size_t r = 0; r < outputs; ++r)
    order.gather(vector_view<const float>(s.row(r)), o.row(r));
  const weight_mask mask = best_of_groups(exec, pattern, matrix_view<const float>(o));

  // Pack the weight's columns in that order, and give x the same one.
  const auto in_order = [&](std::size_t r, vector_view<float> row) {
    order.gather(weight.row(r), row);
  };
  const extents shape{outputs, inputs};
  const auto dense = pack<panel<bfloat16>>(exec, weight);
  const auto sparse = pack_masked<n_of_m<bfloat16, 2, 4>>(exec, shape, in_order, mask);
  const auto skipping = pack_masked<channel_bitmap<bfloat16, 2, 4>>(exec, shape, in_order, mask);
  std::vector<float> token(inputs), y(outputs), y_sparse(outputs), y_both(outputs);
  order.gather(rows.row(0), vector_view<float>(token));
  multiply(exec, dense, rows.row(0), y);
  multiply(exec, sparse, token, y_sparse);
  multiply(exec, skipping, sparsifier{magnitude{}, above{0.3f}}, token, y_both);

  const auto error = [&](const std::vector<float>& other) {
    double difference = 0, whole = 0;
    for (std::size_t r = 0; r < outputs; ++r) {
      difference += (other[r] - y[r]) * (other[r] - y[r]);
      whole += y[r] * y[r];
    }
    return difference / whole;
  };
  std::printf(
      "score kept %.3f of all; %.4f of dense memory; output error %.3f, with skipping %.3f\n",
      retained_score(exec, matrix_view<const float>(o), mask) /
          total_score(exec, matrix_view<const float>(s)),
      static_cast<double>(sparse.bytes()) / static_cast<double>(dense.bytes()), error(y_sparse),
      error(y_both));
  return sparse.bytes() * 16 == dense.bytes() * 9 && error(y_sparse) < error(y_both) &&
                 error(y_both) < 0.2
             ? 0
             : 1;
}

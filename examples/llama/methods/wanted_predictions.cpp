// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Streams are kept, not logits: those are made again from them, a slice at a time.
#include "methods/wanted_predictions.hpp"

#include <algorithm>
#include <cmath>

namespace llama {

using sparsellm::buffer;
using sparsellm::vector_view;

namespace {

// The divergence of the predictions of logits z from those of `wanted`; z becomes its gradient
// times `weight`, and wanted is overwritten. One exponential for each number.
double difference(vector_view<float> wanted, vector_view<float> z, float weight) {
  const float most_wanted = *std::max_element(wanted.begin(), wanted.end());
  const float most = *std::max_element(z.begin(), z.end());
  double sum_wanted = 0, sum = 0, apart = 0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    const float p = std::exp(wanted[i] - most_wanted), q = std::exp(z[i] - most);
    apart += static_cast<double>(p) * static_cast<double>(wanted[i] - z[i]);
    sum_wanted += static_cast<double>(p);
    sum += static_cast<double>(q);
    wanted[i] = p;
    z[i] = q;
  }
  const auto of_wanted = static_cast<float>(1 / sum_wanted), of_z = static_cast<float>(1 / sum);
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = weight * (z[i] * of_z - wanted[i] * of_wanted);
  return apart / sum_wanted + std::log(sum) + static_cast<double>(most) - std::log(sum_wanted) -
         static_cast<double>(most_wanted);
}

}  // namespace

void wanted_predictions::add(const_rows stream) {
  buffer<float> values(stream.rows() * stream.cols());
  for (std::size_t t = 0; t < stream.rows(); ++t)
    std::copy_n(&stream(t, 0), stream.cols(), values.data() + t * stream.cols());
  streams_.push_back({std::move(values), stream.cols()});
}

double wanted_predictions::meet(forward& head, std::size_t w, std::size_t first, double weight,
                                rows logits) {
  if (wanted_.size() < logits.rows() * logits.cols())
    wanted_ = buffer<float>(logits.rows() * logits.cols());
  const rows wanted(wanted_.data(), logits.rows(), logits.cols());
  const auto& [values, width] = streams_[w];
  head.logits(const_rows(values.data() + first * width, logits.rows(), width), wanted);
  std::vector<double> of_row(logits.rows());
  head.executor().parallel_for(logits.rows(), [&](std::size_t r) {
    of_row[r] = weight * difference(wanted.row(r), logits.row(r), static_cast<float>(weight));
  });
  double sum = 0;
  for (const double d : of_row) sum += d;
  return sum;
}

}  // namespace llama

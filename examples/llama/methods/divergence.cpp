// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/divergence.hpp"

#include <algorithm>
#include <cmath>

#include "methods/log_softmax.hpp"

namespace llama {

using sparsellm::buffer;

namespace {

// Every so many rows are compared: their logits are the largest part of the memory.
constexpr std::size_t every = 2;

}  // namespace

divergence_meter::divergence_meter(sparsellm::cpu::executor& exec, model& m,
                                   const std::vector<window>& windows)
    : exec_(exec),
      model_(m),
      windows_(windows),
      half_(windows.front().size() / 2),
      seen_(m.shape().layers) {
  const std::size_t vocabulary = m.shape().vocabulary;
  const activation_observer observe = [&](std::size_t l, activation_site site, const_rows x) {
    for (std::size_t r = 0; r < x.rows(); ++r) seen_[l][site].observe(x.row(r));
  };
  for (std::size_t w = 0; w < windows.size(); ++w) {
    const std::size_t length = windows[w].size();
    sessions_.push_back(std::make_unique<session>(exec, m, length, length));
    (void)sessions_[w]->advance(
        {windows[w].begin(), windows[w].end() - static_cast<std::ptrdiff_t>(half_)}, length,
        &observe);
    dense_.emplace_back((half_ + every - 1) / every * vocabulary);
    predict(w, length, &observe, rows(dense_[w].data(), (half_ + every - 1) / every, vocabulary));
  }
}

void divergence_meter::predict(std::size_t w, std::size_t dense_prefix,
                               const activation_observer* observe, rows out) {
  const window& ids = windows_[w];
  const std::size_t middle = ids.size() - half_;
  session& s = *sessions_[w];
  s.rewind(middle);
  const const_rows x =
      s.advance({ids.end() - static_cast<std::ptrdiff_t>(half_), ids.end()}, dense_prefix, observe);
  buffer<float> compared(out.rows() * x.cols());
  for (std::size_t r = 0; r < out.rows(); ++r)
    std::copy_n(&x(r * every, 0), x.cols(), compared.data() + r * x.cols());
  s.steps().logits(const_rows(compared.data(), out.rows(), x.cols()), out);
  exec_.parallel_for(out.rows(), [&](std::size_t r) { log_softmax(out.row(r)); });
}

double divergence_meter::measure(const std::vector<std::vector<double>>& sparsity) {
  for (std::size_t l = 0; l < sparsity.size(); ++l)
    for (const activation_site site : activation_sites) {
      std::vector<float> thresholds;
      for (const projection p : model_.shape().readers(site)) {
        const double share = sparsity[l][model_.shape().index_of(p)];
        thresholds.push_back(share <= 0.0 ? -1.0f : seen_[l][site].quantile(share));
      }
      model_.blocks()[l].reading(site).set_thresholds(thresholds);
    }
  const std::size_t vocabulary = model_.shape().vocabulary;
  const std::size_t compared = (half_ + every - 1) / every;
  buffer<float> logits(compared * vocabulary);
  const rows q(logits.data(), compared, vocabulary);
  double sum = 0;
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    predict(w, 0, nullptr, q);
    std::vector<double> of_row(compared, 0.0);
    exec_.parallel_for(compared, [&](std::size_t r) {
      const float* const p = dense_[w].data() + r * vocabulary;
      for (std::size_t i = 0; i < vocabulary; ++i)
        of_row[r] += static_cast<double>(std::exp(p[i]) * (p[i] - q(r, i)));
    });
    for (const double d : of_row) sum += d;
  }
  return sum / static_cast<double>(compared * windows_.size());
}

}  // namespace llama

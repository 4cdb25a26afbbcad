// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The prefix of a window is dense, so it depends on nothing that is fitted: it is run once, and
// every step begins behind it, from its keys and values.
#include "methods/fit_table.hpp"

#include <algorithm>
#include <cmath>

#include "methods/bias_descent.hpp"
#include "methods/descent.hpp"
#include "methods/recorded_pass.hpp"
#include "methods/threshold_descent.hpp"
#include "methods/wanted_predictions.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::buffer;
using sparsellm::require;
using sparsellm::value_error;

namespace {

class fit {
 public:
  fit(sparsellm::cpu::executor& exec, model& m, const std::vector<window>& windows,
      std::size_t dense_prefix, const table_fit& how, const sparsellm::threshold_table& table,
      const progress& report)
      : exec_(exec),
        model_(m),
        windows_(windows),
        prefix_(dense_prefix),
        rows_(windows.front().size() - dense_prefix),
        how_(how),
        pass_(exec, m, rows_, windows.front().size()),
        biases_(m),
        thresholds_(exec, m, table) {
    run_dense(report);
    if (how_.bias_rate > 0) measure_losses();
  }

  // Of window w's divergence, one of `count`, whose share it returns.
  double add_gradient(std::size_t w, std::size_t count) {
    const double weight = 1.0 / static_cast<double>(count * rows_);
    (void)pass_.run(rest_of(w), prefix_, false, caches_[w]);
    double divergence = 0;
    pass_.reverse(
        [&](std::size_t first, rows logits) {
          divergence += wanted_.meet(pass_.steps(), w, first, weight, logits);
        },
        [&](std::size_t l, projection p, const_rows of_output, const_rows of_input,
            const_rows input) {
          if (how_.bias_rate > 0) biases_.add(l, p, of_output);
          if (how_.threshold_rate > 0) thresholds_.see(l, p, of_input, input);
        });
    return divergence;
  }

  // `left`: of the rates.
  void step(std::size_t number, double left) {
    if (how_.bias_rate > 0) biases_.step(number, how_.bias_rate * left);
    if (how_.threshold_rate > 0) thresholds_.step(how_.threshold_rate * left);
  }

  void put_into(sparsellm::threshold_table& table) const {
    if (how_.bias_rate > 0) biases_.put_into(table);
    if (how_.threshold_rate > 0) thresholds_.put_into(table);
  }

 private:
  [[nodiscard]] window rest_of(std::size_t w) const {
    return {windows_[w].begin() + static_cast<std::ptrdiff_t>(prefix_), windows_[w].end()};
  }

  // The caches of the prefixes, and the streams whose predictions are to be met.
  void run_dense(const progress& report) {
    const config& c = model_.shape();
    forward steps(exec_, model_, std::max<std::size_t>(prefix_, 1), windows_.front().size());
    buffer<float> prefix(prefix_ * c.width);
    for (std::size_t w = 0; w < windows_.size(); ++w) {
      caches_.push_back(make_caches(c, windows_[w].size()));
      const rows x(prefix.data(), prefix_, c.width);
      for (std::size_t t = 0; t < prefix_; ++t) model_.embed(windows_[w][t], t, x.row(t));
      for (std::size_t l = 0; l < c.layers && prefix_ != 0; ++l)
        steps.run_block(l, x, 0, prefix_, {&caches_[w][l], 1}, nullptr);
      wanted_.add(pass_.run(rest_of(w), prefix_, true, caches_[w]));
      report(static_cast<double>(w + 1) / static_cast<double>(windows_.size()));
    }
  }

  // What each output loses, on the first window.
  void measure_losses() {
    const config& c = model_.shape();
    forward products(exec_, model_, rows_, 1), steps(exec_, model_, rows_, windows_.front().size());
    buffer<float> stream(rows_ * c.width);
    std::vector<float> whole, kept;
    const rows x(stream.data(), rows_, c.width);
    const activation_observer observe = [&](std::size_t l, activation_site site, const_rows in) {
      const std::size_t outputs = model_.blocks()[l].reading(site).outputs();
      whole.resize(rows_ * outputs);
      kept.resize(rows_ * outputs);
      const rows y(whole.data(), rows_, outputs), z(kept.data(), rows_, outputs);
      products.product(model_.blocks()[l].reading(site), in, rows_, y);
      products.product(model_.blocks()[l].reading(site), in, 0, z);
      biases_.measure(l, site, y, z);
    };
    const window ids = rest_of(0);
    for (std::size_t t = 0; t < rows_; ++t) model_.embed(ids[t], prefix_ + t, x.row(t));
    for (std::size_t l = 0; l < c.layers; ++l)
      steps.run_block(l, x, prefix_, 0, {&caches_[0][l], 1}, &observe);
  }

  sparsellm::cpu::executor& exec_;
  model& model_;
  const std::vector<window>& windows_;
  std::size_t prefix_, rows_;
  const table_fit& how_;
  recorded_pass pass_;
  bias_descent biases_;
  threshold_descent thresholds_;
  std::vector<std::vector<kv_cache>> caches_;  // [windows][layers]
  wanted_predictions wanted_;
};

void check(const table_fit& how) {
  for (const double rate : {how.bias_rate, how.threshold_rate})
    require<value_error>(rate >= 0 && std::isfinite(rate),
                         "fit: rates of at least 0 expected, got ", rate);
  require<value_error>(how.bias_rate > 0 || how.threshold_rate > 0,
                       "fit: a rate above 0 expected, of biases or thresholds, got 0 and 0");
}

}  // namespace

std::vector<double> fit_table(sparsellm::cpu::executor& exec, model& m,
                              const std::vector<window>& windows, std::size_t dense_prefix,
                              const table_fit& how, sparsellm::threshold_table& table,
                              const progress& report) {
  const std::size_t length = windows.front().size();
  require<value_error>(dense_prefix < length, "fit: windows of ", length,
                       " tokens leave nothing after a dense prefix of ", dense_prefix);
  check(how);
  const descent steps{how.steps, how.windows, 1.0};
  check(steps, "fit");
  // About what a window's dense pass takes of one of a step.
  const double dense_share = 0.3 / (0.3 + static_cast<double>(how.steps * how.windows) /
                                              static_cast<double>(windows.size()));
  fit fitted(exec, m, windows, dense_prefix, how, table,
             [&](double share) { report(share * dense_share); });
  std::vector<double> divergences = descend(
      steps, windows.size(),
      [&](std::size_t w, std::size_t count) { return fitted.add_gradient(w, count); },
      [&](std::size_t number, double left) { fitted.step(number, left); },
      [&](double share) { report(dense_share + (1 - dense_share) * share); });
  fitted.put_into(table);
  table.method += how.bias_rate > 0 && how.threshold_rate > 0 ? " with fitted biases and thresholds"
                  : how.bias_rate > 0                         ? " with fitted biases"
                                                              : " with fitted thresholds";
  return divergences;
}

}  // namespace llama

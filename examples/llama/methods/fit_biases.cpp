// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The prefix of a window is dense, so it depends on no bias: it is run once, and every step begins
// behind it, from its keys and values.
#include "methods/fit_biases.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "methods/adam.hpp"
#include "methods/recorded_pass.hpp"
#include "methods/wanted_predictions.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::buffer;
using sparsellm::require;
using sparsellm::value_error;

namespace {

constexpr activation_site fitted[] = {activation_site::attention_output,
                                      activation_site::mlp_hidden};

// One projection's bias in units of what its channels lose.
struct fitted_bias {
  adam in_units;             // [outputs]
  std::vector<double> unit;  // [outputs]

  [[nodiscard]] std::vector<float> bias() const {
    std::vector<float> b(unit.size());
    for (std::size_t i = 0; i < b.size(); ++i)
      b[i] = static_cast<float>(in_units.value[i] * unit[i]);
    return b;
  }
};

class bias_fit {
 public:
  bias_fit(sparsellm::cpu::executor& exec, model& m, const std::vector<window>& windows,
           std::size_t dense_prefix, const progress& report)
      : exec_(exec),
        model_(m),
        windows_(windows),
        prefix_(dense_prefix),
        rows_(windows.front().size() - dense_prefix),
        pass_(exec, m, rows_, windows.front().size()),
        biases_(m.shape().layers) {
    run_dense(report);
    measure_units();
  }

  // Of window w's divergence, one of `count`, whose share it returns.
  double add_gradient(std::size_t w, std::size_t count) {
    const double weight = 1.0 / static_cast<double>(count * rows_);
    const config& c = model_.shape();
    (void)pass_.run(rest_of(w), prefix_, false, caches_[w]);
    double divergence = 0;
    pass_.reverse(
        [&](std::size_t first, rows logits) {
          divergence += wanted_.meet(pass_.steps(), w, first, weight, logits);
        },
        [&](std::size_t l, projection p, const_rows of_output, const_rows, const_rows) {
          if (p != projection::o && p != projection::down) return;
          fitted_bias& b = biases_[l][site_of(p)];
          for (std::size_t t = 0; t < of_output.rows(); ++t)
            for (std::size_t i = 0; i < c.width; ++i)
              b.in_units.gradient[i] += static_cast<double>(of_output(t, i)) * b.unit[i];
        });
    return divergence;
  }

  void step(std::size_t number, double rate) {
    for (std::size_t l = 0; l < biases_.size(); ++l)
      for (const activation_site site : fitted) {
        biases_[l][site].in_units.step(number, rate);
        model_.blocks()[l].reading(site).set_made_up(biases_[l][site].bias());
      }
  }

  [[nodiscard]] std::vector<float> bias(std::size_t layer, projection p) const {
    return biases_[layer][site_of(p)].bias();
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

  // What each channel of o's and down's outputs loses, on the first window.
  void measure_units() {
    const config& c = model_.shape();
    forward products(exec_, model_, rows_, 1), steps(exec_, model_, rows_, windows_.front().size());
    buffer<float> stream(rows_ * c.width), whole(rows_ * c.width), kept(rows_ * c.width);
    const rows x(stream.data(), rows_, c.width), y(whole.data(), rows_, c.width),
        z(kept.data(), rows_, c.width);
    const activation_observer observe = [&](std::size_t l, activation_site site, const_rows in) {
      if (std::find(std::begin(fitted), std::end(fitted), site) == std::end(fitted)) return;
      products.product(model_.blocks()[l].reading(site), in, rows_, y);
      products.product(model_.blocks()[l].reading(site), in, 0, z);
      fitted_bias& b = biases_[l][site];
      b.in_units = adam(c.width);
      b.unit.resize(c.width);
      for (std::size_t i = 0; i < c.width; ++i) {
        double squares = 0;
        for (std::size_t t = 0; t < rows_; ++t) {
          const auto lost = static_cast<double>(y(t, i) - z(t, i));
          squares += lost * lost;
        }
        b.unit[i] = std::sqrt(squares / static_cast<double>(rows_));
      }
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
  recorded_pass pass_;
  std::vector<per_site<fitted_bias>> biases_;  // [layers]
  std::vector<std::vector<kv_cache>> caches_;  // [windows][layers]
  wanted_predictions wanted_;
};

}  // namespace

std::vector<double> fit_biases(sparsellm::cpu::executor& exec, model& m,
                               const std::vector<window>& windows, std::size_t dense_prefix,
                               const descent& how, sparsellm::threshold_table& table,
                               const progress& report) {
  const std::size_t length = windows.front().size();
  require<value_error>(dense_prefix < length, "biases: windows of ", length,
                       " tokens leave nothing to fit after a dense prefix of ", dense_prefix);
  check(how, "biases");
  // About what a window's dense pass takes of one of a step.
  const double dense_share = 0.3 / (0.3 + static_cast<double>(how.steps * how.windows) /
                                              static_cast<double>(windows.size()));
  bias_fit fit(exec, m, windows, dense_prefix, [&](double share) { report(share * dense_share); });
  const std::vector<double> divergences = descend(
      how, windows.size(),
      [&](std::size_t w, std::size_t count) { return fit.add_gradient(w, count); },
      [&](std::size_t number, double rate) { fit.step(number, rate); },
      [&](double share) { report(dense_share + (1 - dense_share) * share); });
  for (sparsellm::site_threshold& s : table.sites)
    for (const projection p : {projection::o, projection::down})
      if (s.where.projection == name(p)) s.bias = fit.bias(s.where.layer, p);
  table.method += " with biases";
  return divergences;
}

}  // namespace llama

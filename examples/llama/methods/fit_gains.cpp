// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A gain is what the file has times 1 + v, and v is fitted, from 0 on: one rate then fits all
// layers and channels.
#include "methods/fit_gains.hpp"

#include <algorithm>
#include <cmath>

#include "methods/adam.hpp"
#include "methods/recorded_pass.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::buffer;
using sparsellm::require;
using sparsellm::value_error;

namespace {

constexpr activation_site normalised_sites[] = {activation_site::attention_input,
                                                activation_site::mlp_input};

norm_step& norm_of(block& b, activation_site site) {
  return site == activation_site::attention_input ? b.attention_norm : b.mlp_norm;
}

class gain_fit {
 public:
  gain_fit(sparsellm::cpu::executor& exec, model& m, const std::vector<window>& windows,
           wanted_predictions& wanted)
      : model_(m),
        windows_(windows),
        wanted_(wanted),
        length_(windows.front().size()),
        pass_(exec, m, length_, length_),
        caches_(make_caches(m.shape(), length_)),
        changes_(m.shape().layers) {
    for (std::size_t l = 0; l < changes_.size(); ++l)
      for (const activation_site site : normalised_sites) {
        changes_[l][site] = {adam(m.shape().width), norm_of(m.blocks()[l], site).gain};
      }
  }

  // Of window w's divergence, one of `count`, whose share it returns.
  double add_gradient(std::size_t w, std::size_t count) {
    const double weight = 1.0 / static_cast<double>(count * length_);
    (void)pass_.run(windows_[w], 0, true, caches_);
    double divergence = 0;
    pass_.reverse(
        [&](std::size_t first, rows logits) {
          divergence += wanted_.meet(pass_.steps(), w, first, weight, logits);
        },
        [&](std::size_t l, projection p, const_rows, const_rows of_input, const_rows input) {
          const activation_site site = site_of(p);
          if (std::find(std::begin(normalised_sites), std::end(normalised_sites), site) ==
              std::end(normalised_sites))
            return;
          adam& share = changes_[l][site].share;
          const sparsellm::channel_order& order = norm_of(model_.blocks()[l], site).order;
          std::vector<double> sums(input.cols(), 0.0);
          for (std::size_t t = 0; t < input.rows(); ++t)
            for (std::size_t i = 0; i < sums.size(); ++i)
              sums[i] += static_cast<double>(of_input(t, i)) * static_cast<double>(input(t, i));
          // input = before · (1 + v) · x / rms(x)
          for (std::size_t i = 0; i < sums.size(); ++i) {
            const std::size_t c = order.size() == 0 ? i : order[i];
            share.gradient[c] += sums[i] / (1 + share.value[c]);
          }
        });
    return divergence;
  }

  void step(std::size_t number, double rate) {
    for (std::size_t l = 0; l < changes_.size(); ++l)
      for (const activation_site site : normalised_sites) {
        changed_gain& c = changes_[l][site];
        c.share.step(number, rate);
        std::vector<float>& gain = norm_of(model_.blocks()[l], site).gain;
        for (std::size_t i = 0; i < gain.size(); ++i)
          gain[i] = static_cast<float>(static_cast<double>(c.before[i]) * (1 + c.share.value[i]));
      }
  }

 private:
  struct changed_gain {
    adam share;                 // [width] v, in the file's order
    std::vector<float> before;  // [width]
  };

  model& model_;
  const std::vector<window>& windows_;
  wanted_predictions& wanted_;
  std::size_t length_;
  recorded_pass pass_;
  std::vector<kv_cache> caches_;                 // [layers]
  std::vector<per_site<changed_gain>> changes_;  // [layers]
};

}  // namespace

wanted_predictions predictions_of(sparsellm::cpu::executor& exec, const model& m,
                                  const std::vector<window>& windows, const progress& report) {
  const config& c = m.shape();
  const std::size_t length = windows.front().size();
  wanted_predictions wanted;
  forward steps(exec, m, length, length);
  std::vector<kv_cache> caches = make_caches(c, length);
  buffer<float> stream(length * c.width);
  const rows x(stream.data(), length, c.width);
  for (std::size_t w = 0; w < windows.size(); ++w) {
    for (std::size_t t = 0; t < length; ++t) m.embed(windows[w][t], t, x.row(t));
    for (std::size_t l = 0; l < c.layers; ++l)
      steps.run_block(l, x, 0, length, {&caches[l], 1}, nullptr);
    wanted.add(x);
    report(static_cast<double>(w + 1) / static_cast<double>(windows.size()));
  }
  return wanted;
}

std::vector<double> fit_gains(sparsellm::cpu::executor& exec, model& m,
                              const std::vector<window>& windows, const descent& how,
                              wanted_predictions& wanted, std::vector<pruned_block>& blocks,
                              const progress& report) {
  require<value_error>(how.rate > 0 && how.rate < 1,
                       "gains: a rate above 0 and below 1 expected, got ", how.rate);
  check(how, "gains");
  gain_fit fit(exec, m, windows, wanted);
  const std::vector<double> divergences = descend(
      how, windows.size(),
      [&](std::size_t w, std::size_t count) { return fit.add_gradient(w, count); },
      [&](std::size_t number, double rate) { fit.step(number, rate); }, report);
  for (std::size_t l = 0; l < blocks.size(); ++l) {
    blocks[l].attention_gain = m.blocks()[l].attention_norm.gain;
    blocks[l].mlp_gain = m.blocks()[l].mlp_norm.gain;
  }
  return divergences;
}

}  // namespace llama

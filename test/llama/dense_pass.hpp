// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// One dense pass of the real model over a calibration text, which takes a minute of processor time
// where it is whole, and all that calibrations and prunings ask about it: they observe the pass
// instead of making one each.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "llama/real_model.hpp"
#include "methods/observed_text.hpp"

class dense_pass {
 public:
  // Of the first `layers` blocks.
  dense_pass(real_model& r, std::vector<llama::window> windows, std::size_t layers)
      : windows_(std::move(windows)) {
    const auto text = llama::make_host_text(r.exec, r.m, windows_, windows_.front().size());
    for (std::size_t l = 0; l < layers; ++l) {
      block seen;
      for (const llama::activation_site site : llama::activation_sites) {
        text->go_to(l, site);
        observations& o = seen.at[static_cast<std::size_t>(site)];
        o.scale = r.m.column_norms(r.exec, l, site);
        o.magnitudes = text->magnitudes(l, site, 0, {}, {});
        o.scaled = text->magnitudes(l, site, 0, o.scale, {});
        o.statistics.emplace(text->statistics(l, site));
        o.entropies.emplace(text->entropies(l, site, *o.statistics, {}));
        if (site == llama::activation_site::mlp_input) seen.gates = text->gate_magnitudes(l, 0);
      }
      text->leave(l);
      blocks_.push_back(std::move(seen));
    }
  }
  dense_pass(const dense_pass&) = delete;
  dense_pass& operator=(const dense_pass&) = delete;

  [[nodiscard]] const sparsellm::channel_stats& statistics(std::size_t l,
                                                           llama::activation_site site) const {
    return *at(l, site).statistics;
  }
  [[nodiscard]] const sparsellm::entropy& entropies(std::size_t l,
                                                    llama::activation_site site) const {
    return *at(l, site).entropies;
  }
  // For calibrate_model() and prune_model(). Refuses what the pass did not show: another text, a
  // prefix that is not observed, other scales, bins or rows.
  [[nodiscard]] llama::text_maker text() const {
    return [this](sparsellm::cpu::executor&, llama::model&,
                  const std::vector<llama::window>& windows, std::size_t dense_rows) {
      expect(windows == windows_ && dense_rows == windows_.front().size());
      return std::make_unique<seen_text>(*this);
    };
  }

 private:
  struct observations {
    std::vector<float> scale;
    sparsellm::histogram magnitudes, scaled;
    std::optional<sparsellm::channel_stats> statistics;
    std::optional<sparsellm::entropy> entropies;
  };
  struct block {
    std::array<observations, 4> at;
    sparsellm::histogram gates;
  };
  [[nodiscard]] const observations& at(std::size_t l, llama::activation_site site) const {
    return blocks_.at(l).at[static_cast<std::size_t>(site)];
  }
  static void expect(bool shown) {
    if (!shown) throw std::logic_error("dense_pass: this was not observed");
  }

  class seen_text final : public llama::observed_text {
   public:
    explicit seen_text(const dense_pass& pass) : pass_(pass) {}
    void go_to(std::size_t, llama::activation_site) override {}
    void leave(std::size_t) override {}
    sparsellm::histogram magnitudes(std::size_t l, llama::activation_site site, std::size_t first,
                                    const std::vector<float>& scale,
                                    const std::vector<float>& centre) override {
      const observations& o = pass_.at(l, site);
      expect(first == 0 && centre.empty() && (scale.empty() || scale == o.scale));
      return copy(scale.empty() ? o.magnitudes : o.scaled, sparsellm::histogram());
    }
    sparsellm::histogram gate_magnitudes(std::size_t l, std::size_t first) override {
      expect(first == 0);
      return copy(pass_.blocks_.at(l).gates, sparsellm::histogram());
    }
    sparsellm::channel_stats statistics(std::size_t l, llama::activation_site site) override {
      const sparsellm::channel_stats& seen = pass_.statistics(l, site);
      return copy(seen, sparsellm::channel_stats(seen.channels()));
    }
    sparsellm::entropy entropies(std::size_t l, llama::activation_site site,
                                 const sparsellm::channel_stats& ranges,
                                 const sparsellm::entropy_options& how) override {
      return copy(pass_.entropies(l, site), sparsellm::entropy(ranges, how));  // or refuses
    }
    // Rows are not kept: prunings measure no error of their outputs.
    [[nodiscard]] std::size_t windows() const override { return 0; }
    llama::const_rows rows_of(std::size_t, llama::activation_site, std::size_t) override {
      return no_rows();
    }
    void remember() override { (void)no_rows(); }
    void recall() override { (void)no_rows(); }
    void thresholds_changed(std::size_t, llama::activation_site) override {}
    void weights_changed(std::size_t, llama::activation_site) override { (void)no_rows(); }

   private:
    template <class Observer>
    static Observer copy(const Observer& seen, Observer fresh) {
      fresh.merge(seen);
      return fresh;
    }
    static llama::const_rows no_rows() {
      expect(false);
      return {};
    }
    const dense_pass& pass_;
  };

  std::vector<llama::window> windows_;
  std::vector<block> blocks_;
};

// The pass over a text, shared by the cases of a process: one at a time, as shared_model().
inline const dense_pass& shared_pass(const two_texts& of) {
  static std::unique_ptr<dense_pass> pass;
  static std::filesystem::path seen;
  if (seen != of.calibration) {
    pass.reset();
    real_model& r = shared_model(sparsellm::element_kind::f32, 0.0);
    pass = std::make_unique<dense_pass>(r, r.calibration_text(of), r.m.shape().layers);
    seen = of.calibration;
  }
  return *pass;
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Windows of text on the device, where their histograms are counted too.
#include <algorithm>
#include <utility>
#include <vector>

#include "cuda/forward.hpp"
#include "cuda/observers.hpp"
#include "cuda/session.hpp"
#include "cuda/steps.hpp"
#include "sparsellm/cuda/copy.cuh"

namespace llama {

namespace {

using sparsellm::histogram;
using sparsellm::cuda::device_buffer;

class cuda_text final : public observed_text {
 public:
  cuda_text(const model& m, const std::vector<window>& windows, std::size_t dense_rows)
      : windows_(windows.size()),
        length_(windows.front().size()),
        dense_rows_(dense_rows),
        steps_(m, length_, length_, 1),
        stream_(room(windows_ * m.shape().width)),
        inside_(room(windows_ * std::max(m.shape().hidden, m.shape().query_width()))),
        made_(room(m.shape().width)) {
    for (std::size_t w = 0; w < windows_; ++w) {
      at_ = steps_.place(windows[w], 0, false);
      steps_.embed(at_, length_, stream(w));
    }
  }

  void go_to(std::size_t l, activation_site site) override {
    for (std::size_t w = 0; w < windows_; ++w) {
      if (site == activation_site::attention_output)
        steps_.attend(l, normalised(l, activation_site::attention_input, w), length_, at_,
                      dense_rows_, inside(w, site));
      if (site == activation_site::mlp_input)
        steps_.add_product(l, activation_site::attention_output,
                           inside(w, activation_site::attention_output), length_, dense_rows_,
                           stream(w));
      if (site == activation_site::mlp_hidden)
        steps_.activate(l, normalised(l, activation_site::mlp_input, w), length_, dense_rows_,
                        inside(w, site));
    }
  }
  void leave(std::size_t l) override {
    for (std::size_t w = 0; w < windows_; ++w)
      steps_.add_product(l, activation_site::mlp_hidden, inside(w, activation_site::mlp_hidden),
                         length_, dense_rows_, stream(w));
  }
  histogram magnitudes(std::size_t l, activation_site site, std::size_t first,
                       const std::vector<float>& scale, const std::vector<float>& centre) override {
    cuda_histogram seen(steps_.executor());
    const auto scales =
        sparsellm::cuda::to_device(steps_.executor(), sparsellm::vector_view<const float>(scale));
    const auto centres =
        sparsellm::cuda::to_device(steps_.executor(), sparsellm::vector_view<const float>(centre));
    if (!centre.empty() && centred_.size() == 0)
      centred_ = room(std::max({steps_.of().shape().width, steps_.of().shape().hidden,
                                steps_.of().shape().query_width()}));
    each_window(l, site, [&](const_device_rows x) {
      const std::size_t seen_rows = x.rows() - first;
      const_device_rows rest(x.data() + first * x.cols(), seen_rows, x.cols());
      if (!centre.empty()) {
        cuda_subtract(steps_.executor(), rest.data(), seen_rows, x.cols(), x.cols(), centres.data(),
                      centred_.data());
        rest = {centred_.data(), seen_rows, x.cols()};
      }
      seen.observe(rest, scales.view());
    });
    return seen.on_host();
  }
  histogram gate_magnitudes(std::size_t l, std::size_t first) override {
    cuda_histogram seen(steps_.executor());
    for (std::size_t w = 0; w < windows_; ++w) {
      const const_device_rows g =
          steps_.gates(l, normalised(l, activation_site::mlp_input, w), length_);
      seen.observe({g.data() + first * g.stride(), g.rows() - first, g.cols(), g.stride()}, {});
    }
    return seen.on_host();
  }
  sparsellm::channel_stats statistics(std::size_t l, activation_site site) override {
    cuda_channel_stats seen(steps_.executor(), width_of(site));
    each_window(l, site, [&](const_device_rows x) { seen.observe(x); });
    return seen.on_host();
  }
  sparsellm::entropy entropies(std::size_t l, activation_site site,
                               const sparsellm::channel_stats& ranges,
                               const sparsellm::entropy_options& how) override {
    cuda_entropy seen(steps_.executor(), sparsellm::entropy(ranges, how));
    each_window(l, site, [&](const_device_rows x) { seen.observe(x); });
    return std::move(seen).on_host();
  }
  const_rows rows_of(std::size_t l, activation_site site, std::size_t w) override {
    const const_device_rows x = at(l, site, w);
    here_.resize(x.rows() * x.cols());
    sparsellm::cuda::copy(
        steps_.executor(),
        sparsellm::vector_view<const float, sparsellm::device_space>(x.data(), here_.size()),
        sparsellm::vector_view<float>(here_));
    return {here_.data(), x.rows(), x.cols()};
  }
  [[nodiscard]] std::size_t windows() const override { return windows_; }
  void remember() override {
    if (before_.size() == 0) before_ = room(windows_ * steps_.of().shape().width);
    copy_stream(stream_.data(), before_.data());
  }
  void recall() override { copy_stream(before_.data(), stream_.data()); }
  void thresholds_changed(std::size_t l, activation_site site) override { steps_.reread(l, site); }
  void weights_changed(std::size_t l, activation_site site) override { steps_.replace(l, site); }

 private:
  [[nodiscard]] device_buffer<float> room(std::size_t width) {
    return steps_.executor().allocate<float>(length_ * width);
  }
  [[nodiscard]] std::size_t width_of(activation_site site) const {
    return steps_.of().shape().channels_of(site);
  }
  [[nodiscard]] float* stream(std::size_t w) {
    return stream_.data() + w * length_ * steps_.of().shape().width;
  }
  [[nodiscard]] float* inside(std::size_t w, activation_site site) {
    return inside_.data() + w * length_ * width_of(site);
  }
  // x [tokens, channels] at the site last gone to; valid until the next call.
  [[nodiscard]] const_device_rows at(std::size_t l, activation_site site, std::size_t w) {
    const bool of_stream =
        site == activation_site::attention_input || site == activation_site::mlp_input;
    return {of_stream ? normalised(l, site, w) : inside(w, site), length_, width_of(site)};
  }
  template <class See>
  void each_window(std::size_t l, activation_site site, const See& see) {
    for (std::size_t w = 0; w < windows_; ++w) see(at(l, site, w));
  }
  void copy_stream(const float* from, float* to) {
    sparsellm::cuda::check(cudaMemcpyAsync(to, from, stream_.size() * sizeof(float),
                                           cudaMemcpyDeviceToDevice, steps_.executor().stream()),
                           "calibration: copy");
  }
  [[nodiscard]] const float* normalised(std::size_t l, activation_site site, std::size_t w) {
    steps_.normalise(l, site, stream(w), length_, made_.data());
    return made_.data();
  }

  std::size_t windows_, length_, dense_rows_;
  cached_rows at_{};
  cuda_forward steps_;
  device_buffer<float> stream_, inside_, made_, before_, centred_;
  std::vector<float> here_;
};

}  // namespace

std::unique_ptr<observed_text> make_cuda_text(sparsellm::cpu::executor&, model& m,
                                              const std::vector<window>& windows,
                                              std::size_t dense_rows) {
  return std::make_unique<cuda_text>(m, windows, dense_rows);
}

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include <type_traits>
#include <utility>
#include <vector>

#include "methods/observed_text.hpp"
#include "methods/passage.hpp"

namespace llama {

namespace {

using sparsellm::histogram;

// A passage, and one observer per thread, merged in order.
class host_text final : public observed_text {
 public:
  host_text(sparsellm::cpu::executor& exec, model& m, const std::vector<window>& windows,
            std::size_t dense_rows)
      : exec_(exec), text_(exec, m, windows, dense_rows) {}

  void go_to(std::size_t layer, activation_site site) override { text_.go_to(layer, site); }
  void leave(std::size_t layer) override { text_.leave(layer); }
  histogram magnitudes(std::size_t layer, activation_site site, std::size_t first,
                       const std::vector<float>& scale, const std::vector<float>& centre) override {
    return observe(first, scale, centre, [&](std::size_t w) { return text_.at(layer, site, w); });
  }
  histogram gate_magnitudes(std::size_t layer, std::size_t first) override {
    return observe(first, {}, {}, [&](std::size_t w) { return text_.gates(layer, w); });
  }
  sparsellm::channel_stats statistics(std::size_t layer, activation_site site) override {
    const std::size_t channels = rows_of(layer, site, 0).cols();
    return observe_all(layer, site, [&] { return sparsellm::channel_stats(channels); });
  }
  sparsellm::entropy entropies(std::size_t layer, activation_site site,
                               const sparsellm::channel_stats& ranges,
                               const sparsellm::entropy_options& how) override {
    return observe_all(layer, site, [&] { return sparsellm::entropy(ranges, how); });
  }
  const_rows rows_of(std::size_t layer, activation_site site, std::size_t w) override {
    return text_.at(layer, site, w);
  }
  [[nodiscard]] std::size_t windows() const override { return text_.windows(); }
  void remember() override { text_.remember(); }
  void recall() override { text_.recall(); }
  // The passage multiplies with what the model has.
  void thresholds_changed(std::size_t, activation_site) override {}
  void weights_changed(std::size_t, activation_site) override {}

 private:
  template <class RowsOf>
  histogram observe(std::size_t first, const std::vector<float>& scale,
                    const std::vector<float>& centre, const RowsOf& rows_of) {
    std::vector<histogram> observers(exec_.concurrency());
    for (std::size_t w = 0; w < text_.windows(); ++w) {
      const const_rows x = rows_of(w);
      exec_.parallel_for(observers.size(), [&](std::size_t p) {
        std::vector<float> scored(x.cols());
        for (std::size_t r = first + p; r < x.rows(); r += observers.size()) {
          for (std::size_t c = 0; c < x.cols(); ++c)
            scored[c] = (centre.empty() ? x(r, c) : x(r, c) - centre[c]) *
                        (scale.empty() ? 1.0f : scale[c]);
          observers[p].observe(sparsellm::vector_view<const float>(scored));
        }
      });
    }
    for (std::size_t p = 1; p < observers.size(); ++p) observers[0].merge(observers[p]);
    return std::move(observers[0]);
  }

  template <class Make>
  std::invoke_result_t<const Make&> observe_all(std::size_t layer, activation_site site,
                                                const Make& make) {
    std::vector<std::invoke_result_t<const Make&>> observers;
    for (std::size_t p = 0; p < exec_.concurrency(); ++p) observers.push_back(make());
    for (std::size_t w = 0; w < text_.windows(); ++w) {
      const const_rows x = text_.at(layer, site, w);
      exec_.parallel_for(observers.size(), [&](std::size_t p) {
        const std::size_t first = x.rows() * p / observers.size();
        for (std::size_t r = first; r < x.rows() * (p + 1) / observers.size(); ++r)
          observers[p].observe(x.row(r));
      });
    }
    for (std::size_t p = 1; p < observers.size(); ++p) observers[0].merge(observers[p]);
    return std::move(observers[0]);
  }

  sparsellm::cpu::executor& exec_;
  passage text_;
};

}  // namespace

std::unique_ptr<observed_text> make_host_text(sparsellm::cpu::executor& exec, model& m,
                                              const std::vector<window>& windows,
                                              std::size_t dense_rows) {
  return std::make_unique<host_text>(exec, m, windows, dense_rows);
}

}  // namespace llama

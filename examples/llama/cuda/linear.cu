// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/linear.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "cuda/channels.cuh"
#include "cuda/steps.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/multiply_gated.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/sparsify/stacked.hpp"

namespace llama {

using sparsellm::section;
using sparsellm::stacked;
using sparsellm::vector_view;
using keep = sparsellm::sparse_linear::threshold_sparsifier;
using sparsellm::cuda::executor;

// One weight and the sparsifiers of its projections, whose scale lies on the device.
class cuda_linear::part {
 public:
  explicit part(std::size_t outputs) : outputs_(outputs) {}
  virtual ~part() = default;
  [[nodiscard]] std::size_t outputs() const noexcept { return outputs_; }

  void reread(executor& exec, const sparsellm::sparse_linear& from) {
    top_k_ = from.top_k();
    if (top_k_.has_value() && largest_ == nullptr)
      largest_ = std::make_unique<sparsellm::cuda::active_set>(exec, from.shape().inputs);
    scale_ = sparsellm::cuda::to_device(exec, vector_view<const float>(from.scale()));
    const stacked<keep> sections = from.sections();
    sections_.assign(sections.sections, sections.sections + sections.count);
    for (section<keep>& s : sections_) s.keep.score.scale = scale_.data();
    exec.wait();  // for the scale, which is copied from the model
  }
  [[nodiscard]] bool lists_channels() const noexcept { return top_k_.has_value(); }

  void dense(executor& exec, const_device_rows x, device_rows y) const {
    const section<keep> all = every_channel();
    run(exec, {&all, 1}, x, y);
  }
  // h = silu(gate · x) ∘ (up · x) of a part that stacks them; not for listed channels.
  void dense_gated(executor& exec, const_device_rows x, device_rows h) const {
    const section<keep> all = every_channel();
    run_gated(exec, {&all, 1}, x, h);
  }
  void nonzero(executor& exec, const_device_rows x, device_rows y) const {
    const section<keep> all{0, outputs_, {{nullptr}, {0.0f}}};
    run(exec, {&all, 1}, x, y);
  }
  // y: rows whose score is above tau in magnitude, or all where a weight has no rows to skip.
  virtual void rows_above(executor& exec, const_device_rows scores, float tau, const_device_rows x,
                          device_rows y) const = 0;
  void sparse_gated(executor& exec, const_device_rows x, device_rows h) const {
    run_gated(exec, {sections_.data(), sections_.size()}, x, h);
  }
  void sparse(executor& exec, const_device_rows x, device_rows y) const {
    if (!top_k_.has_value()) return run(exec, {sections_.data(), sections_.size()}, x, y);
    for (std::size_t t = 0; t < x.rows(); ++t) {
      cuda_list_largest(exec, scale_.data(), *top_k_, x.row(t), *largest_);
      run(exec, largest_->view(), y.row(t));
    }
  }

 private:
  virtual void run(executor& exec, stacked<keep> sections, const_device_rows x,
                   device_rows y) const = 0;
  virtual void run(executor& exec, sparsellm::active_view<device_space> x,
                   vector_view<float, sparsellm::device_space> y) const = 0;
  virtual void run_gated(executor& exec, stacked<keep> sections, const_device_rows x,
                         device_rows h) const = 0;
  // No score is below 0.
  [[nodiscard]] section<keep> every_channel() const noexcept {
    return {0, outputs_, {{nullptr}, {-1.0f}}};
  }

  std::size_t outputs_;
  std::optional<std::size_t> top_k_;  // instead of thresholds
  std::unique_ptr<sparsellm::cuda::active_set> largest_;
  sparsellm::cuda::device_buffer<float> scale_;
  std::vector<section<keep>> sections_;
};

namespace {

template <class M>
M top(M m, std::size_t n) {
  return {m.data(), n, m.cols(), m.stride()};
}
template <class M>
M below(M m, std::size_t n) {
  return {m.data() + n * m.stride(), m.rows() - n, m.cols(), m.stride()};
}

template <class F>
class packed_part final : public cuda_linear::part {
 public:
  packed_part(executor& exec, const sparsellm::sparse_linear& from,
              const sparsellm::packed_matrix<F>& weight)
      : part(from.shape().outputs), weight_(sparsellm::cuda::to_device(exec, weight)) {}

 private:
  void run(executor& exec, stacked<keep> sections, const_device_rows x,
           device_rows y) const override {
    sparsellm::multiply(exec, weight_, sections, x, y);
  }
  void run(executor& exec, sparsellm::active_view<device_space> x,
           vector_view<float, sparsellm::device_space> y) const override {
    sparsellm::run_multiply(exec, weight_.view(), x, y);
  }
  void rows_above(executor& exec, const_device_rows scores, float tau, const_device_rows x,
                  device_rows y) const override {
    if constexpr (sparsellm::cuda::row_view<decltype(weight_.view())>)
      sparsellm::cuda::multiply_rows(exec, weight_.view(), scores,
                                     sparsellm::teal{sparsellm::magnitude{}, {tau}}, x, y);
    else
      dense(exec, x, y);
  }
  void run_gated(executor& exec, stacked<keep> sections, const_device_rows x,
                 device_rows h) const override {
    sparsellm::cuda::multiply_gated(exec, weight_, sections, x, h);
  }

  sparsellm::cuda::device_matrix<F> weight_;
};

}  // namespace

cuda_linear::cuda_linear(executor& exec, const std::vector<sparsellm::sparse_linear>& parts) {
  for (const sparsellm::sparse_linear& p : parts)
    p.weight().visit([&](const auto& weight) {
      using F = typename std::remove_cvref_t<decltype(weight)>::format;
      if constexpr (sparsellm::multiplies<executor, F>)
        parts_.push_back(std::make_shared<packed_part<F>>(exec, p, weight));
      else
        sparsellm::raise<sparsellm::value_error>(
            sparsellm::concat("--device cuda: no kernel multiplies ", F::name, " weights"));
    });
  reread(exec, parts);  // waits for the weights, too, which are copied from the model
}

void cuda_linear::reread(executor& exec, const std::vector<sparsellm::sparse_linear>& parts) {
  for (std::size_t p = 0; p < parts.size(); ++p) parts_[p]->reread(exec, parts[p]);
}

void cuda_linear::multiply(executor& exec, const_device_rows x, std::size_t dense_rows,
                           device_rows y) const {
  const std::size_t dense = std::min(dense_rows, x.rows());
  std::size_t at = 0;
  for (const auto& p : parts_) {
    const device_rows mine(y.data() + at, y.rows(), p->outputs(), y.stride());
    if (dense != 0) p->dense(exec, top(x, dense), top(mine, dense));
    if (dense < x.rows()) p->sparse(exec, below(x, dense), below(mine, dense));
    at += p->outputs();
  }
}

void cuda_linear::multiply_gated(executor& exec, const_device_rows x, std::size_t dense_rows,
                                 device_rows both, device_rows h) const {
  const part& only = *parts_.front();
  if (parts_.size() != 1 || only.lists_channels()) {
    multiply(exec, x, dense_rows, both);
    sparsellm::cuda::gate(exec, both, h);
    return;
  }
  const std::size_t dense = std::min(dense_rows, x.rows());
  if (dense != 0) only.dense_gated(exec, top(x, dense), top(h, dense));
  if (dense < x.rows()) only.sparse_gated(exec, below(x, dense), below(h, dense));
}

void cuda_linear::multiply_above(executor& exec, const_device_rows x, float tau,
                                 device_rows both) const {
  const std::size_t hidden = both.cols() / 2;
  const device_rows gates(both.data(), both.rows(), hidden, both.stride());
  const device_rows ups(both.data() + hidden, both.rows(), hidden, both.stride());
  if (parts_.size() == 1)
    parts_.front()->dense(exec, x, both);
  else
    parts_.front()->dense(exec, x, gates);
  cuda_silu(exec, gates.data(), gates.rows(), hidden, gates.stride());
  if (parts_.size() == 2) parts_.back()->rows_above(exec, gates, tau, x, ups);
}

void cuda_linear::multiply_nonzero(executor& exec, const_device_rows x, device_rows y) const {
  std::size_t at = 0;
  for (const auto& p : parts_) {
    p->nonzero(exec, x, {y.data() + at, y.rows(), p->outputs(), y.stride()});
    at += p->outputs();
  }
}

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/linear.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "cuda/channels.cuh"
#include "cuda/steps.hpp"
#include "sparsellm/cuda/any_weight.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/gate.cuh"
#include "sparsellm/sparsify/stacked.hpp"

namespace llama {

using sparsellm::device_space;
using sparsellm::section;
using sparsellm::stacked;
using sparsellm::vector_view;
using keep = sparsellm::sparse_linear::threshold_sparsifier;
using sparsellm::cuda::executor;

// One weight and the sparsifiers of its projections, whose scale lies on the device.
class cuda_linear::one_weight {
 public:
  one_weight(executor& exec, const sparsellm::sparse_linear& from)
      : weight_(sparsellm::cuda::to_device(exec, from.weight())) {}
  [[nodiscard]] std::size_t outputs() const noexcept { return weight_.shape().outputs; }

  void reread(executor& exec, const sparsellm::sparse_linear& from) {
    top_k_ = from.top_k();
    if (top_k_.has_value() && largest_ == nullptr)
      largest_ = std::make_unique<sparsellm::active_set<device_space>>(exec, from.shape().inputs);
    scale_ = sparsellm::cuda::to_device(exec, vector_view<const float>(from.scale()));
    const stacked<keep> sections = from.sections();
    sections_.assign(sections.sections, sections.sections + sections.count);
    for (section<keep>& s : sections_) s.keep.score.scale = scale_.data();
    exec.wait();  // for the scale, which is copied from the model
  }
  [[nodiscard]] bool lists_channels() const noexcept { return top_k_.has_value(); }

  void dense(executor& exec, const_device_rows x, device_rows y) const {
    sparsellm::multiply(exec, weight_, x, y);
  }
  void nonzero(executor& exec, const_device_rows x, device_rows y) const {
    sparsellm::multiply(exec, weight_, sparsellm::teal{sparsellm::magnitude{}, {0.0f}}, x, y);
  }
  void sparse(executor& exec, const_device_rows x, device_rows y) const {
    if (!top_k_.has_value()) return sparsellm::multiply(exec, weight_, sections(), x, y);
    for (std::size_t t = 0; t < x.rows(); ++t) {
      cuda_list_largest(exec, scale_.data(), *top_k_, x.row(t), *largest_);
      sparsellm::multiply(exec, weight_, *largest_, y.row(t));
    }
  }
  // h = silu(gate · x) ∘ (up · x) of a weight that stacks them; not for listed channels.
  void dense_gated(executor& exec, const_device_rows x, device_rows h) const {
    sparsellm::multiply_gated(exec, weight_, sparsellm::keep_all{}, x, h);
  }
  void sparse_gated(executor& exec, const_device_rows x, device_rows h) const {
    sparsellm::multiply_gated(exec, weight_, sections(), x, h);
  }
  // y: rows whose score is above tau in magnitude, or all where a weight has no rows to skip.
  void rows_above(executor& exec, const_device_rows scores, float tau, const_device_rows x,
                  device_rows y) const {
    if (weight_.layout() != sparsellm::layout_kind::row_major) return dense(exec, x, y);
    sparsellm::multiply_rows(exec, weight_, scores, sparsellm::teal{sparsellm::magnitude{}, {tau}},
                             x, y);
  }

 private:
  [[nodiscard]] stacked<keep> sections() const noexcept {
    return {sections_.data(), sections_.size()};
  }

  sparsellm::basic_any_weight<device_space> weight_;
  std::optional<std::size_t> top_k_;  // instead of thresholds
  std::unique_ptr<sparsellm::active_set<device_space>> largest_;
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
// The two halves of a row: gate and up.
device_rows first_half(device_rows both) {
  return {both.data(), both.rows(), both.cols() / 2, both.stride()};
}
device_rows second_half(device_rows both) {
  return {both.data() + both.cols() / 2, both.rows(), both.cols() / 2, both.stride()};
}

}  // namespace

cuda_linear::cuda_linear(executor& exec, const stack& from)
    : bias_(sparsellm::cuda::to_device(exec, vector_view<const float>(from.bias()))) {
  for (const sparsellm::sparse_linear& p : from.linears())
    weights_.push_back(std::make_shared<one_weight>(exec, p));
  reread(exec, from);  // waits for the weights, too, which are copied from the model
}

void cuda_linear::reread(executor& exec, const stack& from) {
  for (std::size_t p = 0; p < weights_.size(); ++p) weights_[p]->reread(exec, from.linears()[p]);
  sparse_bias_ = sparsellm::cuda::to_device(exec, vector_view<const float>(from.sparse_bias()));
  centre_ = sparsellm::cuda::to_device(exec, vector_view<const float>(from.centre()));
  exec.wait();  // for the bias and the centre, which are copied from the model
}

void cuda_linear::add_bias(executor& exec, std::size_t first, device_rows y) const {
  add(exec, bias_, first, y);
}

void cuda_linear::add(executor& exec, const sparsellm::cuda::device_buffer<float>& bias,
                      std::size_t first, device_rows y) {
  if (bias.size() != 0 && y.rows() != 0)
    cuda_add_bias(exec, bias.data() + first, y.rows(), y.cols(), y.stride(), y.data());
}

void cuda_linear::multiply(executor& exec, const_device_rows x, std::size_t dense_rows,
                           device_rows y, float* centred) const {
  const std::size_t dense = std::min(dense_rows, x.rows());
  const_device_rows skipping = below(x, dense);
  if (centre_.size() != 0 && skipping.rows() != 0) {
    cuda_subtract(exec, skipping.data(), skipping.rows(), x.cols(), x.stride(), centre_.data(),
                  centred);
    skipping = {centred, skipping.rows(), x.cols()};
  }
  std::size_t at = 0;
  for (const auto& p : weights_) {
    const device_rows mine(y.data() + at, y.rows(), p->outputs(), y.stride());
    if (dense != 0) p->dense(exec, top(x, dense), top(mine, dense));
    if (skipping.rows() != 0) p->sparse(exec, skipping, below(mine, dense));
    at += p->outputs();
  }
  add(exec, bias_, 0, top(y, dense));
  add(exec, sparse_bias_, 0, below(y, dense));
}

void cuda_linear::multiply_gated(executor& exec, const_device_rows x, std::size_t dense_rows,
                                 device_rows both, device_rows h, float* centred) const {
  const one_weight& only = *weights_.front();
  if (weights_.size() != 1 || only.lists_channels() || sparse_bias_.size() != 0) {
    multiply(exec, x, dense_rows, both, centred);
    sparsellm::gate(exec, first_half(both), second_half(both), h);
    return;
  }
  const std::size_t dense = std::min(dense_rows, x.rows());
  if (dense != 0) only.dense_gated(exec, top(x, dense), top(h, dense));
  if (dense < x.rows()) only.sparse_gated(exec, below(x, dense), below(h, dense));
}

void cuda_linear::multiply_above(executor& exec, const_device_rows x, float tau,
                                 device_rows both) const {
  const device_rows gates = first_half(both), ups = second_half(both);
  if (weights_.size() == 1)
    weights_.front()->dense(exec, x, both);
  else
    weights_.front()->dense(exec, x, gates);
  add_bias(exec, 0, gates);
  sparsellm::silu(exec, gates, gates);
  if (weights_.size() == 2) weights_.back()->rows_above(exec, gates, tau, x, ups);
  add_bias(exec, gates.cols(), ups);
}

void cuda_linear::multiply_nonzero(executor& exec, const_device_rows x, device_rows y) const {
  std::size_t at = 0;
  for (const auto& p : weights_) {
    p->nonzero(exec, x, {y.data() + at, y.rows(), p->outputs(), y.stride()});
    at += p->outputs();
  }
  add_bias(exec, 0, y);
}

}  // namespace llama

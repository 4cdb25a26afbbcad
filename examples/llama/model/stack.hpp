// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The projections that read one activation of a block: one weight when their elements are of one
// type, else as many as it takes, since a file may quantise them differently.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/model/sparse_linear.hpp"

namespace llama {

class stack {
 public:
  using executor = sparsellm::cpu::executor;
  using linear = sparsellm::sparse_linear;

  // bias [outputs] is added to every product; empty: none.
  explicit stack(std::vector<linear> linears, std::vector<float> bias = {})
      : linears_(std::move(linears)), bias_(std::move(bias)), sparse_bias_(bias_) {}

  // The weights, in the order of their projections.
  [[nodiscard]] const std::vector<linear>& linears() const noexcept { return linears_; }
  [[nodiscard]] const std::vector<float>& bias() const noexcept { return bias_; }
  // What sparse products add: the bias, and what makes up for skipped channels; empty: nothing.
  [[nodiscard]] const std::vector<float>& sparse_bias() const noexcept { return sparse_bias_; }
  void add_sparse_bias(sparsellm::vector_view<float> y) const noexcept { add(sparse_bias_, y); }
  [[nodiscard]] std::size_t bytes() const {
    std::size_t sum = 0;
    for (const linear& p : linears_) sum += p.bytes();
    return sum;
  }
  // One threshold for each projection.
  void set_thresholds(const std::vector<float>& thresholds) {
    split(thresholds, [](linear& p, std::vector<float> t) { p.set_thresholds(t); });
  }
  // Makes up [outputs] for what sparse products skip; empty: nothing does. Throws shape_error for
  // another size.
  void set_made_up(const std::vector<float>& made_up) {
    std::size_t outputs = 0;
    for (const linear& p : linears_) outputs += p.shape().outputs;
    sparsellm::require<sparsellm::shape_error>(made_up.empty() || made_up.size() == outputs,
                                               "stack: a bias of ", outputs,
                                               " outputs expected, got ", made_up.size());
    sparse_bias_ = bias_;
    if (made_up.empty()) return;
    sparse_bias_.resize(outputs, 0.0f);
    for (std::size_t i = 0; i < outputs; ++i) sparse_bias_[i] += made_up[i];
  }
  void set_scale(const std::vector<float>& scale) {
    for (linear& p : linears_) p.set_scale(scale);
  }
  void set_top_k(std::size_t k) {
    for (linear& p : linears_) p.set_top_k(k);
  }

  // The weight that holds the projection at this place of the stack, and the place within it.
  [[nodiscard]] std::pair<const linear*, std::size_t> linear_with(
      std::size_t place) const noexcept {
    std::size_t i = 0;
    for (; place >= linears_[i].projections(); ++i) place -= linears_[i].projections();
    return {&linears_[i], place};
  }

  void dense(executor& exec, sparsellm::vector_view<const float> x,
             sparsellm::vector_view<float> y) const {
    each(y, bias_, [&](const linear& p, auto out) { p.dense(exec, x, out); });
  }
  void dense(executor& exec, sparsellm::matrix_view<const float> x,
             sparsellm::matrix_view<float> y) const {
    each(y, bias_, [&](const linear& p, auto out) { p.dense(exec, x, out); });
  }
  template <class X, class Y>
  void sparse(executor& exec, const X& x, Y y) const {
    each(y, sparse_bias_, [&](const linear& p, auto out) { p.sparse(exec, x, out); });
  }

 private:
  static void add(const std::vector<float>& bias, sparsellm::vector_view<float> y) noexcept {
    for (std::size_t i = 0; i < bias.size(); ++i) y[i] += bias[i];
  }
  template <class Body>
  void split(const std::vector<float>& values, const Body& body) {
    auto first = values.begin();
    for (linear& p : linears_) {
      const auto last = first + static_cast<std::ptrdiff_t>(p.projections());
      body(p, std::vector<float>(first, last));
      first = last;
    }
  }
  template <class Body>
  void each(sparsellm::vector_view<float> y, const std::vector<float>& bias,
            const Body& body) const {
    std::size_t at = 0;
    for (const linear& p : linears_) {
      body(p, sparsellm::vector_view<float>(y.data() + at, p.shape().outputs));
      at += p.shape().outputs;
    }
    add(bias, y);
  }
  template <class Body>
  void each(sparsellm::matrix_view<float> y, const std::vector<float>& bias,
            const Body& body) const {
    std::size_t at = 0;
    for (const linear& p : linears_) {
      body(p,
           sparsellm::matrix_view<float>(y.data() + at, y.rows(), p.shape().outputs, y.stride()));
      at += p.shape().outputs;
    }
    for (std::size_t t = 0; t < y.rows(); ++t) add(bias, y.row(t));
  }

  std::vector<linear> linears_;
  std::vector<float> bias_, sparse_bias_;
};

}  // namespace llama

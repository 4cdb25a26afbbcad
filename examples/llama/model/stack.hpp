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
  // What sparse products add: the bias, W · centre, and what makes up for skipped channels; empty:
  // nothing.
  [[nodiscard]] const std::vector<float>& sparse_bias() const noexcept { return sparse_bias_; }
  void add_sparse_bias(sparsellm::vector_view<float> y) const noexcept { add(sparse_bias_, y); }
  // Of all its weights.
  [[nodiscard]] std::size_t outputs() const noexcept {
    std::size_t sum = 0;
    for (const linear& p : linears_) sum += p.shape().outputs;
    return sum;
  }
  [[nodiscard]] std::size_t bytes() const {
    std::size_t sum = 0;
    for (const linear& p : linears_) sum += p.bytes();
    return sum;
  }
  // One threshold for each projection.
  void set_thresholds(const std::vector<float>& thresholds) {
    split(thresholds, [](linear& p, std::vector<float> t) { p.set_thresholds(t); });
  }
  // [inputs]: whoever calls sparse() subtracts it from x first; empty: 0.
  [[nodiscard]] const std::vector<float>& centre() const noexcept { return centre_; }
  // x of a channel, as sparse products compare it.
  [[nodiscard]] float from_centre(float x, std::size_t channel) const noexcept {
    return centre_.empty() ? x : x - centre_[channel];
  }
  // Throws shape_error for another size.
  void set_centre(executor& exec, const std::vector<float>& centre) {
    const std::size_t inputs = linears_.front().shape().inputs;
    sparsellm::require<sparsellm::shape_error>(centre.empty() || centre.size() == inputs,
                                               "stack: a centre of ", inputs,
                                               " inputs expected, got ", centre.size());
    centre_ = centre;
    of_centre_.assign(centre.empty() ? 0 : outputs(), 0.0f);
    if (!centre.empty())
      each(sparsellm::vector_view<float>(of_centre_), {}, [&](const linear& p, auto out) {
        p.dense(exec, sparsellm::vector_view<const float>(centre_), out);
      });
    sum_biases();
  }
  // Makes up [outputs] for what sparse products skip; empty: nothing does. Throws shape_error for
  // another size.
  void set_made_up(const std::vector<float>& made_up) {
    sparsellm::require<sparsellm::shape_error>(made_up.empty() || made_up.size() == outputs(),
                                               "stack: a bias of ", outputs(),
                                               " outputs expected, got ", made_up.size());
    made_up_ = made_up;
    sum_biases();
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
  void sum_biases() {
    sparse_bias_ = bias_;
    for (const std::vector<float>* more : {&of_centre_, &made_up_}) {
      if (more->empty()) continue;
      sparse_bias_.resize(more->size(), 0.0f);
      add(*more, sparsellm::vector_view<float>(sparse_bias_));
    }
  }
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
  std::vector<float> centre_, of_centre_, made_up_;  // of_centre_ = W · centre
};

}  // namespace llama

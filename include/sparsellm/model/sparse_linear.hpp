// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A linear layer as engines hold it: one weight, its storage and layout chosen at run time, and for
// each projection stacked into it what to skip. q, k and v read the same x: stacked (in any sizes,
// whatever their thresholds) they are one weight with longer rows and one product.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/model/any_weight.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/layout.hpp"
#include "sparsellm/pack/storage.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/normalised.hpp"
#include "sparsellm/sparsify/selector.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

class sparse_linear {
 public:
  // What a section skips: channels whose |x|, times the scale when there is one, is not above tau.
  using threshold_sparsifier = sparsifier<column_scaled, above>;

  // `outputs`: the sizes of the stacked projections, top to bottom; their sum is the weight's.
  // Everything is dense until thresholds are set. Throws shape_error when the sizes do not fit, or
  // there are none or more than stacked<>::most.
  sparse_linear(any_weight weight, const std::vector<std::size_t>& outputs)
      : weight_(std::move(weight)) {
    std::size_t first = 0;
    for (const std::size_t n : outputs) {
      sections_.push_back({first, first + n, {column_scaled{nullptr}, above{-1.0f}}});
      first += n;
    }
    require<shape_error>(
        first == shape().outputs && !outputs.empty() && outputs.size() <= stacked<int>::most,
        "sparse_linear: 1 to ", stacked<int>::most, " projections of ", shape().outputs,
        " outputs together expected, got ", outputs.size(), " of ", first);
  }

  [[nodiscard]] extents shape() const noexcept { return weight_.shape(); }
  [[nodiscard]] std::size_t bytes() const { return weight_.bytes(); }
  [[nodiscard]] layout where() const noexcept { return weight_.where(); }
  [[nodiscard]] storage type() const noexcept { return weight_.type(); }
  [[nodiscard]] std::size_t projections() const noexcept { return sections_.size(); }
  [[nodiscard]] const any_weight& weight() const noexcept { return weight_; }

  // One threshold per stacked projection: channels with a score <= threshold are skipped for it.
  // Throws shape_error for another number of thresholds.
  void set_thresholds(const std::vector<float>& thresholds) {
    require<shape_error>(thresholds.size() == sections_.size(), "sparse_linear: ", sections_.size(),
                         " thresholds expected, got ", thresholds.size());
    for (std::size_t s = 0; s < sections_.size(); ++s) sections_[s].keep.select.tau = thresholds[s];
    top_k_.reset();
  }
  [[nodiscard]] float threshold(std::size_t projection) const noexcept {
    return sections_[projection].keep.select.tau;
  }
  // Scores become |x| · scale [inputs]; empty for |x|. Throws shape_error for another size.
  void set_scale(std::vector<float> scale) {
    require<shape_error>(scale.empty() || scale.size() == shape().inputs,
                         "sparse_linear: ", shape().inputs, " scales expected, got ", scale.size());
    scale_ = std::move(scale);
    for (auto& s : sections_) s.keep.score.scale = scale_.empty() ? nullptr : scale_.data();
  }
  [[nodiscard]] const std::vector<float>& scale() const noexcept { return scale_; }
  // Instead of thresholds: the k channels of largest score, for each token.
  void set_top_k(std::size_t k) { top_k_ = k; }
  [[nodiscard]] std::optional<std::size_t> top_k() const noexcept { return top_k_; }
  // Sections borrow the scale.
  sparse_linear(sparse_linear&& other) noexcept = default;
  sparse_linear& operator=(sparse_linear&& other) noexcept = default;

  // y [outputs] = W · x [inputs], every channel, or those that their projection keeps. The matrix
  // forms take a batch: x [tokens, inputs], y [tokens, outputs].
  template <host_executor E, class X, class Y>
  void dense(E& exec, X x, Y y) const {
    weight_.visit([&](const auto& w) { multiply(exec, w, x, y); });
  }
  template <host_executor E>
  void sparse(E& exec, vector_view<const float> x, vector_view<float> y) const {
    if (top_k_.has_value()) {
      active_set active(x.size());
      sparsify(sparsifier{column_scaled{sections_[0].keep.score.scale}, sparsellm::top_k{*top_k_}},
               x, active);
      this->active(exec, active.view(), y);
      return;
    }
    sparse_product(exec, x, y);
  }
  // x is a residual stream that RMSNorm still has to pass. Not for top-k.
  template <host_executor E>
  void sparse(E& exec, const normalised& x, vector_view<float> y) const {
    sparse_product(exec, x, y);
  }
  template <host_executor E>
  void sparse(E& exec, matrix_view<const float> x, matrix_view<float> y) const {
    if (top_k_.has_value())
      keep_largest(exec, x, y);
    else
      sparse_product(exec, x, y);
  }
  // The channels are listed already.
  template <host_executor E>
  void active(E& exec, active_view x, vector_view<float> y) const {
    require<shape_error>(y.size() == shape().outputs, "sparse_linear: ", shape().outputs,
                         " outputs expected, got ", y.size());
    weight_.visit([&](const auto& w) { run_multiply(exec, w.view(), x, y); });
  }

  // Whether gated() below may be called.
  [[nodiscard]] bool can_gate() const noexcept {
    return !top_k_.has_value() && where() != layout::row_major;
  }
  [[nodiscard]] stacked<threshold_sparsifier> sections() const noexcept {
    return {sections_.data(), sections_.size()};
  }
  // The sparsifier of a stack of one.
  [[nodiscard]] const threshold_sparsifier& keep() const noexcept { return sections_[0].keep; }

 private:
  template <class E, class X, class Y>
  void sparse_product(E& exec, const X& x, Y y) const {
    const bool same = std::all_of(sections_.begin(), sections_.end(), [&](const auto& s) {
      return s.keep.select.tau == sections_.front().keep.select.tau;
    });
    weight_.visit([&](const auto& w) { keep_sections(exec, w, same, x, y); });
  }

  // Equal thresholds need no sections.
  template <class E, class F, class X, class Y>
  void keep_sections(E& exec, const packed_matrix<F>& w, bool same, const X& x, Y y) const {
    if (same)
      multiply(exec, w.view(), sections_.front().keep, x, y);
    else
      multiply(exec, w.view(), sections(), x, y);
  }
  // row_major has none.
  template <class E, storage_scalar T, class X, class Y>
  void keep_sections(E& exec, const packed_matrix<row_major<T>>& w, bool same, const X& x,
                     Y y) const {
    require<shape_error>(same, "sparse_linear: row_major takes one threshold for the stack");
    multiply(exec, w.view(), sections_.front().keep, x, y);
  }

  template <class E>
  void keep_largest(E& exec, matrix_view<const float> x, matrix_view<float> y) const {
    buffer<float> kept(x.rows() * x.cols(), 0.0f);
    const sparsifier s{column_scaled{sections_[0].keep.score.scale}, sparsellm::top_k{*top_k_}};
    exec.parallel_for(x.rows(), [&](std::size_t t) {
      active_set active(x.cols());
      sparsify(s, x.row(t), active);
      for (std::size_t i = 0; i < active.size(); ++i)
        kept[t * x.cols() + active.indices()[i]] = active.values()[i];
    });
    dense(exec, matrix_view<const float>(kept.data(), x.rows(), x.cols()), y);
  }

  any_weight weight_;
  std::vector<section<threshold_sparsifier>> sections_;
  std::vector<float> scale_;
  std::optional<std::size_t> top_k_;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

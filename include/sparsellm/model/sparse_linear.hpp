// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A linear layer as engines hold it: one weight, its format chosen at run time, and for each
// projection stacked into it what to skip. q, k and v read the same x: stacked (in any sizes,
// whatever their thresholds) they are one weight with longer rows and one product.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/model/any_weight.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/normalised.hpp"
#include "sparsellm/sparsify/selector.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A linear layer y = W · x of one or several stacked projections, each of which skips channels.
// Owns its weight, thresholds and scale; moves, does not copy.
class sparse_linear {
 public:
  // What a section skips: channels whose |x|, times the scale when there is one, is not above tau.
  using threshold_sparsifier = sparsifier<column_scaled, above>;

  // `outputs`: the sizes of the stacked projections, top to bottom; their sum is the weight's.
  // Everything is dense until thresholds are set. Throws shape_error when the sizes do not fit, or
  // there are none or more than most_sections.
  sparse_linear(any_weight weight, const std::vector<std::size_t>& outputs)
      : weight_(std::move(weight)) {
    std::size_t first = 0;
    for (const std::size_t n : outputs) {
      sections_.push_back({first, first + n, {column_scaled{nullptr}, above{-1.0f}}});
      first += n;
    }
    require<shape_error>(
        first == shape().outputs && !outputs.empty() && outputs.size() <= most_sections,
        "sparse_linear: 1 to ", most_sections, " projections of ", shape().outputs,
        " outputs together expected, got ", outputs.size(), " of ", first);
  }
  // Sections borrow the scale.
  sparse_linear(sparse_linear&& other) noexcept = default;
  sparse_linear& operator=(sparse_linear&& other) noexcept = default;

  // The weight's shape [outputs, inputs], size, layout and element, and how many projections are
  // stacked into it.
  [[nodiscard]] extents shape() const noexcept { return weight_.shape(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return weight_.bytes(); }
  [[nodiscard]] layout_kind layout() const noexcept { return weight_.layout(); }
  [[nodiscard]] element_kind element() const noexcept { return weight_.element(); }
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
  // Instead of thresholds: every token keeps the k channels of largest score. set_thresholds()
  // undoes it.
  void set_top_k(std::size_t k) { top_k_ = k; }
  [[nodiscard]] std::optional<std::size_t> top_k() const noexcept { return top_k_; }

  // y [outputs] = W · x [inputs], every channel. The matrix forms take a batch: x [tokens, inputs],
  // y [tokens, outputs]. All products of a layer throw shape_error when sizes do not fit, wait, and
  // allocate nothing once the executor's memory has grown, unless they say so.
  template <host_executor E, class X, class Y>
  void dense(E& exec, const X& x, Y&& y) const {
    multiply(exec, weight_, x, std::forward<Y>(y));
  }
  // y = W · x for the channels that each projection keeps of x, the others skipped. With top-k
  // every token allocates an active set, and a batch multiplies the other channels as zero.
  template <host_executor E>
  void sparse(E& exec, vector_view<const float> x, vector_view<float> y) const {
    if (top_k_.has_value())
      multiply(exec, weight_, largest(), x, y);
    else
      multiply(exec, weight_, sections(), x, y);
  }
  // The same for x that RMSNorm still has to pass (`normalised`). Throws value_error with top-k.
  template <host_executor E>
  void sparse(E& exec, const normalised& x, vector_view<float> y) const {
    require<value_error>(!top_k_.has_value(), "sparse_linear: top-k takes x normalised already");
    multiply(exec, weight_, sections(), x, y);
  }
  template <host_executor E>
  void sparse(E& exec, matrix_view<const float> x, matrix_view<float> y) const {
    if (!top_k_.has_value()) return multiply(exec, weight_, sections(), x, y);
    const vector_view<float> zeroed = exec.activations(x.rows() * x.cols());
    const sparsifier s = largest();
    exec.parallel_for(x.rows(), [&](std::size_t t) {
      active_set kept(x.cols());
      list_active(s, x.row(t), kept);
      detail::scatter_range(kept.view(), 0, x.cols(), zeroed.data() + t * x.cols());
    });
    multiply(exec, weight_, matrix_view<const float>(zeroed.data(), x.rows(), x.cols()), y);
  }
  // y [outputs] = W · x, whose channels are listed already: what the thresholds say is not asked.
  template <host_executor E>
  void active(E& exec, active_view<> x, vector_view<float> y) const {
    multiply(exec, weight_, x, y);
  }
  // Gate stacked on up: h [hidden] = silu(gate · x) ∘ (up · x), each what it keeps of x (floats or
  // `normalised`), and `next_active` what `next` keeps of h. Throws value_error with top-k, and
  // as multiply_gated() does.
  template <host_executor E, class X, class Next>
  void gated(E& exec, const X& x, vector_view<float> h, const Next& next,
             active_set<>& next_active) const {
    require<value_error>(!top_k_.has_value(), "sparse_linear: a gated pass takes thresholds");
    multiply_gated(exec, weight_, sections(), x, h, next, next_active);
  }

  // Each projection's outputs and its sparsifier. Borrows the layer.
  [[nodiscard]] stacked<threshold_sparsifier> sections() const noexcept {
    return {sections_.data(), sections_.size()};
  }
  // The first projection's sparsifier: the layer's, where nothing is stacked. Borrows the layer.
  [[nodiscard]] const threshold_sparsifier& keep() const noexcept { return sections_[0].keep; }

 private:
  [[nodiscard]] sparsifier<column_scaled, sparsellm::top_k> largest() const noexcept {
    return {column_scaled{sections_[0].keep.score.scale}, sparsellm::top_k{*top_k_}};
  }

  any_weight weight_;
  std::vector<section<threshold_sparsifier>> sections_;
  std::vector<float> scale_;
  std::optional<std::size_t> top_k_;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

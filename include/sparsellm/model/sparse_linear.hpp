// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A linear layer as engines hold it: one weight, its storage type and layout chosen at run time,
// with one threshold per projection that was stacked into it. q, k and v read the same x: stacked
// (in any sizes, whatever their thresholds) they are one weight with longer rows and one product.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <variant>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/choose.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

enum class storage { f32, f16, bf16 };

[[nodiscard]] constexpr std::size_t bytes_of(storage s) noexcept {
  return s == storage::f32 ? 4 : 2;
}

class sparse_linear {
 public:
  // `outputs`: the sizes of the stacked projections, top to bottom. fill(r, out [inputs]) makes row
  // r of the stack, as pack() describes. Thresholds start at "dense". Throws as pack() does, and
  // shape_error for no projections.
  template <host_executor E, class Fill>
  sparse_linear(E& exec, storage type, layout where, std::size_t inputs,
                const std::vector<std::size_t>& outputs, const Fill& fill)
      : sections_(make_sections(outputs)),
        shape_{sections_.back().last, inputs},
        weight_(make_weight(exec, type, where, shape_, fill)) {}

  [[nodiscard]] extents shape() const noexcept { return shape_; }
  [[nodiscard]] std::size_t bytes() const {
    return std::visit([](const auto& w) { return w.bytes(); }, weight_);
  }
  [[nodiscard]] layout where() const noexcept {
    return weight_.index() % 2 == 0 ? layout::panel : layout::channel_major;
  }

  // One threshold per stacked projection: channels with |x| <= threshold are skipped for it.
  // Throws shape_error for another number of thresholds.
  void set_thresholds(const std::vector<float>& thresholds) {
    require<shape_error>(thresholds.size() == sections_.size(), "sparse_linear: ", sections_.size(),
                         " thresholds expected, got ", thresholds.size());
    for (std::size_t s = 0; s < sections_.size(); ++s) sections_[s].threshold = thresholds[s];
  }
  [[nodiscard]] float threshold(std::size_t projection) const noexcept {
    return sections_[projection].threshold;
  }

  // y [outputs] = W · x [inputs], every channel, or those above their projection's threshold.
  // The matrix forms take a batch: x [tokens, inputs], y [tokens, outputs].
  template <host_executor E, class X, class Y>
  void dense(E& exec, X x, Y y) const {
    std::visit([&](const auto& w) { multiply(exec, w, x, y); }, weight_);
  }
  template <host_executor E, class X, class Y>
  void sparse(E& exec, X x, Y y) const {
    std::visit([&](const auto& w) { sparse_product(exec, w.view(), x, y); }, weight_);
  }

 private:
  struct section {
    std::size_t first, last;  // outputs
    float threshold;
  };

  template <storage_scalar T>
  using panel_matrix = packed_matrix<panel<T>>;
  template <storage_scalar T>
  using channel_matrix = packed_matrix<channel_major<T>>;
  // Even alternatives are panels, odd ones channel_major: where() counts on it.
  using weight =
      std::variant<panel_matrix<float>, channel_matrix<float>, panel_matrix<half>,
                   channel_matrix<half>, panel_matrix<bfloat16>, channel_matrix<bfloat16>>;

  [[nodiscard]] static std::vector<section> make_sections(const std::vector<std::size_t>& outputs) {
    require<shape_error>(!outputs.empty(), "sparse_linear: at least 1 projection expected");
    std::vector<section> sections;
    std::size_t first = 0;
    for (const std::size_t n : outputs) {
      sections.push_back({first, first + n, -1.0f});
      first += n;
    }
    return sections;
  }

  template <storage_scalar T, class E, class Fill>
  [[nodiscard]] static weight make_typed(E& exec, layout where, extents shape, const Fill& fill) {
    if (where == layout::panel) return pack<panel<T>>(exec, shape, fill);
    return pack<channel_major<T>>(exec, shape, fill);
  }
  template <class E, class Fill>
  [[nodiscard]] static weight make_weight(E& exec, storage type, layout where, extents shape,
                                          const Fill& fill) {
    if (type == storage::f32) return make_typed<float>(exec, where, shape, fill);
    if (type == storage::f16) return make_typed<half>(exec, where, shape, fill);
    return make_typed<bfloat16>(exec, where, shape, fill);
  }

  [[nodiscard]] bool one_threshold() const noexcept {
    return std::all_of(sections_.begin(), sections_.end(), [&](const section& s) {
      return s.threshold == sections_.front().threshold;
    });
  }

  template <class E, class V, class X, class Y>
  void sparse_product(E& exec, V w, X x, Y y) const {
    if (one_threshold()) {
      multiply(exec, w, sparsifier{magnitude{}, above{sections_.front().threshold}}, x, y);
      return;
    }
    for (const section& s : sections_) {
      // The groups of 32 that cover the section, which may share their first and last with others.
      const std::size_t g0 = s.first / group_outputs, first = g0 * group_outputs;
      V part = w;
      part.data = w.brick(g0, 0);
      part.shape.outputs = std::min(groups_of(s.last) * group_outputs, w.shape.outputs) - first;
      section_product(exec, part, s, s.first - first, x, y);
    }
  }

  template <class E, class V>
  static void section_product(E& exec, V part, const section& s, std::size_t skip,
                              vector_view<const float> x, vector_view<float> y) {
    buffer<float> covering(part.shape.outputs);
    multiply(exec, part, sparsifier{magnitude{}, above{s.threshold}}, x, covering);
    std::copy_n(covering.data() + skip, s.last - s.first, y.data() + s.first);
  }
  template <class E, class V>
  static void section_product(E& exec, V part, const section& s, std::size_t skip,
                              matrix_view<const float> x, matrix_view<float> y) {
    buffer<float> covering(x.rows() * part.shape.outputs);
    multiply(exec, part, sparsifier{magnitude{}, above{s.threshold}}, x,
             matrix_view<float>(covering.data(), x.rows(), part.shape.outputs));
    for (std::size_t t = 0; t < x.rows(); ++t)
      std::copy_n(covering.data() + t * part.shape.outputs + skip, s.last - s.first,
                  &y(t, s.first));
  }

  std::vector<section> sections_;
  extents shape_;
  weight weight_;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Laws that every pair of executor and format keeps: results lie within the bound of
// docs/numerics.md of the double-precision reference; the active-set route, the fused route and a
// batch give the same bits; NaN in x reaches y; a skipped channel contributes exactly nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/multiply/reference.hpp"
#include "sparsellm/multiply/summation.hpp"
#include "sparsellm/pack/pack.hpp"

// |y - reference| <= bound · |W| |x|: n rounding errors of a float each (docs/numerics.md), and
// where activations are rounded to bfloat16, one of that on top.
inline double error_bound(std::size_t inputs, bool rounded) {
  const sparsellm::detail::summation_parts parts = sparsellm::detail::summation_of(inputs);
  const double u = 0x1p-24, n = static_cast<double>(parts.length + parts.count);
  return n * u / (1 - n * u) + (rounded ? 0x1p-8 + 0x1p-16 : 0.0);
}

// The input channels that share a scale where a format's kernels round activations; 0 for none.
template <sparsellm::packed_format F>
constexpr std::size_t rounded_together() {
  if constexpr (requires { F::block_channels; }) return F::block_channels;
  if constexpr (requires { requires F::has_scales; }) {
    if constexpr (requires { F::span; }) return sparsellm::detail::nm_tuning::chunk_cells * F::span;
    return 1u << 20;  // which channels share a scale depends on which are active
  }
  return 0;
}

// From this batch on N:M weights are summed in the order of expanded ones: within the bound, but
// not the bits of their tokens one by one.
template <sparsellm::packed_format F>
constexpr std::size_t own_order_from() {
  if constexpr (requires { F::pattern; }) return sparsellm::detail::nm_tuning::expanding_batch;
  return static_cast<std::size_t>(-1);
}

// How far a format's kernels may take x[c] for another number, whatever the batch: quantised
// weights are multiplied with activations of 16 bits, a scale for each block.
template <sparsellm::packed_format F>
std::vector<float> activation_error(const std::vector<float>& x) {
  std::vector<float> error(x.size(), 0.0f);
  if constexpr (rounded_together<F>() != 0)
    for (std::size_t b = 0; b < x.size(); b += rounded_together<F>()) {
      const std::size_t end = std::min(b + rounded_together<F>(), x.size());
      float most = 0;
      for (std::size_t c = b; c < end; ++c) most = std::max(most, std::fabs(x[c]));
      // Half a level, and the rounding of the scale and of the product.
      for (std::size_t c = b; c < end; ++c) error[c] = most * (0.5f / 32512.0f + 0x1p-22f);
    }
  return error;
}

// rounded_batch: the smallest batch whose activations are rounded, 0 for none.
template <sparsellm::packed_format F, class E>
void multiply_laws(E& exec, std::size_t rounded_batch) {
  using namespace sparsellm;
  static_assert(multiplies<E, F>);
  std::mt19937 random(29);
  std::normal_distribution<float> normal;
  cpu::executor packer(1);
  for (const extents e :
       {extents{1, 1}, {3, 15}, {31, 16}, {32, 33}, {65, 255}, {96, 256}, {70, 1025}, {33, 2050}}) {
    INFO(F::name << " " << e.outputs << "x" << e.inputs);
    std::vector<float> w(e.outputs * e.inputs), x(e.inputs), y(e.outputs), again(e.outputs);
    for (float& v : w) v = normal(random);
    for (float& v : x) v = normal(random);
    const auto packed = pack<F>(packer, matrix_view<const float>(w.data(), e.outputs, e.inputs));
    std::vector<double> expected(e.outputs), magnitude_sum(e.outputs), unused(e.outputs);
    std::vector<double> from_activations(e.outputs);
    reference_multiply(packed, keep_all{}, activation_error<F>(x), unused, from_activations);
    const auto within = [&](const float* got, bool rounded) {
      std::size_t wrong = 0;
      for (std::size_t o = 0; o < e.outputs; ++o)
        wrong += !(std::fabs(got[o] - expected[o]) <=
                   error_bound(e.inputs, rounded) * magnitude_sum[o] + from_activations[o]);
      CHECK(wrong == 0);
    };

    reference_multiply(packed, keep_all{}, x, expected, magnitude_sum);
    multiply(exec, packed, x, y);
    within(y.data(), false);

    for (const float tau : {0.0f, 0.25f, 0.6745f, 1.5f, 100.0f}) {
      const sparsifier s{magnitude{}, above{tau}};
      reference_multiply(packed, s, x, expected, magnitude_sum);
      multiply(exec, packed, s, x, y);
      within(y.data(), false);
      active_set active(e.inputs);
      multiply(exec, packed, s, x, again, active);
      CHECK(y == again);

      for (const std::size_t tokens : {1, 2, 5, 13, 20}) {
        std::vector<float> xs(tokens * e.inputs), ys(tokens * e.outputs, 7.0f);
        for (std::size_t t = 0; t < tokens; ++t)
          for (std::size_t c = 0; c < e.inputs; ++c)
            xs[t * e.inputs + c] = t % 2 == 0 ? x[c] : -x[c];
        multiply(exec, packed, s, matrix_view<const float>(xs.data(), tokens, e.inputs),
                 matrix_view<float>(ys.data(), tokens, e.outputs));
        const bool rounded = rounded_batch != 0 && tokens >= rounded_batch;
        within(ys.data() + (tokens - 1) / 2 * 2 * e.outputs, rounded);
        if (!rounded && tokens < own_order_from<F>())
          CHECK(std::memcmp(ys.data(), y.data(), e.outputs * sizeof(float)) == 0);
      }
    }

    std::vector<float> poisoned = x;
    poisoned[e.inputs / 2] = std::numeric_limits<float>::quiet_NaN();
    multiply(exec, packed, sparsifier{magnitude{}, above{0.5f}}, poisoned, y);
    CHECK(std::isnan(y[0]));
  }
}

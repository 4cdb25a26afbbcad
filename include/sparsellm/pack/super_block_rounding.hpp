// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Floats rounded to GGUF's K-quants: of each block the scale and minimum that leave the smallest
// squared error among some tried, found by least squares for the levels that each try gives; then
// the super-block's steps, the integers nearest to what they should scale, and the levels that are
// nearest with those.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/element.hpp"
#include "sparsellm/pack/super_block_row.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// w ≈ scale · level + minimum. minimum <= 0: in the file it is a positive number that is taken
// away.
struct block_fit {
  float scale = 0, minimum = 0;
};

// The level nearest to exact, in [0, top].
[[nodiscard]] inline std::uint8_t nearest_level(float exact, int top) noexcept {
  const float bounded = std::clamp(exact, 0.0f, static_cast<float>(top));  // NaN becomes 0
  return static_cast<std::uint8_t>(bounded >= 0.0f ? std::nearbyint(bounded) : 0.0f);
}

// Least squares: the scale and minimum for levels that are given, and what error they leave.
[[nodiscard]] inline block_fit fit_affine(const float* w, const std::uint8_t* level, std::size_t n,
                                          double& error) noexcept {
  double l1 = 0, l2 = 0, w1 = 0, wl = 0;
  for (std::size_t c = 0; c < n; ++c) {
    const double l = level[c];
    l1 += l;
    l2 += l * l;
    w1 += static_cast<double>(w[c]);
    wl += static_cast<double>(w[c]) * l;
  }
  const double count = static_cast<double>(n), determinant = count * l2 - l1 * l1;
  double scale = determinant > 0 ? (count * wl - l1 * w1) / determinant : 0;
  double minimum = (w1 - scale * l1) / count;
  if (minimum > 0 || scale < 0) {
    minimum = 0;
    scale = l2 > 0 ? std::max(wl / l2, 0.0) : 0;
  }
  error = 0;
  for (std::size_t c = 0; c < n; ++c) {
    const double d = scale * level[c] + minimum - static_cast<double>(w[c]);
    error += d * d;
  }
  return {static_cast<float>(scale), static_cast<float>(minimum)};
}

// The best of some steps around (largest − smallest) / top.
[[nodiscard]] inline block_fit best_affine(const float* w, std::size_t n, int top) noexcept {
  const float low = std::min(0.0f, *std::min_element(w, w + n));
  const float high = *std::max_element(w, w + n);
  if (!(high > low)) return {0.0f, low};
  std::uint8_t level[32];
  block_fit best;
  double least = std::numeric_limits<double>::infinity();
  for (int i = -8; i <= 8; ++i) {
    const float inverse = (static_cast<float>(top) + 0.1f * static_cast<float>(i)) / (high - low);
    for (std::size_t c = 0; c < n; ++c) level[c] = nearest_level((w[c] - low) * inverse, top);
    double error;
    const block_fit fit = fit_affine(w, level, n, error);
    if (error < least) {
      least = error;
      best = fit;
    }
  }
  return best;
}

// w ≈ scale · (level − zero): the weight of the largest magnitude becomes the lowest level, for
// there is one more of them than above zero.
[[nodiscard]] inline block_fit best_symmetric(const float* w, std::size_t n, int zero) noexcept {
  const float most =
      *std::max_element(w, w + n, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  block_fit best;
  if (most == 0.0f) return best;
  double gained = -1;  // what of the squares a scale explains: (w · l)² / (l · l)
  for (int i = -8; i <= 8; ++i) {
    const float inverse = -(static_cast<float>(zero) + 0.1f * static_cast<float>(i)) / most;
    double wl = 0, l2 = 0;
    for (std::size_t c = 0; c < n; ++c) {
      const float moved = w[c] * inverse + static_cast<float>(zero);
      const double l = nearest_level(moved, 2 * zero - 1) - zero;
      wl += static_cast<double>(w[c]) * l;
      l2 += l * l;
    }
    if (l2 > 0 && wl * wl / l2 > gained) {
      gained = wl * wl / l2;
      best.scale = static_cast<float>(wl / l2);
    }
  }
  return best;
}

// The integer nearest to exact / step, in [least, most].
[[nodiscard]] inline std::int8_t nearest_of(float exact, float step, float least,
                                            float most) noexcept {
  if (step == 0.0f) return 0;
  return static_cast<std::int8_t>(std::nearbyint(std::clamp(exact / step, least, most)));
}

// n weights of a super-block, the row's from channel c0 on.
template <super_block_element Q>
void round_super_block(const float* w, std::size_t n, std::size_t c0,
                       super_block_row& row) noexcept {
  constexpr std::size_t size = Q::block_channels;
  block_fit fit[super_block_channels / size];
  float extreme = 0, lowest = 0;  // the scale of the largest magnitude, and the lowest minimum
  for (std::size_t c = 0; c < n; c += size) {
    const std::size_t in_block = std::min(size, n - c);
    fit[c / size] = Q::affine ? best_affine(w + c, in_block, Q::top_level)
                              : best_symmetric(w + c, in_block, Q::zero);
    if (std::fabs(fit[c / size].scale) > std::fabs(extreme)) extreme = fit[c / size].scale;
    lowest = std::min(lowest, fit[c / size].minimum);
  }
  half& scale_step = row.scale_step[c0 / super_block_channels];
  half& minimum_step = row.minimum_step[c0 / super_block_channels];
  scale_step = narrow<half>(extreme / (Q::affine ? 63.0f : -128.0f));
  minimum_step = narrow<half>(lowest / 63.0f);
  const float step = widen(scale_step), down = widen(minimum_step);
  for (std::size_t c = 0; c < n; c += size) {
    std::int8_t& scale = row.scale[(c0 + c) / size];
    std::int8_t& minimum = row.minimum[(c0 + c) / size];
    scale = nearest_of(fit[c / size].scale, step, Q::affine ? 0.0f : -128.0f,
                       Q::affine ? 63.0f : 127.0f);
    minimum = nearest_of(fit[c / size].minimum, down, 0.0f, 63.0f);
    const float unit = step * static_cast<float>(scale), from = down * static_cast<float>(minimum);
    for (std::size_t i = c; i < std::min(c + size, n); ++i)
      row.level[c0 + i] =
          unit == 0.0f
              ? static_cast<std::uint8_t>(Q::zero)
              : nearest_level((w[i] - from) / unit + static_cast<float>(Q::zero), Q::top_level);
  }
}

template <super_block_element Q>
void round_row(vector_view<const float> w, super_block_row& row) noexcept {
  for (std::size_t c = 0; c < w.size(); c += super_block_channels)
    round_super_block<Q>(w.data() + c, std::min(super_block_channels, w.size() - c), c, row);
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The kept weights of a pruned weight, changed so that its output stays as near as it can to the
// dense one: the optimal-brain-surgeon step in SparseGPT's column-block form (arXiv 2301.00774,
// algorithm 1). Channels go from the first to the last; what removing a weight does to the output
// is made up for by the weights behind it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/prune/pattern.hpp"
#include "sparsellm/reconstruct/gram_factor.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Channels whose errors are gathered before the weights behind them are changed, and rows that are
// at once.
inline constexpr std::size_t update_channels = 128, update_rows = 256;

// W [rows, channels] in blocks of as many whole groups of m as fit. `before(row, r, c)` is called
// where channel c's turn comes; `keeps(r, c)` then says whether it stays.
template <class E, class Before, class Keeps>
void update_blocks(E& exec, const gram_factor& factor, std::size_t m, matrix_view<float> w,
                   const Before& before, const Keeps& keeps) {
  const std::size_t channels = w.cols(), at_once = update_channels / m * m;
  buffer<float> errors(w.rows() * update_channels), block(update_channels * update_channels),
      change(update_rows * channels);
  for (std::size_t first = 0; first < channels; first += at_once) {
    const std::size_t last = std::min(first + at_once, channels), width = last - first;
    for (std::size_t j = first; j < last; ++j)
      for (std::size_t k = j; k < last; ++k)
        block[(j - first) * update_channels + k - first] = factor(j, k);
    exec.parallel_for(w.rows(), [&](std::size_t r) {
      float* const row = &w(r, 0);
      float* const error = &errors[r * width];
      for (std::size_t j = first; j < last; ++j) {
        before(row, r, j);
        const float* const u = &block[(j - first) * update_channels];
        if (factor.is_dead(j)) row[j] = keeps(r, j) ? row[j] : 0.0f;
        const float e = keeps(r, j) || factor.is_dead(j) ? 0.0f : row[j] / u[j - first];
        error[j - first] = e;
        if (keeps(r, j)) continue;
        for (std::size_t k = j + 1; k < last; ++k) row[k] -= e * u[k - first];
        row[j] = 0.0f;
      }
    });
    if (last == channels) break;
    const auto behind = pack<panel<float>>(exec, extents{channels - last, width},
                                           [&](std::size_t k, vector_view<float> out) {
                                             for (std::size_t j = 0; j < width; ++j)
                                               out[j] = factor(first + j, last + k);
                                           });
    for (std::size_t r = 0; r < w.rows(); r += update_rows) {
      const std::size_t rows = std::min(update_rows, w.rows() - r);
      const matrix_view<float> y(change.data(), rows, channels - last);
      multiply(exec, behind, matrix_view<const float>(&errors[r * width], rows, width), y);
      exec.parallel_for(rows, [&](std::size_t i) {
        float* const row = &w(r + i, last);
        for (std::size_t k = 0; k < y.cols(); ++k) row[k] -= y(i, k);
      });
    }
  }
}

template <class Factor>
void check_update(const Factor& factor, matrix_view<float> w) {
  require<shape_error>(w.rows() != 0 && w.cols() == factor.channels(), "update_kept: rows of ",
                       factor.channels(), " channels expected, got ", w.rows(), "x", w.cols());
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// W [rows, channels], in the factor's order of channels: what the mask leaves out becomes 0, the
// rest makes up for it. The same bits for every number of threads. Waits; allocates 512 bytes a row
// and 1 KiB a channel. Throws shape_error for sizes that do not fit.
template <host_executor E>
void update_kept(E& exec, const gram_factor& factor, const weight_mask& mask,
                 matrix_view<float> w) {
  detail::check_update(factor, w);
  require<shape_error>(mask.shape() == extents{w.rows(), w.cols()}, "update_kept: a mask of ",
                       w.rows(), "x", w.cols(), " expected, got ", mask.shape().outputs, "x",
                       mask.shape().inputs);
  detail::update_blocks(
      exec, factor, 1, w, [](float*, std::size_t, std::size_t) {},
      [&](std::size_t r, std::size_t c) { return mask.keeps(r, c); });
}

// The same with a mask that is chosen on the way: where a group of the pattern begins, the weights
// that cost the least to remove by then, w² / U_jj², are (SparseGPT's own choice). Returns the
// mask. Throws value_error for a pattern that is none.
template <host_executor E>
[[nodiscard]] weight_mask update_kept(E& exec, const gram_factor& factor, nm_pattern p,
                                      matrix_view<float> w) {
  check(p);
  detail::check_update(factor, w);
  weight_mask mask({w.rows(), w.cols()});
  const auto choose = [&](const float* row, std::size_t r, std::size_t first) {
    if (first % p.m != 0) return;
    float scores[detail::longest_group];
    const std::size_t length = std::min(p.m, w.cols() - first);
    for (std::size_t i = 0; i < length; ++i) {
      const float of_one = row[first + i] / factor(first + i, first + i);
      scores[i] = factor.is_dead(first + i) ? -1.0f : of_one * of_one;
    }
    const std::uint32_t kept = largest_of(scores, length, p.n);
    for (std::size_t i = 0; i < length; ++i)
      if ((kept >> i & 1u) != 0) mask.keep(r, first + i);
  };
  detail::update_blocks(exec, factor, p.m, w, choose,
                        [&](std::size_t r, std::size_t c) { return mask.keeps(r, c); });
  return mask;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

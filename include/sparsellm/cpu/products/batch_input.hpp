// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// X of a batch as the kernels of bricks take it: floats, or arranged in tiles by instruction sets
// that multiply those. Zeros stand where a section skips.
#pragma once

#include <algorithm>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/kernels/brick_table.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/cpu/products/tasks.hpp"
#include "sparsellm/cpu/products/zeroed_input.hpp"
#include "sparsellm/pack/brick_weight.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

template <storage_scalar T>
[[nodiscard]] bool by_tiles(const brick_table<T>& kernels, std::size_t tokens) noexcept {
  return kernels.tiles != nullptr && tokens >= brick_tuning::rounded_batch;
}

// Floats of scratch that a task needs for batch_input::multiply().
template <storage_scalar T>
[[nodiscard]] std::size_t batch_scratch(const brick_table<T>& kernels, std::size_t inputs,
                                        std::size_t tokens) noexcept {
  return by_tiles(kernels, tokens) ? tile_scratch(tokens) : gemm_scratch(inputs, tokens);
}

template <storage_scalar T>
struct batch_input {
  const brick_table<T>& kernels;
  matrix_view<const float> kept[most_sections];  // of each section, where tiles is null
  const std::byte* tiles;
  std::size_t section_bytes;  // of tiles

  // Y [tokens, outputs] of the strips = W · section s's X.
  void multiply(const brick_weight<T>& w, index_range strips, std::size_t s, matrix_view<float> y,
                float* scratch) const noexcept {
    if (tiles != nullptr)
      kernels.tiles(w, strips, tiles + s * section_bytes, y, scratch);
    else
      kernels.gemm(w, strips, kept[s], y, scratch);
  }
};

// Where a section skips, a tile's tokens are copied with zeros, so many channels at a time.
inline constexpr std::size_t zeroed_channels = 32 * tile_channels;
inline constexpr std::size_t zeroed_rows = tile_tokens * zeroed_channels;

// Arranges every section's X in `tiles`; a task takes a share of the channels. `rows` holds
// zeroed_rows floats per task.
template <storage_scalar T>
void arrange_batch(const executor_ref& exec, const brick_table<T>& kernels, const cover& sections,
                   const token_inputs& x, matrix_view<const float> as_it_is, std::size_t tokens,
                   std::size_t inputs, std::size_t tasks, float* rows, std::byte* tiles) {
  const std::size_t steps = (inputs + tile_channels - 1) / tile_channels;
  exec.parallel_for(tasks, [&](std::size_t task) {
    float* const mine = rows + task * zeroed_rows;
    const index_range my = share(steps, task, tasks);
    for (std::size_t s = 0; s < sections.size(); ++s)
      for (std::size_t t = 0; t < tokens; t += tile_tokens)
        for (std::size_t k = my.first; k < my.last; k += zeroed_channels / tile_channels) {
          const std::size_t count = std::min(tile_tokens, tokens - t), first = k * tile_channels;
          const std::size_t last =
              std::min({first + zeroed_channels, my.last * tile_channels, inputs});
          if (as_it_is.data() == nullptr)
            for (std::size_t i = 0; i < count; ++i)
              sections.zero(s, x[t + i], first, last, mine + i * (last - first));
          kernels.arrange(as_it_is.data() != nullptr
                              ? matrix_view<const float>(&as_it_is(t, first), count, last - first,
                                                         as_it_is.stride())
                              : matrix_view<const float>(mine, count, last - first),
                          tiles + s * arranged_bytes(inputs, tokens) +
                              (t / tile_tokens * steps + k) * tile_bytes);
        }
  });
}

// body(input, extra): extra is extra_floats of scratch.
template <storage_scalar T, class Body>
void with_batch(const executor_ref& exec, const brick_table<T>& kernels, const cover& sections,
                const token_inputs& x, std::size_t tokens, std::size_t inputs,
                std::size_t extra_floats, const Body& body) {
  batch_input<T> input{kernels, {}, nullptr, arranged_bytes(inputs, tokens)};
  if (!by_tiles(kernels, tokens))
    return with_zeroed(exec, sections, x, tokens, inputs, extra_floats,
                       [&](const auto& kept, float* extra) {
                         for (std::size_t s = 0; s < sections.size(); ++s) input.kept[s] = kept(s);
                         body(input, extra);
                       });
  const bool as_it_is = x_stands(sections, x);
  const std::size_t tasks =
      std::min((inputs + tile_channels - 1) / tile_channels, exec.concurrency());
  scratch_layout layout;
  const std::size_t extra_at = layout.reserve<float>(extra_floats);
  const std::size_t rows_at = layout.reserve<float>(as_it_is ? 0 : tasks * zeroed_rows);
  const std::size_t tiles_at =
      layout.reserve<std::byte>(sections.size() * arranged_bytes(inputs, tokens));
  std::byte* const scratch = exec.scratch(layout.bytes());
  arrange_batch(exec, kernels, sections, x,
                as_it_is ? matrix_view<const float>(x.first.dense.x, tokens, inputs, x.stride)
                         : matrix_view<const float>(),
                tokens, inputs, tasks, at<float>(scratch, rows_at), scratch + tiles_at);
  input.tiles = scratch + tiles_at;
  body(input, at<float>(scratch, extra_at));
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

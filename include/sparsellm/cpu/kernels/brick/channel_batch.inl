// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A small batch on active channels. Included once per instruction set, inside its namespace and
// target region. A pass over some strips adds pass_channels channels, gemm_tokens tokens at a time
// with their sums in registers: the first of them straight from the runs, the others from what
// those have widened. Terms are added in the order of one token's product.

// Channels of a pass: with fewer the traffic of the sums shows, with more there are more streams
// than hardware prefetchers follow. Where tokens are more than one group, and their sums more,
// pass_channels; else a quarter less.
inline constexpr std::size_t pass_channels = 32;

// One strip of the channels of a pass, `at` elements into their runs. Keeps: leaves them in a tile.
template <class T, bool Keeps>
struct run_source {
  const T* const* run;
  std::size_t at;
  typename channel_runs<pass_channels, T>::place ahead;
  float* tile;
  SPARSELLM_INLINE void operator()(std::size_t k, std::size_t s, vfloat& low,
                                   vfloat& high) const noexcept {
    if (s == 0) ahead.prefetch(k);
    load_brick(run[k] + at, s, low, high);
    if constexpr (Keeps) {
      store(tile + k * brick_outputs + s, low);
      store(tile + k * brick_outputs + 16 + s, high);
    }
  }
};

template <class T>
inline void channel_batch(const brick_weight<T>& w, index_range strips, active_channels active,
                          const float* x, std::size_t tokens, float* sums,
                          std::size_t stride) noexcept {
  if (active.count == 0)
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t o = 0; o < (strips.last - strips.first) * brick_outputs; ++o)
        sums[t * stride + o] = 0.0f;
  const token_groups groups(tokens);
  const bool one_group = groups.most == tokens;
  const std::size_t most = one_group ? pass_channels * 3 / 4 : pass_channels;
  float tile[pass_channels * brick_outputs];
  for (std::size_t i = 0; i < active.count; i += most, x += most * tokens) {
    const std::size_t left = active.count - i, count = left < most ? left : most;
    const std::uint32_t* const index = active.index + i;
    const auto next_of = [&](std::size_t k) -> std::size_t {
      if (k + most < left) return index[k + most];
      return left <= most && k < active.next_count ? active.next[k] : w.shape.inputs;
    };
    const channel_runs<pass_channels, T> runs(w, strips, index, count, next_of);
    float* to = sums;
    for (std::size_t at = 0; at != runs.end; at += w.strip_stride, to += brick_outputs) {
      if (one_group) {
        const run_source<T, false> source{runs.run, at, runs.ahead_of(at), nullptr};
        add_to_tokens(tokens, source, count, x, tokens, i == 0, to, stride);
        continue;
      }
      const run_source<T, true> source{runs.run, at, runs.ahead_of(at), tile};
      add_to_tokens(groups.most, source, count, x, tokens, i == 0, to, stride);
      for (std::size_t t = groups.most; t < tokens; t += groups.most)
        add_to_tokens(groups.from(t), tile_source{tile}, count, x + t, tokens, i == 0,
                      to + t * stride, stride);
    }
  }
}

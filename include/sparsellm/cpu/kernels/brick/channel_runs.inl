// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Channels of a channel_major weight that one pass over some strips reads side by side, and what
// it prefetches. Included once per instruction set, inside its namespace and target region.

// Up to Most channels. Every run is prefetched a few strips ahead, at its end the beginning of the
// run that is read after it: hardware prefetchers, which follow as many streams, then bring the
// lines from memory, and the few miss buffers of L1 are free. Prefetching the next pass's runs
// instead, one whole run after the other, was slower (docs/decisions/0028).
template <std::size_t Most, class T>
struct channel_runs {
  const T* run[Most];
  const T* next[Most];
  std::size_t end;    // elements of a run
  std::size_t ahead;  // elements

  // Channels index [count] of w; next_of(k) is the channel that is read after index[k], or w's
  // end.
  template <class NextOf>
  SPARSELLM_INLINE channel_runs(const brick_weight<T>& w, index_range strips,
                                const std::uint32_t* index, std::size_t count,
                                const NextOf& next_of) noexcept
      : end((strips.last - strips.first) * w.strip_stride) {
    constexpr std::size_t far = brick_tuning::run_ahead;
    ahead = far * w.strip_stride < end ? far * w.strip_stride : end;
    for (std::size_t k = 0; k < count; ++k) {
      run[k] = w.brick(strips.first, index[k]);
      const std::size_t after = next_of(k);
      next[k] = after < w.shape.inputs ? w.brick(strips.first, after) : run[k];
    }
  }

  // What a pass prefetches while it reads the bricks `at` elements into the runs.
  struct place {
    const T* const* runs;
    std::size_t at;
    SPARSELLM_INLINE void prefetch(std::size_t k) const noexcept {
      const auto* const brick = reinterpret_cast<const char*>(runs[k] + at);
      for (std::size_t l = 0; l < brick_outputs * sizeof(T); l += 64) prefetch_l2(brick + l);
    }
  };
  [[nodiscard]] SPARSELLM_INLINE place ahead_of(std::size_t at) const noexcept {
    return at + ahead < end ? place{run, at + ahead} : place{next, at + ahead - end};
  }
};

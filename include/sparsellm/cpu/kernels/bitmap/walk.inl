// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Where the channels of a bitmap lie. Included once per instruction set, before the kernels that
// multiply them.

// What a pass over some words of Most channels prefetches: every channel a few lines ahead, at its
// end the beginning of the one that is read after it, as channel_runs does for bricks. Where a
// word's values lie is taken from how many a word has on average.
template <std::size_t Most, class T>
class channels_ahead {
 public:
  // Channels index [Most], of which `count` are there; behind them `ahead` - Most may be
  // prefetched.
  SPARSELLM_INLINE channels_ahead(const bitmap_weight<T>& w, const std::uint32_t* index,
                                  std::size_t count, std::size_t ahead, index_range words) noexcept
      : last_(words.last), length_(words.last - words.first) {
    const std::size_t mask_bytes = w.words() * sizeof(std::uint64_t);
    for (std::size_t k = 0; k < count; ++k) {
      const std::size_t c = index[k], bytes = (w.begins[c + 1] - w.begins[c]) * std::size_t{64};
      here_[k] = reinterpret_cast<const std::byte*>(w.mask(c)) + mask_bytes;
      next_[k] = k + Most < ahead
                     ? reinterpret_cast<const std::byte*>(w.mask(index[k + Most])) + mask_bytes
                     : here_[k];
      if (k == 0) step_ = (bytes - mask_bytes) / w.words();
    }
    mask_bytes_ = mask_bytes;
    count_ = count;
    far_ = bitmap_tuning::ahead_bytes / (step_ + 1) + 1;
  }
  // While `word` is multiplied.
  SPARSELLM_INLINE void prefetch(std::size_t word) const noexcept {
    const bool ends = word + far_ >= last_;
    const std::byte* const* const channels = ends ? next_ : here_;
    const std::size_t at = word + far_ - (ends ? length_ : 0);
    // Words that begin no line are passed over.
    if (at * step_ % 64 < step_)
      for (std::size_t l = 0; l < step_; l += 64)
        for (std::size_t k = 0; k < count_; ++k) prefetch_l2(channels[k] + at * step_ + l);
    if (at % 8 == 0)
      for (std::size_t k = 0; k < count_; ++k)
        prefetch_l2(channels[k] - mask_bytes_ + at * sizeof(std::uint64_t));
  }

 private:
  const std::byte *here_[Most], *next_[Most];  // where values begin
  std::size_t last_, length_, mask_bytes_, count_, far_, step_ = 0;
};

// Where a channel's values of a word of outputs begin.
template <class T>
SPARSELLM_INLINE const T* values_at(const bitmap_weight<T>& w, std::size_t c,
                                    std::size_t word) noexcept {
  return w.values(c) + w.values_before(c, word);
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Where the channels of a bitmap lie. Included once per instruction set, before the kernels that
// multiply them.

// Prefetches the cache lines of the channels that come next to L2.
template <class T>
class next_channels {
 public:
  // The `count` channels that `index` lists, prefetched in `steps` steps.
  SPARSELLM_INLINE next_channels(const bitmap_weight<T>& w, const std::uint32_t* index,
                                 std::size_t count, std::size_t steps) noexcept
      : w_(w), index_(index), end_(index + count) {
    std::size_t lines = 0;
    for (std::size_t i = 0; i < count; ++i) lines += w.begins[index[i] + 1] - w.begins[index[i]];
    each_ = (lines + steps - 1) / steps;
    next();
  }
  SPARSELLM_INLINE void prefetch() noexcept {
    for (std::size_t i = 0; i < each_; ++i) {
      if (line_ == last_) {
        if (index_ == end_) return;
        next();
      }
      prefetch_l2(line_);
      line_ += 64;
    }
  }

 private:
  SPARSELLM_INLINE void next() noexcept {
    if (index_ == end_) return;
    line_ = w_.data + std::size_t{w_.begins[*index_]} * 64;
    last_ = w_.data + std::size_t{w_.begins[*index_ + 1]} * 64;
    ++index_;
  }

  const bitmap_weight<T>& w_;
  const std::uint32_t *index_, *end_;
  const std::byte *line_ = nullptr, *last_ = nullptr;
  std::size_t each_ = 0;
};

// Where a channel's values of a word of outputs begin.
template <class T>
SPARSELLM_INLINE const T* values_at(const bitmap_weight<T>& w, std::size_t c,
                                    std::size_t word) noexcept {
  return w.values(c) + w.values_before(c, word);
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Channels of levels one after the other, on instruction sets without a byte expansion. Included
// once per instruction set, before bitmap.inl.

template <class T>
inline void add_level_channels(const bitmap_weight<T>& w, index_range words, active_view<> active,
                               std::size_t, const std::int32_t* level, std::int32_t* sums,
                               std::int32_t&) noexcept {
  for (std::size_t i = 0; i < active.count; ++i) {
    const std::uint64_t* const mask = w.mask(active.index[i]);
    const std::int8_t* v = w.values(active.index[i]);
    for (std::size_t word = 0; word < words.first; ++word) v += __builtin_popcountll(mask[word]);
    std::int32_t* to = sums;
    for (std::size_t word = words.first; word < words.last; ++word, to += bitmap_outputs) {
      add_level_word(v, mask[word], level[i], to);
      v += __builtin_popcountll(mask[word]);
    }
  }
}

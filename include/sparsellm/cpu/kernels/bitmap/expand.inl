// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Some strips of a bitmap as bricks, for large batches. Included once per instruction set, inside
// its namespace and target region, after expand_brick() where the set has one of its own.

#if !defined(SPARSELLM_EXPANDS_BYTES)
// brick [32] = the values that `bits` keeps, zeros where it keeps none; levels without their scale.
template <class T>
SPARSELLM_INLINE void expand_brick(const T* v, std::uint32_t bits,
                                   typename expanded<T>::type* brick) noexcept {
  using slot = typename expanded<T>::type;
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, bfloat16>) {
    vfloat e[32 / lanes];
    expand_lanes<0>(v, bits, e);
    float output[32];
    for (std::size_t s = 0; s < 32 / lanes; ++s) store(output + s * lanes, e[s]);
    // Of bfloat16 nothing is rounded: they were widened.
    for (std::size_t o = 0; o < 32; ++o)
      if constexpr (std::is_same_v<T, float>)
        brick[o] = output[o];
      else
        brick[slot_in_brick<slot>(o)] = narrow<slot>(output[o]);
  } else {
    for (std::size_t o = 0; o < 32; ++o) brick[o] = slot{};
    for (; bits != 0; bits &= bits - 1) {
      slot& to = brick[slot_in_brick<slot>(static_cast<std::size_t>(__builtin_ctz(bits)))];
      if constexpr (std::is_same_v<T, std::int8_t>)
        to = narrow<slot>(static_cast<float>(*v++));
      else
        to = *v++;
    }
  }
}
#endif

// bricks [number of strips][inputs][32]. Channel by channel, as they are stored.
template <class T>
inline void expand_strips(const bitmap_weight<T>& w, index_range strips,
                          typename expanded<T>::type* bricks) noexcept {
  constexpr std::size_t ahead = 4;  // channels
  const auto bits_of = [](const std::uint64_t* mask, std::size_t strip) -> std::uint32_t {
    return static_cast<std::uint32_t>(mask[strip / 2] >> (32 * (strip % 2)));
  };
  const std::size_t first = strips.first / 2, last = (strips.last + 1) / 2;
  for (std::size_t c = 0; c < w.shape.inputs; ++c) {
    const std::uint64_t* const mask = w.mask(c);
    if (c + ahead < w.shape.inputs) {
      const auto lines = [](const void* from, const void* end) {
        for (auto* p = static_cast<const char*>(from); p < end; p += 64) prefetch_l2(p);
      };
      const std::uint64_t* const next = w.mask(c + ahead);
      lines(next + first, next + last);
      // About as many values as this channel has of these outputs, by what it has of all.
      const T* const v = values_at(w, c + ahead, first);
      const std::size_t all = (w.begins[c + 1] - w.begins[c]) * std::size_t{64};
      lines(v, reinterpret_cast<const char*>(v) + all * (last - first) / w.words());
    }
    const T* v = values_at(w, c, first);
    if (strips.first % 2 != 0) v += __builtin_popcount(bits_of(mask, strips.first - 1));
    for (std::size_t s = strips.first; s < strips.last; ++s) {
      const std::uint32_t bits = bits_of(mask, s);
      expand_brick(v, bits, bricks + ((s - strips.first) * w.shape.inputs + c) * brick_outputs);
      v += __builtin_popcount(bits);
    }
  }
}

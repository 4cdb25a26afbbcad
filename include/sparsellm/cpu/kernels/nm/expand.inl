// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Four strips of an N:M weight as one strip of bricks, for large batches. Included once per
// instruction set, inside its namespace and target region.

template <class T>
inline void expand_bricks(const nm_weight<T>& w, std::size_t strip,
                          typename expanded<T>::type* bricks) noexcept {
  using brick = typename expanded<T>::type;
  constexpr std::size_t strips = brick_outputs / nm_strip_outputs;
  for (std::size_t i = 0; i < w.shape.inputs * brick_outputs; ++i) bricks[i] = brick{};
  for (std::size_t s = 0; s < strips && strip * strips + s < w.strips(); ++s)
    for (std::size_t b = 0; b < w.cells(); ++b) {
      const std::uint64_t* const masks = w.masks(strip * strips + s, b);
      const T* value = w.values(strip * strips + s, b);
      const std::size_t first = b * w.span;
      const std::size_t left = w.shape.inputs - first;
      // Lanes past the last channel are kept as zeros.
      const std::uint64_t there = left >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << left) - 1;
      for (std::size_t r = 0; r < nm_strip_outputs; ++r, value += w.values_per_output) {
        brick* const to =
            bricks + first * brick_outputs + slot_in_brick<brick>(s * nm_strip_outputs + r);
        const T* v = value;
        for (std::uint64_t bits = masks[r] & there; bits != 0; bits &= bits - 1) {
          const auto lane = static_cast<std::size_t>(__builtin_ctzll(bits));
          if constexpr (std::is_same_v<T, std::int8_t>)
            to[lane * brick_outputs] = narrow<bfloat16>(static_cast<float>(*v++));
          else
            to[lane * brick_outputs] = *v++;
        }
      }
    }
}

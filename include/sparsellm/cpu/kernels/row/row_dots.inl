// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Row-major weights: one dot product per row and token. The order of summation is its own, and as
// fixed as the other: channel c is added to sum c mod 32, and the 32 sums are added as a tree. So
// instruction sets of any width agree to the bit.

inline constexpr std::size_t dot_sums = 32;

// Zero-padded copy of a row's last channels, widened.
template <class T>
SPARSELLM_INLINE void copy_tail(const T* row, std::size_t n, float* out) noexcept {
  for (std::size_t i = 0; i < dot_sums; ++i) out[i] = i < n ? widen(row[i]) : 0.0f;
}

template <std::size_t Tokens, class T>
inline void row_dot(const T* w, std::size_t inputs, matrix_view<const float> x, std::size_t t0,
                    float* out) noexcept {
  constexpr std::size_t steps = dot_sums / lanes;
  vfloat sum[Tokens][steps];
  for (std::size_t t = 0; t < Tokens; ++t)
    for (std::size_t s = 0; s < steps; ++s) sum[t][s] = zero();
  std::size_t c = 0;
  for (; c + dot_sums <= inputs; c += dot_sums)
    for (std::size_t s = 0; s < steps; ++s) {
      const vfloat wv = load_row(w + c + s * lanes);
      for (std::size_t t = 0; t < Tokens; ++t)
        sum[t][s] = mul_add(wv, load(&x(t0 + t, c + s * lanes)), sum[t][s]);
    }
  if (c < inputs) {
    float w_tail[dot_sums], x_tail[dot_sums];
    copy_tail(w + c, inputs - c, w_tail);
    for (std::size_t t = 0; t < Tokens; ++t) {
      copy_tail(&x(t0 + t, c), inputs - c, x_tail);
      for (std::size_t s = 0; s < steps; ++s)
        sum[t][s] = mul_add(load(w_tail + s * lanes), load(x_tail + s * lanes), sum[t][s]);
    }
  }
  for (std::size_t t = 0; t < Tokens; ++t) {
    float all[dot_sums];
    for (std::size_t s = 0; s < steps; ++s) store(all + s * lanes, sum[t][s]);
    for (std::size_t width = dot_sums / 2; width != 0; width /= 2)
      for (std::size_t i = 0; i < width; ++i) all[i] += all[i + width];
    out[t] = all[0];
  }
}

template <class T>
inline void row_dots(const T* w, std::size_t inputs, std::size_t first, std::size_t last,
                     matrix_view<const float> x, matrix_view<float> y) noexcept {
  for (std::size_t r = first; r < last; ++r) {
    std::size_t t = 0;
    float out[2];
    for (; t + 2 <= x.rows(); t += 2) {
      row_dot<2>(w + r * inputs, inputs, x, t, out);
      y(t, r) = out[0];
      y(t + 1, r) = out[1];
    }
    if (t < x.rows()) {
      row_dot<1>(w + r * inputs, inputs, x, t, out);
      y(t, r) = out[0];
    }
  }
}

template <class T>
constexpr row_table<T> row_kernels_of() noexcept {
  return {&row_dots<T>};
}

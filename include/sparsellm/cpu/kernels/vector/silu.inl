// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Exponentials of whole vectors, the same bits on every instruction set.

// e^x to 2 units in the last place for |x| <= 88, beyond that e^±88: x = n ln 2 + r with |r| at
// most half of ln 2, e^r by its Taylor polynomial of degree 6, ln 2 in two parts (Cody and Waite).
SPARSELLM_INLINE vfloat exponential(vfloat x) noexcept {
  constexpr float magic = 12582912.0f;  // 1.5 · 2^23: adding it rounds to an integer
  x = clamp(x, -88.0f, 88.0f);
  const vfloat shifted = mul_add(x, broadcast(1.44269504f), broadcast(magic));
  const vfloat n = add(shifted, broadcast(-magic));
  vfloat r = mul_add(n, broadcast(-0.693359375f), x);
  r = mul_add(n, broadcast(2.12194440e-4f), r);
  vfloat p = broadcast(1.0f / 720.0f);
  p = mul_add(p, r, broadcast(1.0f / 120.0f));
  p = mul_add(p, r, broadcast(1.0f / 24.0f));
  p = mul_add(p, r, broadcast(1.0f / 6.0f));
  p = mul_add(p, r, broadcast(0.5f));
  p = mul_add(p, r, broadcast(1.0f));
  p = mul_add(p, r, broadcast(1.0f));
  return mul(p, power_of_two(shifted));
}

SPARSELLM_INLINE vfloat silu(vfloat x) noexcept {
  return div(x, add(broadcast(1.0f), exponential(mul(x, broadcast(-1.0f)))));
}

inline void silu_mul(const float* gate, const float* up, std::size_t n, float* out) noexcept {
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) store(out + i, mul(silu(load(gate + i)), load(up + i)));
  if (i == n) return;
  float g[lanes] = {}, u[lanes] = {};
  for (std::size_t j = 0; i + j < n; ++j) {
    g[j] = gate[i + j];
    u[j] = up[i + j];
  }
  store(g, mul(silu(load(g)), load(u)));
  for (std::size_t j = 0; i + j < n; ++j) out[i + j] = g[j];
}

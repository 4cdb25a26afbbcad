// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums of parts, added in order. Included once per instruction set.

inline void add_parts(const float* parts, std::size_t stride, std::size_t count, std::size_t n,
                      float* y) noexcept {
  std::size_t o = 0;
  for (; o + lanes <= n; o += lanes) {
    vfloat sum = load(parts + o);
    for (std::size_t p = 1; p < count; ++p) sum = add(sum, load(parts + p * stride + o));
    store(y + o, sum);
  }
  for (; o < n; ++o) {
    float sum = parts[o];
    for (std::size_t p = 1; p < count; ++p) sum += parts[p * stride + o];
    y[o] = sum;
  }
}

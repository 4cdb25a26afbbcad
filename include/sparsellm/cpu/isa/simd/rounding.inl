// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations rounded to 16 bits with one scale, for kernels that multiply levels as integers.
// Included once per instruction set.

// Levels of a chunk, and its scale: 0 when all are as good as 0, NaN when one is not finite.
SPARSELLM_INLINE float round_chunk(const float* lane, std::size_t n, std::int32_t* level) noexcept {
  float most = 0;
  bool finite = true;
  for (std::size_t l = 0; l < n; ++l) {
    const float magnitude = std::fabs(lane[l]);
    most = magnitude > most ? magnitude : most;
    finite = finite && magnitude < __builtin_inff();
  }
  const bool some = finite && most >= least_activation;
  const float inverse = some ? activation_levels / most : 0.0f;
  for (std::size_t l = 0; l < n; ++l)
    level[l] = some ? static_cast<std::int32_t>(std::nearbyint(lane[l] * inverse)) : 0;
  return !finite ? __builtin_nanf("") : some ? most / activation_levels : 0.0f;
}

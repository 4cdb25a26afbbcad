// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Random numbers that the host and the device make alike, any of them without those before it.
// Random, because a GPU multiplies zeros and equal numbers faster.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"

namespace bench {

// Number i of a seed's: mean 0, variance 1, nearly normal (four uniform ones added).
[[nodiscard]] SPARSELLM_HD inline float normal_at(std::uint64_t seed, std::uint64_t i) noexcept {
  std::uint64_t z = (seed << 40) + (i + 1) * 0x9e3779b97f4a7c15u;  // SplitMix64
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  const auto sum =
      static_cast<float>((z & 0xffffu) + (z >> 16 & 0xffffu) + (z >> 32 & 0xffffu) + (z >> 48));
  return (sum - 131070.0f) * (1.7320508f / 65536.0f);
}

// What a weight's numbers are multiplied by: those of a model are small.
inline constexpr float weight_scale = 0.02f;

// Row r of a weight, for pack().
inline void random_row(std::size_t r, sparsellm::vector_view<float> row) noexcept {
  for (std::size_t c = 0; c < row.size(); ++c)
    row[c] = weight_scale * normal_at(1, r * row.size() + c);
}

// to [n] = scale · normal numbers of the seed, on the device in stream order.
void fill_random(std::uint16_t* bfloat16s, std::size_t n, float scale, std::uint64_t seed,
                 cudaStream_t stream);
void fill_random(float* to, std::size_t n, float scale, std::uint64_t seed, cudaStream_t stream);

}  // namespace bench

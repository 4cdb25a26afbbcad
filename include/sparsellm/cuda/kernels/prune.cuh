// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M masks and packing, on the device, with the host's bits: scores are the same float operations,
// none contracted, and ties are broken the same way. Speed matters little here: a weight is pruned
// once.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/pack/masked_weight.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cuda {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned prune_threads = 128;

// The first weight that something is wrong with, row · cols + col; all ones while there is none.
using first_wrong = unsigned long long;
inline constexpr first_wrong nothing_wrong = ~first_wrong{0};

// out [rows, cols] = the saliency of each weight. A thread a weight.
template <storage_scalar T, class S>
static __global__ void score_kernel(S saliency, const T* weight, std::size_t stride, unsigned rows,
                                    unsigned cols, float* out, std::size_t out_stride) {
  const std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= std::size_t{rows} * cols) return;
  const std::size_t r = i / cols, c = i % cols;
  out[r * out_stride + c] = saliency(widen(weight[r * stride + c]), r, c);
}

// A thread a group of m channels. mask [rows][words] is zero.
template <storage_scalar T, class S>
static __global__ void mask_kernel(S saliency, const T* weight, std::size_t stride, unsigned rows,
                                   unsigned cols, nm_pattern p, unsigned long long* mask,
                                   unsigned words, first_wrong* wrong) {
  const auto groups = static_cast<unsigned>((cols + p.m - 1) / p.m);
  const std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= std::size_t{rows} * groups) return;
  const auto r = static_cast<unsigned>(i / groups), first = static_cast<unsigned>(i % groups * p.m);
  const auto length = static_cast<unsigned>(p.m < cols - first ? p.m : cols - first);
  float score[longest_group];
  for (unsigned k = 0; k < length; ++k) {
    score[k] = saliency(widen(weight[r * stride + first + k]), r, first + k);
    if (!(score[k] >= 0.0f && score[k] <= 3.402823466e38f))
      atomicMin(wrong, static_cast<first_wrong>(std::size_t{r} * cols + first + k));
  }
  const std::uint32_t bits = largest_of(score, length, p.n);
  unsigned long long* const row = mask + std::size_t{r} * words;
  atomicOr(row + first / 64, static_cast<unsigned long long>(bits) << first % 64);
  if (first % 64 + length > 64)
    atomicOr(row + first / 64 + 1, static_cast<unsigned long long>(bits) >> (64 - first % 64));
}

[[nodiscard]] __device__ inline std::uint32_t mask_bits(const std::uint64_t* row, unsigned c,
                                                        unsigned count) {
  std::uint64_t bits = row[c / 64] >> c % 64;
  if (c % 64 + count > 64) bits |= row[c / 64 + 1] << (64 - c % 64);
  return static_cast<std::uint32_t>(bits) & static_cast<std::uint32_t>((1ull << count) - 1);
}

// Whether the mask keeps what F's pattern says and the kept weights can be stored; of 8-bit levels
// each row's scale, the largest kept magnitude being 127 of them. A thread a row.
template <class F, storage_scalar T>
static __global__ void check_kernel(const T* weight, std::size_t stride, unsigned rows,
                                    unsigned cols, const std::uint64_t* mask, unsigned words,
                                    float* scales, first_wrong* wrong_mask,
                                    first_wrong* wrong_weight) {
  constexpr unsigned n = F::pattern.n, m = F::pattern.m;
  const unsigned r = blockIdx.x * blockDim.x + threadIdx.x;
  if (r >= rows) return;
  float most = 0;
  for (unsigned c = 0; c < cols; c += m) {
    const unsigned length = min(m, cols - c);
    std::uint32_t bits = mask_bits(mask + std::size_t{r} * words, c, length);
    if (static_cast<unsigned>(__popc(bits)) != min(n, length))
      atomicMin(wrong_mask, static_cast<first_wrong>(std::size_t{r} * cols + c));
    for (; bits != 0; bits &= bits - 1) {
      const unsigned k = c + static_cast<unsigned>(__ffs(static_cast<int>(bits))) - 1;
      const float w = fabsf(widen(weight[r * stride + k]));
      float stored = w;
      if constexpr (!F::levels) stored = fabsf(widen(narrow<typename F::element>(w)));
      if (!(stored <= 3.402823466e38f))
        atomicMin(wrong_weight, static_cast<first_wrong>(std::size_t{r} * cols + k));
      most = fmaxf(most, w);
    }
  }
  if constexpr (F::levels) scales[r] = __fdiv_rn(most, 127.0f);
}

// A thread a row of a block: its mask and its values, as n_of_m::write_row() lays them out; rows
// behind the last pad the strip.
template <class F, storage_scalar T>
static __global__ void pack_kernel(const T* weight, std::size_t stride, unsigned rows,
                                   unsigned cols, const std::uint64_t* mask, unsigned words,
                                   const float* scales, std::byte* storage, unsigned blocks) {
  using element = typename F::element;
  constexpr unsigned n = F::pattern.n, m = F::pattern.m;
  const unsigned r = blockIdx.x * blockDim.x + threadIdx.x, b = blockIdx.y;
  if (r >= (rows + strip_rows - 1) / strip_rows * strip_rows) return;
  constexpr std::size_t block_bytes = strip_rows * (8 + F::row_values * sizeof(element));
  const auto in_strip = static_cast<unsigned>(r % strip_rows);
  std::byte* const block = storage + (r / strip_rows * blocks + b) * block_bytes;
  auto* const values =
      reinterpret_cast<element*>(block + strip_rows * 8) + in_strip * F::row_values;
  std::uint64_t kept = 0;
  unsigned count = 0;
  for (unsigned g = 0; g < F::span; g += m) {
    const unsigned c = b * static_cast<unsigned>(F::span) + g;
    const unsigned length = c < cols ? min(m, cols - c) : 0;
    std::uint32_t bits = 0;
    if (length != 0)
      bits = r < rows ? mask_bits(mask + std::size_t{r} * words, c, length)
                      : (1u << min(n, length)) - 1;
    for (unsigned i = length, k = static_cast<unsigned>(__popc(bits)); k < n; ++i, ++k)
      bits |= 1u << i;
    kept |= std::uint64_t{bits} << g;
    for (; bits != 0; bits &= bits - 1) {
      const unsigned i = static_cast<unsigned>(__ffs(static_cast<int>(bits))) - 1;
      element value{};
      if (i < length && r < rows) {
        const float w = widen(weight[r * stride + c + i]);
        if constexpr (F::levels)
          value = scales[r] > 0.0f ? static_cast<element>(fminf(
                                         fmaxf(rintf(__fdiv_rn(w, scales[r])), -127.0f), 127.0f))
                                   : element{};
        else
          value = narrow<element>(w);
      }
      values[count++] = value;
    }
  }
  reinterpret_cast<std::uint64_t*>(block)[in_strip] = kept;
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cuda

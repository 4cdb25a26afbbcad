// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M weights packed on the device, to the host's bytes. Speed matters little here: a weight is
// packed once.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/prune.cuh"
#include "sparsellm/pack/bitmap_weight.hpp"
#include "sparsellm/pack/nm_weight.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

[[nodiscard]] __device__ inline std::uint32_t mask_bits(const std::uint64_t* row, unsigned c,
                                                        unsigned count) {
  std::uint64_t bits = row[c / 64] >> c % 64;
  if (c % 64 + count > 64) bits |= row[c / 64 + 1] << (64 - c % 64);
  return static_cast<std::uint32_t>(bits) & static_cast<std::uint32_t>((1ull << count) - 1);
}

// sparse_value(), on the device.
template <class T>
[[nodiscard]] __device__ T stored_value(float w, float scale) {
  if constexpr (std::same_as<T, std::int8_t>)
    return scale > 0.0f ? static_cast<T>(fminf(fmaxf(rintf(__fdiv_rn(w, scale)), -127.0f), 127.0f))
                        : T{};
  else
    return narrow<T>(w);
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
      if constexpr (!F::has_scales) stored = fabsf(widen(narrow<typename F::element>(w)));
      if (!(stored <= 3.402823466e38f))
        atomicMin(wrong_weight, static_cast<first_wrong>(std::size_t{r} * cols + k));
      most = fmaxf(most, w);
    }
  }
  if constexpr (F::has_scales) scales[r] = __fdiv_rn(most, 127.0f);
}

// A thread a row of a cell: its mask and its values, as n_of_m::write_output() lays them out; rows
// behind the last pad the strip.
template <class F, storage_scalar T>
static __global__ void pack_kernel(const T* weight, std::size_t stride, unsigned rows,
                                   unsigned cols, const std::uint64_t* mask, unsigned words,
                                   const float* scales, std::byte* storage, unsigned cells) {
  using element = typename F::element;
  constexpr unsigned n = F::pattern.n, m = F::pattern.m;
  const unsigned r = blockIdx.x * blockDim.x + threadIdx.x, b = blockIdx.y;
  if (r >= (rows + nm_strip_outputs - 1) / nm_strip_outputs * nm_strip_outputs) return;
  constexpr std::size_t cell_bytes =
      nm_strip_outputs * (8 + F::values_per_output * sizeof(element));
  const auto in_strip = static_cast<unsigned>(r % nm_strip_outputs);
  std::byte* const cell = storage + (r / nm_strip_outputs * cells + b) * cell_bytes;
  auto* const values =
      reinterpret_cast<element*>(cell + nm_strip_outputs * 8) + in_strip * F::values_per_output;
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
        value = stored_value<element>(widen(weight[r * stride + c + i]),
                                      F::has_scales ? scales[r] : 0.0f);
      }
      values[count++] = value;
    }
  }
  reinterpret_cast<std::uint64_t*>(cell)[in_strip] = kept;
}

// lines [channels + 1]: how many lines of 64 bytes channel_bitmap takes for each channel of a mask
// [rows][row_words], and 0. A thread a channel.
static __global__ void count_lines_kernel(const std::uint64_t* mask, unsigned row_words,
                                          unsigned rows, unsigned channels, unsigned element_bytes,
                                          std::uint32_t* lines) {
  const unsigned c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c > channels) return;
  std::size_t kept = 0;
  if (c < channels)
    for (unsigned r = 0; r < rows; ++r)
      kept += mask[std::size_t{r} * row_words + c / 64] >> c % 64 & 1u;
  const std::size_t mask_bytes = (rows + 63) / 64 * 8;
  lines[c] =
      c == channels ? 0 : static_cast<std::uint32_t>((mask_bytes + kept * element_bytes + 63) / 64);
}

// Channels as channel_bitmap lays them out. A thread a channel, which it walks.
template <storage_scalar W, class T>
static __global__ void pack_bitmap_kernel(const W* weight, std::size_t stride,
                                          const std::uint64_t* mask, unsigned row_words,
                                          const float* scales, unsigned rows, unsigned channels,
                                          const std::uint32_t* begins, std::uint32_t* ends,
                                          std::byte* data) {
  const unsigned c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  auto* const words = reinterpret_cast<std::uint64_t*>(data + std::size_t{begins[c]} * 64);
  T* const values = reinterpret_cast<T*>(words + (rows + 63) / 64);
  T* next = values;
  for (unsigned r0 = 0; r0 < rows; r0 += 64) {
    std::uint64_t bits = 0;
    for (unsigned r = r0; r < min(r0 + 64, rows); ++r) {
      if ((mask[std::size_t{r} * row_words + c / 64] >> c % 64 & 1u) == 0) continue;
      bits |= std::uint64_t{1} << (r - r0);
      *next++ =
          stored_value<T>(widen(weight[r * stride + c]), scales != nullptr ? scales[r] : 0.0f);
    }
    words[r0 / 64] = bits;
    ends[std::size_t{r0 / static_cast<unsigned>(counted_outputs)} * channels + c] =
        static_cast<std::uint32_t>(next - values);
  }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

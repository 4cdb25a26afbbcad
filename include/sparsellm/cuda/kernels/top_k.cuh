// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The k largest scores of each token by radix select: count the keys by their highest digit, find
// the digit that the last key to stay has, go on with the keys that begin with it. What stays is
// written in ascending order; of equals the lowest channels. Counts are integers, so nothing
// depends on the scheduling.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <cub/block/block_scan.cuh>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/top_k_memory.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Where channels that stay go: `place` is their place among them. Values are read here, not held.
struct to_list {
  std::uint32_t* index;
  float* value;
  std::uint32_t* count;
  __device__ void channel(unsigned, bool stays, unsigned c, unsigned place, const float& v) const {
    if (!stays) return;
    index[place] = c;
    value[place] = v;
  }
  __device__ void token(unsigned, unsigned kept) const { *count = kept; }
  [[nodiscard]] cudaError_t nothing(std::size_t, std::size_t, cudaStream_t stream) const {
    return cudaMemsetAsync(count, 0, sizeof *count, stream);
  }
};
// [tokens, inputs], zero where a channel does not stay.
struct to_matrix {
  float* out;
  std::size_t stride;
  __device__ void channel(unsigned t, bool stays, unsigned c, unsigned, const float& v) const {
    out[t * stride + c] = stays ? v : 0.0f;
  }
  __device__ void token(unsigned, unsigned) const {}
  [[nodiscard]] cudaError_t nothing(std::size_t tokens, std::size_t inputs,
                                    cudaStream_t stream) const {
    return cudaMemset2DAsync(out, stride * sizeof *out, 0, inputs * sizeof *out, tokens, stream);
  }
};

// Orders as floats do, NaN above all, zeros of both signs alike. Never 0.
__device__ inline std::uint32_t key_of_score(float score) {
  if (score != score) return 0xffffffffu;
  const std::uint32_t bits = __float_as_uint(score + 0.0f);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}

// Bits of a key below pass p's digit, and below the one before.
__device__ constexpr unsigned key_shift(unsigned pass) {
  return pass == 0 ? 21 : 10 - 10 * (pass - 1);
}
__device__ constexpr unsigned key_above(unsigned pass) {
  return pass == 0 ? 32 : key_shift(pass - 1);
}
__device__ inline bool begins_with(std::uint32_t key, std::uint32_t prefix, unsigned pass) {
  return pass == 0 || (key ^ prefix) >> key_above(pass) == 0;
}
__device__ inline unsigned digit_of(std::uint32_t key, unsigned pass) {
  return key >> key_shift(pass) & ((1u << (key_above(pass) - key_shift(pass))) - 1);
}

// By shuffles: the other way one warp has all of the block's counts in its registers, which spill.
using key_scan = cub::BlockScan<unsigned, select_threads, cub::BLOCK_SCAN_WARP_SCANS>;
using chunk_scan = cub::BlockScan<unsigned long long, select_threads, cub::BLOCK_SCAN_WARP_SCANS>;

// One more digit of `at`, which is shared, from found [key_digits]. All of the block.
__device__ inline void choose_digit(const unsigned* found, unsigned pass, key_rank& at,
                                    key_scan::TempStorage& scratch) {
  constexpr unsigned each = key_digits / select_threads;
  unsigned mine[each], before[each];
  const unsigned highest = key_digits - 1 - threadIdx.x * each;
#pragma unroll
  for (unsigned i = 0; i < each; ++i) mine[i] = found[highest - i];
  const unsigned wanted = at.wanted;
  key_scan(scratch).ExclusiveSum(mine, before);
  __syncthreads();  // everybody has read what is wanted
#pragma unroll
  for (unsigned i = 0; i < each; ++i)
    if (before[i] < wanted && wanted <= before[i] + mine[i])
      at = {at.prefix | (highest - i) << key_shift(pass), wanted - before[i]};
  __syncthreads();
}

// A token a block, of inputs <= Each · select_threads; kept >= 1 of them stay. Which channels of a
// round of select_threads go before which is counted once for all rounds: a scan of what each warp
// has in each round.
template <unsigned Each, class Score, class Out>
static __global__ void __launch_bounds__(select_threads)
    top_k_kernel(Score score, unsigned kept, const float* x, std::size_t stride, unsigned inputs,
                 Out out) {
  constexpr unsigned warps = select_threads / 32;
  static_assert(Each * warps <= select_threads && Each * select_threads < 1u << 16);
  __shared__ typename key_scan::TempStorage scratch;
  __shared__ unsigned found[key_digits];
  __shared__ key_rank at;
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  x += blockIdx.x * stride;
  std::uint32_t key[Each];  // 0 behind the last channel: below all
#pragma unroll
  for (unsigned r = 0; r < Each; ++r) {
    const unsigned c = r * select_threads + threadIdx.x;
    key[r] = c < inputs ? key_of_score(score(x[c], c)) : 0;
  }
  if (threadIdx.x == 0) at = {0, kept};
#pragma unroll
  for (unsigned pass = 0; pass < key_passes; ++pass) {
    for (unsigned d = threadIdx.x; d < key_digits; d += select_threads) found[d] = 0;
    __syncthreads();
    const std::uint32_t prefix = at.prefix;
#pragma unroll
    for (unsigned r = 0; r < Each; ++r)
      if (key[r] != 0 && begins_with(key[r], prefix, pass))
        atomicAdd(&found[digit_of(key[r], pass)], 1u);
    __syncthreads();
    choose_digit(found, pass, at, scratch);
  }
  const auto [last, ties] = at;
  const std::uint32_t below = (1u << lane) - 1;
#pragma unroll
  for (unsigned r = 0; r < Each; ++r) {
    const std::uint32_t above = __ballot_sync(~0u, key[r] > last),
                        equal = __ballot_sync(~0u, key[r] == last);
    if (lane == 0)
      found[r * warps + warp] = static_cast<unsigned>(__popc(above) | __popc(equal) << 16);
  }
  __syncthreads();
  unsigned before = threadIdx.x < Each * warps ? found[threadIdx.x] : 0;
  key_scan(scratch).ExclusiveSum(before, before);
  if (threadIdx.x < Each * warps) found[threadIdx.x] = before;
  __syncthreads();
#pragma unroll
  for (unsigned r = 0; r < Each; ++r) {
    const unsigned c = r * select_threads + threadIdx.x;
    const std::uint32_t above = __ballot_sync(~0u, key[r] > last),
                        equal = __ballot_sync(~0u, key[r] == last);
    const unsigned first = found[r * warps + warp];
    const unsigned tie = (first >> 16) + static_cast<unsigned>(__popc(equal & below));
    const unsigned place =
        (first & 0xffffu) + static_cast<unsigned>(__popc(above & below)) + min(tie, ties);
    if (c < inputs)
      out.channel(blockIdx.x, key[r] > last || (key[r] == last && tie < ties), c, place, x[c]);
  }
  if (threadIdx.x == 0) out.token(blockIdx.x, kept);
}

// What a wide token's kernels share. Grid: [chunks, tokens]; a chunk has whole rounds of
// select_threads channels.
template <class Score>
struct wide_input {
  Score score;
  unsigned kept;  // at least 1
  const float* x;
  std::size_t stride;
  unsigned inputs, rounds;
  wide_choice* choice;  // [tokens]

  [[nodiscard]] __device__ unsigned channel(unsigned round) const {
    return (blockIdx.x * rounds + round) * select_threads + threadIdx.x;
  }
  [[nodiscard]] __device__ const float& value(unsigned c) const {
    return x[blockIdx.y * stride + c];
  }
  [[nodiscard]] __device__ std::uint32_t key(unsigned c) const {
    return c < inputs ? key_of_score(score(value(c), c)) : 0;
  }
  // `at`, shared, before a pass, or when all is known after key_passes: every block takes the digit
  // that the kernel before has counted, and the first leaves it for the next kernel.
  __device__ void know(unsigned pass, key_rank& at, key_scan::TempStorage& scratch) const {
    wide_choice& token = choice[blockIdx.y];
    if (threadIdx.x == 0) at = pass == 0 ? key_rank{0, kept} : token.at[pass - 1];
    __syncthreads();
    if (pass != 0) choose_digit(token.found[pass - 1], pass - 1, at, scratch);
    if (blockIdx.x == 0 && threadIdx.x == 0) token.at[pass] = at;
  }
};

template <class Score>
static __global__ void __launch_bounds__(select_threads)
    count_keys_kernel(wide_input<Score> from, unsigned pass) {
  __shared__ typename key_scan::TempStorage scratch;
  __shared__ unsigned found[key_digits];
  __shared__ key_rank at;
  for (unsigned d = threadIdx.x; d < key_digits; d += select_threads) found[d] = 0;
  from.know(pass, at, scratch);
  for (unsigned r = 0; r < from.rounds; ++r) {
    const std::uint32_t key = from.key(from.channel(r));
    if (key != 0 && begins_with(key, at.prefix, pass)) atomicAdd(&found[digit_of(key, pass)], 1u);
  }
  __syncthreads();
  unsigned* const all = from.choice[blockIdx.y].found[pass];
  for (unsigned d = threadIdx.x; d < key_digits; d += select_threads)
    if (found[d] != 0) atomicAdd(&all[d], found[d]);
}

__device__ inline unsigned long long above_and_equal(std::uint32_t key, std::uint32_t last) {
  return key > last ? 1ull << 32 : key == last ? 1ull : 0ull;
}

template <class Score>
static __global__ void __launch_bounds__(select_threads)
    count_chunk_kernel(wide_input<Score> from) {
  __shared__ typename key_scan::TempStorage scratch;
  __shared__ typename chunk_scan::TempStorage chunk_scratch;
  __shared__ key_rank at;
  from.know(key_passes, at, scratch);
  unsigned long long mine = 0, before = 0, all = 0;
  for (unsigned r = 0; r < from.rounds; ++r)
    mine += above_and_equal(from.key(from.channel(r)), at.prefix);
  chunk_scan(chunk_scratch).ExclusiveSum(mine, before, all);
  if (threadIdx.x == 0) from.choice[blockIdx.y].chunk[blockIdx.x] = all;
}

template <class Score, class Out>
static __global__ void __launch_bounds__(select_threads)
    write_chunk_kernel(wide_input<Score> from, Out out) {
  __shared__ typename chunk_scan::TempStorage scratch;
  const wide_choice& token = from.choice[blockIdx.y];
  const auto [last, ties] = token.at[key_passes];
  unsigned long long before = 0, done = 0, all = 0;
  chunk_scan(scratch).ExclusiveSum(threadIdx.x < blockIdx.x ? token.chunk[threadIdx.x] : 0, before,
                                   done);
  for (unsigned r = 0; r < from.rounds; ++r) {
    const unsigned c = from.channel(r);
    const std::uint32_t key = from.key(c);
    __syncthreads();
    chunk_scan(scratch).ExclusiveSum(above_and_equal(key, last), before, all);
    before += done;
    done += all;
    const auto tie = static_cast<unsigned>(before);
    if (c < from.inputs)
      out.channel(blockIdx.y, key > last || (key == last && tie < ties), c,
                  static_cast<unsigned>(before >> 32) + min(tie, ties), from.value(c));
  }
  if (blockIdx.x == 0 && threadIdx.x == 0) out.token(blockIdx.y, from.kept);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Positions are read from the device, so a launch serves every step of a text. What a row sees is
// taken in chunks, whose results are put together in ascending order: by one block where there are
// many rows, else by the last of a block for each chunk. Both give the same bits.
#include <algorithm>

#include "cuda/block_sums.cuh"
#include "cuda/steps.hpp"
#include "sparsellm/cuda/error.cuh"

namespace llama {

namespace {

using sparsellm::cuda::check;
using sparsellm::cuda::executor;

constexpr unsigned threads = 128;
constexpr unsigned chunk = 256;        // positions
constexpr std::size_t split_rows = 8;  // rows that are too few to fill a GPU

// The position of a row, and where its sequence's cache begins.
struct row_place {
  unsigned position;
  std::size_t cache;

  __device__ row_place(const attention_shape& a, cached_rows at, unsigned row)
      : position(*at.first + (at.together ? 0 : row)),
        cache(at.together ? std::size_t{row} * a.kv_heads * a.positions * a.head_size : 0) {}
};

// One block per token, one thread per pair.
__global__ void rotate_and_store_kernel(attention_shape a, float* qkv, cached_rows at_rows,
                                        const float* rotary, float* keys, float* values) {
  const row_place here(a, at_rows, blockIdx.x);
  const unsigned position = here.position, size = a.head_size;
  float* const q = qkv + std::size_t{blockIdx.x} * a.row();
  const float* const table = rotary + std::size_t{position} * a.rotary_size;
  const unsigned pairs = a.rotary_size / 2;
  for (unsigned i = threadIdx.x; i < (a.heads + a.kv_heads) * pairs; i += threads) {
    float* const pair = q + i / pairs * size + i % pairs * 2;
    const float x = pair[0], y = pair[1], cos = table[i % pairs * 2],
                sin = table[i % pairs * 2 + 1];
    pair[0] = x * cos - y * sin;
    pair[1] = x * sin + y * cos;
  }
  __syncthreads();
  const float* const k = q + a.heads * size;
  const float* const v = k + a.kv_heads * size;
  for (unsigned i = threadIdx.x; i < a.kv_heads * size; i += threads) {
    const std::size_t at =
        here.cache + (std::size_t{i / size} * a.positions + position) * size + i % size;
    keys[at] = k[i];
    values[at] = v[i];
  }
}

// Chunks that a window of positions may touch, of those below `end`.
unsigned chunks_of(std::size_t end, std::size_t window) {
  const std::size_t all = (end + chunk - 1) / chunk;
  return static_cast<unsigned>(window == 0 ? all : std::min(all, (window + chunk - 2) / chunk + 1));
}

// The largest score of some positions, the sum of e^(score - largest), and in memory beside it the
// sum of their values, each times that.
struct softmax_sums {
  float largest = -INFINITY, sum = 0;

  // Those of more positions are added: by how much the former sums and the latter are multiplied.
  __device__ float2 add(softmax_sums more) {
    const float most = fmaxf(largest, more.largest);
    const float2 scale{expf(largest - most), expf(more.largest - most)};
    sum = fmaf(sum, scale.x, more.sum * scale.y);
    largest = most;
    return scale;
  }
};
__device__ float added(float sum, float more, float2 scale) {
  return fmaf(sum, scale.x, more * scale.y);
}

// What a head of a row does with a chunk.
struct chunk_task {
  const float *q, *keys, *values;  // those of the chunk's first position
  unsigned size, positions;        // of a head; that the row sees of the chunk
  float scale;

  // scores [chunk] is scratch of the block; value(i, sum) takes the head's elements in turn.
  template <class Value>
  __device__ void run(float* scores, softmax_sums& of_all, const Value& value) const {
    softmax_sums mine;
    for (unsigned p = threadIdx.x; p < positions; p += threads) {
      float dot = 0;
      for (unsigned i = 0; i < size; ++i) dot = fmaf(q[i], keys[std::size_t{p} * size + i], dot);
      scores[p] = dot * scale;
      mine.largest = fmaxf(mine.largest, scores[p]);
    }
    mine.largest =
        over_block<threads>(mine.largest, -INFINITY, [](float x, float y) { return fmaxf(x, y); });
    for (unsigned p = threadIdx.x; p < positions; p += threads) {
      scores[p] = expf(scores[p] - mine.largest);
      mine.sum += scores[p];
    }
    // And all threads' scores are stored.
    mine.sum = over_block<threads>(mine.sum, 0.0f, [](float x, float y) { return x + y; });
    const float2 by = of_all.add(mine);
    for (unsigned i = threadIdx.x; i < size; i += threads) {
      float mean = 0;
      for (unsigned p = 0; p < positions; ++p)
        mean = fmaf(scores[p], values[std::size_t{p} * size + i], mean);
      value(i, mean, by);
    }
    __syncthreads();  // the scores have been read
  }
};

// What a block has of the cache: a head's rows that a token sees.
struct visible_rows {
  unsigned first, end;  // positions
  chunk_task task;      // of the positions from 0 on

  __device__ visible_rows(const attention_shape& a, const float* qkv, cached_rows at,
                          unsigned window, const float* keys, const float* values) {
    const unsigned head = blockIdx.x, token = blockIdx.y, size = a.head_size;
    const row_place here(a, at, token);
    end = here.position + 1;
    first = window == 0 || end <= window ? 0 : end - window;
    const std::size_t begin =
        here.cache + std::size_t{head / (a.heads / a.kv_heads)} * a.positions * size;
    task = {qkv + std::size_t{token} * a.row() + head * size,
            keys + begin,
            values + begin,
            size,
            0,
            1.0f / sqrtf(static_cast<float>(size))};
  }
  [[nodiscard]] __device__ unsigned chunks() const { return (end - 1) / chunk - first / chunk + 1; }
  // The i-th.
  [[nodiscard]] __device__ chunk_task of_chunk(unsigned i) const {
    const unsigned from = max(first, (first / chunk + i) * chunk),
                   to = min(end, (first / chunk + i + 1) * chunk);
    chunk_task t = task;
    t.keys += std::size_t{from} * t.size;
    t.values += std::size_t{from} * t.size;
    t.positions = to - from;
    return t;
  }
};

// One block per head and token. Shared memory: [head_size] floats.
__global__ void attend_kernel(attention_shape a, const float* qkv, cached_rows at, unsigned window,
                              const float* keys, const float* values, float* out) {
  extern __shared__ float sums[];
  __shared__ float scores[chunk];
  const visible_rows rows(a, qkv, at, window, keys, values);
  for (unsigned i = threadIdx.x; i < a.head_size; i += threads) sums[i] = 0;
  softmax_sums all;
  for (unsigned c = 0; c < rows.chunks(); ++c)
    rows.of_chunk(c).run(scores, all, [&](unsigned i, float mean, float2 by) {
      sums[i] = added(sums[i], mean, by);  // a thread's own
    });
  float* const to = out + (std::size_t{blockIdx.y} * a.heads + blockIdx.x) * a.head_size;
  for (unsigned i = threadIdx.x; i < a.head_size; i += threads) to[i] = sums[i] / all.sum;
}

// One block per head, token and chunk; those beyond what the token sees have nothing to do.
// partial: [tokens][heads][chunks][2 + head_size].
__global__ void attend_split_kernel(attention_shape a, const float* qkv, cached_rows at,
                                    unsigned window, const float* keys, const float* values,
                                    float* partial, unsigned* tickets, float* out) {
  __shared__ float scores[chunk];
  __shared__ bool is_last;
  const visible_rows rows(a, qkv, at, window, keys, values);
  const unsigned chunks = rows.chunks(), size = a.head_size, part = 2 + size;
  if (blockIdx.z >= chunks) return;
  const std::size_t task = std::size_t{blockIdx.y} * a.heads + blockIdx.x;
  float* const of_task = partial + task * gridDim.z * part;
  float* const mine = of_task + blockIdx.z * part;
  softmax_sums sums;
  rows.of_chunk(blockIdx.z).run(scores, sums, [&](unsigned i, float mean, float2 by) {
    mine[2 + i] = added(0.0f, mean, by);
  });
  if (threadIdx.x == 0) mine[0] = sums.largest, mine[1] = sums.sum;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) is_last = atomicAdd(tickets + task, 1u) == chunks - 1;
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  if (threadIdx.x == 0) tickets[task] = 0;
  for (unsigned i = threadIdx.x; i < size; i += threads) {
    softmax_sums all;
    float value = 0;
    for (unsigned c = 0; c < chunks; ++c) {
      const volatile float* const from = of_task + c * part;
      const float2 by = all.add({from[0], from[1]});
      value = added(value, from[2 + i], by);
    }
    out[task * size + i] = value / all.sum;
  }
}

}  // namespace

void cuda_rotate_and_store(executor& exec, const attention_shape& a, float* qkv, std::size_t tokens,
                           cached_rows at, const float* rotary, float* keys, float* values) {
  rotate_and_store_kernel<<<static_cast<unsigned>(tokens), threads, 0, exec.stream()>>>(
      a, qkv, at, rotary, keys, values);
  check(cudaGetLastError(), "cuda_rotate_and_store");
}

std::size_t cuda_attention_scratch(const attention_shape& a, std::size_t tokens) {
  return std::min(tokens, split_rows) * a.heads * chunks_of(a.positions, 0) * (2 + a.head_size);
}

std::size_t cuda_attention_end(const attention_shape& a, std::size_t position) noexcept {
  std::size_t end = chunk;
  while (end <= position) end *= 2;
  return std::min<std::size_t>(end, a.positions);
}

void cuda_attend(executor& exec, const attention_shape& a, const float* qkv, std::size_t tokens,
                 cached_rows at, std::size_t window, const float* keys, const float* values,
                 float* scratch, float* out) {
  const unsigned chunks = chunks_of(at.end, window);
  const auto seen = static_cast<unsigned>(window);
  dim3 grid(a.heads, static_cast<unsigned>(tokens));
  if (chunks > 1 && tokens <= split_rows && tokens * a.heads <= executor::most_tickets) {
    grid.z = chunks;
    attend_split_kernel<<<grid, threads, 0, exec.stream()>>>(a, qkv, at, seen, keys, values,
                                                             scratch, exec.tickets(), out);
  } else {
    attend_kernel<<<grid, threads, a.head_size * sizeof(float), exec.stream()>>>(a, qkv, at, seen,
                                                                                 keys, values, out);
  }
  check(cudaGetLastError(), "cuda_attend");
}

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Compiled without fused multiply-adds (CMakeLists.txt): d · q + m rounds twice, as on the CPU.
#include "cuda/embedding.hpp"

#include <vector>

#include "files/blocks.hpp"
#include "files/dequantize.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/error.cuh"

namespace llama {

namespace {

using sparsellm::cuda::check;
using sparsellm::cuda::executor;

constexpr unsigned threads = 128;

struct by_id {
  const std::int32_t* ids;
  __device__ std::size_t operator()(unsigned token) const {
    return static_cast<std::size_t>(ids[token]);
  }
};
struct by_position {
  cached_rows at;
  std::size_t offset;
  __device__ std::size_t operator()(unsigned token) const {
    return offset + *at.first + (at.together ? 0 : token);
  }
};

template <bool add>
__device__ void put(float* to, float value) {
  *to = add ? *to + value : value;
}

// Of numbers that stand alone. Grid: [width / threads, tokens].
template <bool add, class T, class Row>
__global__ void plain_rows_kernel(const T* table, unsigned width, Row row_of, float* x) {
  const unsigned c = blockIdx.x * threads + threadIdx.x;
  if (c >= width) return;
  const float value = sparsellm::widen(table[row_of(blockIdx.y) * width + c]);
  put<add>(x + std::size_t{blockIdx.y} * width + c, value);
}

// Of blocks of so many elements and bytes; a thread has 32 elements. Grid: [width / 32 / threads,
// tokens].
template <bool add, class Row>
__global__ void block_rows_kernel(const std::uint8_t* table, tensor_type type, unsigned block,
                                  unsigned block_bytes, unsigned width, Row row_of, float* x) {
  const unsigned part = blockIdx.x * threads + threadIdx.x, parts = block / block_part;
  if (part * block_part >= width) return;
  const std::size_t in_table = row_of(blockIdx.y) * (width / block) + part / parts;
  float values[block_part];
  dequantize_part(type, table + in_table * block_bytes, static_cast<int>(part % parts), values);
  float* const to = x + std::size_t{blockIdx.y} * width + part * block_part;
  for (int i = 0; i < block_part; ++i) put<add>(to + i, values[i]);
}

}  // namespace

cuda_embedding::cuda_embedding(executor& exec, const tensor& table)
    : type_(table.mask == nullptr ? table.type : tensor_type::f32), width_(table.cols) {
  if (table.mask == nullptr) {
    bytes_ = to_device(exec, sparsellm::vector_view<const std::byte>(table.data, table.bytes));
    return;
  }
  std::vector<float> rows(table.rows * table.cols);
  for (std::size_t r = 0; r < table.rows; ++r)
    dequantize_row(table, r, sparsellm::vector_view<float>(&rows[r * table.cols], table.cols));
  bytes_ = to_device(
      exec, sparsellm::vector_view<const std::byte>(reinterpret_cast<const std::byte*>(rows.data()),
                                                    rows.size() * sizeof(float)));
  exec.wait();
}

template <bool add, class Row>
void cuda_embedding::launch(executor& exec, const Row& row_of, std::size_t tokens, float* x) const {
  const auto width = static_cast<unsigned>(width_);
  const auto grid = [&](unsigned pieces) {
    return dim3((pieces + threads - 1) / threads, static_cast<unsigned>(tokens));
  };
  const auto plain = [&](auto* table) {
    plain_rows_kernel<add><<<grid(width), threads, 0, exec.stream()>>>(table, width, row_of, x);
  };
  switch (type_) {
    case tensor_type::f32: plain(reinterpret_cast<const float*>(bytes_.data())); break;
    case tensor_type::f16: plain(reinterpret_cast<const sparsellm::half*>(bytes_.data())); break;
    case tensor_type::bf16:
      plain(reinterpret_cast<const sparsellm::bfloat16*>(bytes_.data()));
      break;
    default: {
      const tensor_type_info& info = *info_of(static_cast<std::uint32_t>(type_));
      block_rows_kernel<add><<<grid(width / block_part), threads, 0, exec.stream()>>>(
          reinterpret_cast<const std::uint8_t*>(bytes_.data()), type_,
          static_cast<unsigned>(info.block), static_cast<unsigned>(info.bytes), width, row_of, x);
    }
  }
  check(cudaGetLastError(), "cuda_embedding");
}

void cuda_embedding::look_up(executor& exec, const std::int32_t* ids, std::size_t tokens,
                             float* x) const {
  launch<false>(exec, by_id{ids}, tokens, x);
}

void cuda_embedding::add_positions(executor& exec, cached_rows at, std::size_t offset,
                                   std::size_t tokens, float* x) const {
  launch<true>(exec, by_position{at, offset}, tokens, x);
}

}  // namespace llama

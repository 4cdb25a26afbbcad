// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// 2:4 weights to CUTLASS's order of metadata and back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/prune.cuh"
#include "sparsellm/pack/nm_weight.hpp"
#include "sparsellm/pack/semi_structured.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned metadata_threads = 128;

// Threads are numbered row after row, `each` a row: 2^31 - 1 blocks in one dimension reach any
// weight, where the others have 65,535.
struct metadata_place {
  std::size_t row, in_row;
};
[[nodiscard]] SPARSELLM_HD constexpr metadata_place place_of_thread(unsigned block, unsigned thread,
                                                                    std::size_t each) {
  const std::size_t i = std::size_t{block} * metadata_threads + thread;
  return {i / each, i % each};
}

// values [outputs][inputs / 2] and metadata of a weight whose strips and cells are all full. A
// thread a metadata element.
template <class T>
static __global__ void to_semi_structured_kernel(
    const __grid_constant__ nm_weight<T> w, T* values,
    typename semi_structured<T>::metadata_element* metadata) {
  using S = semi_structured<T>;
  constexpr unsigned channels = 4 * S::groups;
  const std::size_t inputs = w.shape.inputs;
  const auto [row, column] = place_of_thread(blockIdx.x, threadIdx.x, inputs / channels);
  if (row >= w.shape.outputs) return;
  const std::size_t c = column * channels, cell = c / cell_lanes, lane = c % cell_lanes;
  const std::size_t strip = row / nm_strip_outputs, in_strip = row % nm_strip_outputs;
  const std::uint64_t bits = w.masks(strip, cell)[in_strip] >> lane;
  std::uint32_t element = 0;
  for (unsigned g = 0; g < S::groups; ++g) {
    std::uint32_t indices = 0, shift = 0;
    for (std::uint32_t i = 0; i < 4; ++i)
      if ((bits >> (4 * g + i) & 1u) != 0) {
        indices |= i << shift;
        shift += 2;
      }
    element |= indices << 4 * g;
  }
  metadata[S::place(row, column, w.shape.outputs)] =
      static_cast<typename S::metadata_element>(element);
  const T* const from = w.values(strip, cell) + in_strip * w.values_per_output + lane / 2;
  T* const to = values + (row * inputs + c) / 2;
  for (unsigned k = 0; k < channels / 2; ++k) to[k] = from[k];
}

// The inverse. storage: of n_of_m<T, 2, 4>. wrong_order, wrong_value: the first weight whose
// indices do not ascend, and that is not finite. A thread a cell of a row.
template <class T>
static __global__ void from_semi_structured_kernel(
    const T* values, const typename semi_structured<T>::metadata_element* metadata,
    const __grid_constant__ nm_weight<T> w, std::byte* storage, first_wrong* wrong_order,
    first_wrong* wrong_value) {
  using S = semi_structured<T>;
  constexpr unsigned channels = 4 * S::groups;
  const std::size_t inputs = w.shape.inputs;
  const auto [row, cell] = place_of_thread(blockIdx.x, threadIdx.x, w.cells());
  if (row >= w.shape.outputs) return;
  const std::size_t strip = row / nm_strip_outputs, in_strip = row % nm_strip_outputs;
  std::uint64_t mask = 0;
  for (unsigned lane = 0; lane < cell_lanes; lane += channels) {
    const std::size_t c = cell * cell_lanes + lane;
    if (c >= inputs) {  // the last cell may be half a one: what pads it keeps zeros
      mask |= (0x3333333333333333u >> (64 - channels)) << lane;
      continue;
    }
    const std::uint32_t element = metadata[S::place(row, c / channels, w.shape.outputs)];
    for (unsigned g = 0; g < S::groups; ++g) {
      const std::uint32_t bits = element >> 4 * g & 15u;
      if ((bits & 3u) >= bits >> 2)
        atomicMin(wrong_order, static_cast<first_wrong>(row * inputs + c + 4 * g));
      mask |= std::uint64_t{(1u << (bits & 3u)) | (1u << (bits >> 2))} << (lane + 4 * g);
    }
  }
  std::byte* const at = storage + (strip * w.cells() + cell) * w.cell_bytes();
  reinterpret_cast<std::uint64_t*>(at)[in_strip] = mask;
  T* const to = reinterpret_cast<T*>(at + nm_strip_outputs * 8) + in_strip * w.values_per_output;
  const T* const from = values + (row * inputs + cell * cell_lanes) / 2;
  const auto left = static_cast<unsigned>((inputs - cell * cell_lanes) / 2);
  for (unsigned k = 0; k < min(left, static_cast<unsigned>(cell_lanes / 2)); ++k) {
    if constexpr (storage_scalar<T>)
      if (!(fabsf(widen(from[k])) <= 3.402823466e38f))
        atomicMin(wrong_value,
                  static_cast<first_wrong>((row * inputs + cell * cell_lanes) / 2 + k));
    to[k] = from[k];
  }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

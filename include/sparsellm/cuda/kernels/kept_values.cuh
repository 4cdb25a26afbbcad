// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Two kept values side by side, as tensor cores multiply them: 16-bit numbers as they are, levels
// of 8 bits as bfloat16.
#pragma once

#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/level_pairs.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <class T>
struct kept_values {
  static_assert(storage_scalar<T> && sizeof(T) == 2);
  using number = T;
  static constexpr unsigned terms = 1;         // of an activation
  static constexpr std::uint32_t nothing = 0;  // two weights that are not kept
  // The lower (0) or upper (1) of the two.
  __device__ static void put(std::uint32_t& pair, unsigned half, T v) {
    pair |= std::uint32_t{v.bits} << 16 * half;
  }
  __device__ static std::uint32_t numbers(std::uint32_t pair) { return pair; }
};

template <>
struct kept_values<std::int8_t> {
  using number = bfloat16;
  static constexpr unsigned terms = 2;
  static constexpr std::uint32_t nothing = 0x00800080u;
  __device__ static void put(std::uint32_t& pair, unsigned half, std::int8_t v) {
    pair ^= std::uint32_t{static_cast<std::uint8_t>(v)} << 16 * half;
  }
  __device__ static std::uint32_t numbers(std::uint32_t pair) { return bytes_to_pair(pair); }
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

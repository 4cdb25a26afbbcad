// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which elements are packed and multiplied on a device.
#pragma once

#include <concepts>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/pack/element.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Not GGUF's K-quants, levels of 5 bits and those of a table.
template <class T>
inline constexpr bool has_kernels = storage_scalar<T> || std::same_as<T, std::int8_t>;
template <quantized_element Q>
inline constexpr bool has_kernels<Q> = (Q::bits == 8 || Q::bits == 4) && !Q::non_linear;

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The owning array of each memory space, so that what holds memory is written once for all of them.
#pragma once

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Specialised by each space: `type` owns elements T, with data() and size().
template <class T, class Space>
struct memory_in;

template <class T>
struct memory_in<T, host_space> {
  using type = buffer<T>;
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The owning array of elements T in the memory of Space: buffer<T> on the host, and
// cuda::device_buffer<T> on a device once cuda.cuh is included.
template <class T, class Space>
using memory = typename detail::memory_in<T, Space>::type;

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The owning array of each memory space, so that what holds memory is written once for all of them.
#pragma once

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Specialised by each space: `type` owns elements T, with data() and size().
template <class T, class Space>
struct memory_in;

template <class T>
struct memory_in<T, host_space> {
  using type = buffer<T>;
};

// memory<std::byte, host_space> is buffer<std::byte>.
template <class T, class Space>
using memory = typename memory_in<T, Space>::type;

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

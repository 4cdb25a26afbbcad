// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The calling thread alone, with memory of its own: one for each thread of an engine that divides
// the work itself (multiply_slice()).
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/cpu/executors/executor_base.hpp"

namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE {

// The executor of one thread. Models host_executor.
class serial_executor : public executor_base {
 public:
  // As host_executor says.
  [[nodiscard]] std::size_t concurrency() const noexcept { return 1; }

  // Calls body(i) on the calling thread, i ascending.
  template <class Body>
  void parallel_for(std::size_t count, const Body& body) {
    for (std::size_t i = 0; i < count; ++i) body(i);
  }
};

static_assert(host_executor<serial_executor>);

}  // namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE

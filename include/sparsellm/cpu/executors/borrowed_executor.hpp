// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Your threads: wraps a function that an engine already has.
//
//   cpu::borrowed_executor exec(8, [&](std::size_t count, auto&& body) { pool.run(count, body); });
#pragma once

#include <cstddef>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/cpu/executors/executor_base.hpp"

namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE {

// run(count, body) must call body(i) once for every i in [0, count) and return when all calls have;
// body is callable from any thread. host_executor's laws are the caller's to keep.
template <class Run>
class borrowed_executor : public executor_base {
 public:
  // `concurrency`: into how many tasks work is cut. Throws value_error for 0.
  borrowed_executor(std::size_t concurrency, Run run)
      : concurrency_(concurrency), run_(std::move(run)) {
    require<value_error>(concurrency >= 1, "borrowed_executor: at least 1 thread expected, got 0");
  }

  // As the constructor was told.
  [[nodiscard]] std::size_t concurrency() const noexcept { return concurrency_; }

  // Calls the function that was lent.
  template <class Body>
  void parallel_for(std::size_t count, const Body& body) {
    run_(count, body);
  }

 private:
  std::size_t concurrency_;
  Run run_;
};

}  // namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE

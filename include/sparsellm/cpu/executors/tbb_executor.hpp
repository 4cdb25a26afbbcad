// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs in a oneTBB task arena. Needs oneTBB 2021 and linking with it.
#pragma once

#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/cpu/executors/executor_base.hpp"

namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE {

// Models host_executor.
class tbb_executor : public executor_base {
 public:
  // As many threads as oneTBB would use.
  tbb_executor() = default;
  // Throws value_error for no threads.
  explicit tbb_executor(std::size_t threads) : arena_(static_cast<int>(threads)) {
    require<value_error>(threads >= 1, "tbb_executor: at least 1 thread expected, got 0");
  }

  // How many threads the arena has.
  [[nodiscard]] std::size_t concurrency() const {
    return static_cast<std::size_t>(arena_.max_concurrency());
  }

  // As host_executor says.
  template <class Body>
  void parallel_for(std::size_t count, const Body& body) {
    // Tasks are few and already balanced: nothing to split further.
    arena_.execute(
        [&] { tbb::parallel_for(std::size_t{0}, count, body, tbb::static_partitioner{}); });
  }

 private:
  tbb::task_arena arena_;
};

static_assert(host_executor<tbb_executor>);

}  // namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs on OpenMP's threads: for programs that already have them. Compile with -fopenmp; without it
// the pragma is ignored and everything runs on the calling thread.
#pragma once

#include <omp.h>

#include <cstddef>
#include <exception>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/cpu/executors/executor_base.hpp"

namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE {

// Models host_executor.
class openmp_executor : public executor_base {
 public:
  // As many threads as OpenMP would use.
  openmp_executor() : openmp_executor(static_cast<std::size_t>(omp_get_max_threads())) {}
  // Throws value_error for no threads.
  explicit openmp_executor(std::size_t threads) : threads_(threads) {
    require<value_error>(threads >= 1, "openmp_executor: at least 1 thread expected, got 0");
  }

  // How many threads a parallel region asks for.
  [[nodiscard]] std::size_t concurrency() const noexcept { return threads_; }

  // As host_executor says; one of the exceptions that bodies throw is rethrown at the end.
  template <class Body>
  void parallel_for(std::size_t count, const Body& body) {
    std::exception_ptr failure;
#pragma omp parallel for schedule(static) num_threads(static_cast<int>(threads_))
    for (std::size_t i = 0; i < count; ++i) {
#if SPARSELLM_HAS_EXCEPTIONS
      try {
        body(i);
      } catch (...) {  // an exception may not leave an OpenMP region
#pragma omp critical(sparsellm_openmp_executor)
        failure = std::current_exception();
      }
#else
      body(i);
#endif
    }
    if (failure != nullptr) std::rethrow_exception(failure);
  }

 private:
  std::size_t threads_;
};

static_assert(host_executor<openmp_executor>);

}  // namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE

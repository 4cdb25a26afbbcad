// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The library's own thread pool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/cpu/executors/executor_base.hpp"
#include "sparsellm/cpu/executors/fork_join.hpp"

namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE {

// A pool of threads, started by the constructor and joined by the destructor. Models host_executor.
class executor : public executor_base {
 public:
  static constexpr std::size_t max_threads = 1024;

  // As many threads as the machine runs at once. Starts them, and so throws what std::thread
  // throws.
  executor() : executor(hardware_threads()) {}

  // `threads` in [1, 1024], the calling one included. More than the machine has are allowed, and
  // slow. Throws value_error otherwise.
  explicit executor(std::size_t threads) : team_(threads) {
    require<value_error>(threads >= 1 && threads <= max_threads, "executor: 1 to ", max_threads,
                         " threads expected, got ", threads);
    workers_.reserve(threads - 1);
    for (std::size_t t = 1; t < threads; ++t)
      workers_.emplace_back([this, t] {
        detail::fork_join::follower seen;
        team_.follow(t, seen);
      });
  }
  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;
  ~executor() {
    team_.dismiss();
    for (std::thread& w : workers_) w.join();
  }

  // How many threads the machine runs at once; at least 1.
  [[nodiscard]] static std::size_t hardware_threads() noexcept {
    return detail::hardware_threads();
  }

  // How many threads there are, the calling one included.
  [[nodiscard]] std::size_t concurrency() const noexcept { return team_.threads(); }

  // As host_executor says. Each thread takes one contiguous range of indices first, so that it
  // reads one stream, and then what others have not begun of theirs; while other programs keep
  // taking threads off their cores the calling one works alone. Waits: spins for as long as its own
  // share took, then sleeps. Allocates nothing.
  template <class Body>
  void parallel_for(std::size_t count, const Body& body) {
    team_.run(count, body);
  }

 private:
  detail::fork_join team_;
  std::vector<std::thread> workers_;
};

static_assert(host_executor<executor>);

}  // namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The library's own thread pool. A decode step forks and joins a hundred times for work of a few
// microseconds, so workers spin for a while before they sleep; with more threads than cores they
// sleep at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/cpu/executors/executor_base.hpp"
#include "sparsellm/cpu/executors/waitable.hpp"
#include "sparsellm/cpu/isa/target.hpp"

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
  explicit executor(std::size_t threads)
      : threads_(threads), spins_(threads <= hardware_threads() ? 20000 : 0) {
    require<value_error>(threads >= 1 && threads <= max_threads, "executor: 1 to ", max_threads,
                         " threads expected, got ", threads);
    workers_.reserve(threads - 1);
    for (std::size_t t = 1; t < threads; ++t) workers_.emplace_back([this, t] { work(t); });
  }
  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;
  ~executor() {
    job_ = {};
    start();
    for (std::thread& w : workers_) w.join();
  }

  // How many threads the machine runs at once; at least 1.
  [[nodiscard]] static std::size_t hardware_threads() noexcept {
    const unsigned n = std::thread::hardware_concurrency();
    return n == 0 ? 1 : n;
  }

  // How many threads there are, the calling one included.
  [[nodiscard]] std::size_t concurrency() const noexcept { return threads_; }

  // As host_executor says. Each thread takes one contiguous range of indices, so that it reads one
  // stream. Allocates nothing.
  template <class Body>
  void parallel_for(std::size_t count, const Body& body) {
    if (threads_ == 1 || count <= 1) {
      for (std::size_t i = 0; i < count; ++i) body(i);
      return;
    }
    failure_ = nullptr;
    job_ = {[](const void* b, std::size_t i) { (*static_cast<const Body*>(b))(i); }, &body, count};
    pending_.start_at(static_cast<std::uint32_t>(threads_ - 1));
    start();
    run_share(0);
    for (std::size_t spin = 0; pending_.load() != 0; ++spin) {
      if (spin < spins_)
        pause();
      else if (const std::uint32_t left = pending_.load(); left != 0)
        pending_.wait(left);
    }
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

 private:
  struct job {
    void (*call)(const void* body, std::size_t i) = nullptr;  // null: stop
    const void* body = nullptr;
    std::size_t count = 0;
  };

  static void pause() noexcept {
#if SPARSELLM_ARCH_X86
    __builtin_ia32_pause();
#elif SPARSELLM_ARCH_ARM64
    __asm__ volatile("yield");
#endif
  }

  void start() noexcept {
    generation_.increment();
    generation_.notify();
  }

  void work(std::size_t t) {
    std::uint32_t seen = 0;
    for (;;) {
      for (std::size_t spin = 0; generation_.load() == seen; ++spin) {
        if (spin < spins_)
          pause();
        else
          generation_.wait(seen);
      }
      ++seen;
      if (job_.call == nullptr) return;
      run_share(t);
      if (pending_.decrement() == 0) pending_.notify();
    }
  }

  void run_share(std::size_t t) noexcept {
    const std::size_t first = job_.count * t / threads_, last = job_.count * (t + 1) / threads_;
#if SPARSELLM_HAS_EXCEPTIONS
    try {
      for (std::size_t i = first; i < last; ++i) job_.call(job_.body, i);
    } catch (...) {
      const std::lock_guard lock(failure_mutex_);
      if (failure_ == nullptr) failure_ = std::current_exception();
    }
#else
    for (std::size_t i = first; i < last; ++i) job_.call(job_.body, i);
#endif
  }

  std::size_t threads_;
  std::size_t spins_;
  job job_;
  std::exception_ptr failure_;
  std::mutex failure_mutex_;
  // Apart from each other: workers write one while they read the other.
  alignas(64) detail::waitable generation_;
  alignas(64) detail::waitable pending_;
  std::vector<std::thread> workers_;
};

static_assert(host_executor<executor>);

}  // namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE

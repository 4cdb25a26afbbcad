// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How one thread hands work to others that are there already, and waits for them. A decode step
// forks and joins a hundred times for work of a few microseconds, so threads spin for a while
// before they sleep; with more threads than cores they sleep at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/executors/waitable.hpp"
#include "sparsellm/cpu/isa/target.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// At least 1.
[[nodiscard]] inline std::size_t hardware_threads() noexcept {
  const unsigned n = std::thread::hardware_concurrency();
  return n == 0 ? 1 : n;
}

// Thread 0 leads: it runs work and dismisses the others. Threads 1 and on follow.
class fork_join {
 public:
  explicit fork_join(std::size_t threads) noexcept
      : threads_(threads), spins_(threads <= hardware_threads() ? 20000 : 0) {}

  [[nodiscard]] std::size_t threads() const noexcept { return threads_; }

  // body(0) to body(count - 1), each thread one contiguous range, so that it reads one stream.
  // Returns when all are done; an exception of a body is rethrown then.
  template <class Body>
  void run(std::size_t count, const Body& body) {
    if (threads_ == 1 || count <= 1) {
      for (std::size_t i = 0; i < count; ++i) body(i);
      return;
    }
    failure_ = nullptr;
    start({[](const void* b, std::size_t i) { (*static_cast<const Body*>(b))(i); }, &body, count});
    run_share(0);
    meet();
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

  // The others return from follow().
  void dismiss() noexcept { start({}); }

  // Waits until the others are done with what was started last.
  void meet() noexcept {
    for (std::size_t spin = 0; pending_.load() != 0; ++spin) {
      if (spin < spins_)
        pause();
      else if (const std::uint32_t left = pending_.load(); left != 0)
        pending_.wait(left);
    }
  }

  // Thread t takes its share of everything that is run, until it is dismissed. `seen` counts what
  // was started so far: 0 at first, and kept from one call to the next.
  void follow(std::size_t t, std::uint32_t& seen) noexcept {
    for (;;) {
      for (std::size_t spin = 0; generation_.load() == seen; ++spin) {
        if (spin < spins_)
          pause();
        else
          generation_.wait(seen);
      }
      ++seen;
      const bool dismissed = job_.call == nullptr;
      if (!dismissed) run_share(t);
      if (pending_.decrement() == 0) pending_.notify();
      if (dismissed) return;
    }
  }

 private:
  struct job {
    void (*call)(const void* body, std::size_t i) = nullptr;  // null: dismissed
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

  void start(job next) noexcept {
    job_ = next;
    pending_.start_at(static_cast<std::uint32_t>(threads_ - 1));
    generation_.increment();
    generation_.notify();
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
  // Apart from each other: followers write one while they read the other.
  alignas(64) waitable generation_;
  alignas(64) waitable pending_;
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

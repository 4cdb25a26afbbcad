// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A number that threads sleep on until it changes. Not std::atomic's own wait: that one's functions
// are shared by all files of a program, so that one file's -march gets into another (atomic
// instructions of Armv8.1 on an Armv8.0 machine), and without futexes it has been seen to hang
// (libstdc++ 12 on Windows).
#pragma once

#include <atomic>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#if SPARSELLM_HAS_FUTEX
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <condition_variable>
#include <mutex>
#endif

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

class waitable {
 public:
  [[nodiscard]] std::uint32_t load() const noexcept {
    return value_.load(std::memory_order_acquire);
  }
  // Before other threads look at it.
  void start_at(std::uint32_t value) noexcept { value_.store(value, std::memory_order_relaxed); }

  // These return what the number becomes. In one order with waiting_, so that either notify() sees
  // who waits or wait() sees the change.
  std::uint32_t increment() noexcept { return value_.fetch_add(1, std::memory_order_seq_cst) + 1; }
  std::uint32_t subtract(std::uint32_t n) noexcept {
    return value_.fetch_sub(n, std::memory_order_seq_cst) - n;
  }

  // Sleeps while the number is `old`; may return before it changes.
  void wait(std::uint32_t old) noexcept {
    waiting_.fetch_add(1, std::memory_order_seq_cst);
    if (value_.load(std::memory_order_seq_cst) == old) sleep(old);
    waiting_.fetch_sub(1, std::memory_order_relaxed);
  }

  // Wakes all who wait; call after a change.
  void notify() noexcept {
    if (waiting_.load(std::memory_order_seq_cst) != 0) wake();
  }

 private:
#if SPARSELLM_HAS_FUTEX
  static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t) &&
                std::atomic<std::uint32_t>::is_always_lock_free);
  // The kernel compares with `old` itself.
  void sleep(std::uint32_t old) noexcept {
    ::syscall(SYS_futex, &value_, FUTEX_WAIT_PRIVATE, old, nullptr);
  }
  void wake() noexcept { ::syscall(SYS_futex, &value_, FUTEX_WAKE_PRIVATE, 0x7fffffff); }
#else
  void sleep(std::uint32_t old) noexcept {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return value_.load(std::memory_order_seq_cst) != old; });
  }
  void wake() noexcept {
    {
      const std::lock_guard lock(mutex_);
    }  // who has seen the old number sleeps by now
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
#endif
  std::atomic<std::uint32_t> value_{0};
  std::atomic<std::uint32_t> waiting_{0};
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

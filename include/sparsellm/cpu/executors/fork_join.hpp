// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How one thread hands work to others that are there already, and waits for it. A decode step forks
// and joins a hundred times for work of a few microseconds, so threads spin for a while before they
// sleep. On a machine with other programs a thread may be off its core for milliseconds: its work
// is taken by those that run, nobody waits for a thread that has begun nothing, and who waits for
// one that has soon sleeps, so that the system can run it on the core that this leaves; where that
// keeps happening the others rest for a while (docs/decisions/0020, crowding.hpp).
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/executors/crowding.hpp"
#include "sparsellm/cpu/executors/waitable.hpp"
#include "sparsellm/cpu/isa/target.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// At least 1.
[[nodiscard]] inline std::size_t hardware_threads() noexcept {
  const unsigned n = std::thread::hardware_concurrency();
  return n == 0 ? 1 : n;
}

struct fork_join_tuning {
  // How long threads spin. Who waits for the end of a loop: as long as its own share took, and at
  // least this; who waits for the next loop: this. Less made forks on a quiet machine slower, more
  // those on a busy one, where it was tried.
  static constexpr std::chrono::microseconds for_the_end{20}, for_the_next{100};
  // Pauses between two looks at the clock, and before others' work is taken.
  static constexpr unsigned pauses = 32;
  // Tasks a thread, at most: taking one costs an atomic operation.
  static constexpr std::size_t tasks = 64;
};

// Thread 0 leads: it runs loops and dismisses the others. Threads 1 and on follow.
class fork_join {
 public:
  // What a thread that follows has seen of the leader's calls.
  struct follower {
    std::uint32_t loops = 0, dismissals = 0;
  };

  // Throws std::bad_alloc.
  explicit fork_join(std::size_t threads)
      : threads_(threads),
        spins_(threads <= hardware_threads()),
        taken_(threads),
        crowding_(threads) {}

  [[nodiscard]] std::size_t threads() const noexcept { return threads_; }

  // body(0) to body(count - 1). Each thread has one contiguous range, so that it reads one stream,
  // and takes of the others' what they have not begun when it is done. Returns when all calls have;
  // an exception of a body is rethrown then.
  template <class Body>
  void run(std::size_t count, const Body& body) {
    if (threads_ == 1 || count <= 1) {
      for (std::size_t i = 0; i < count; ++i) body(i);
      return;
    }
    const clock::time_point begun = clock::now();
    if (crowding_.alone(begun)) {
      for (std::size_t i = 0; i < count; ++i) body(i);
      crowding_.was_alone(begun, clock::now());
      return;
    }
    failure_ = nullptr;
    const std::uint32_t loop = start(
        [](const void* b, std::size_t i) { (*static_cast<const Body*>(b))(i); }, &body, count);
    std::size_t taken = take(0, 0, loop);
    clock::time_point done{};
    wait(
        unfinished_, [](std::uint32_t tasks) { return tasks == 0; },
        [&] {
          const clock::duration share = clock::now() - begun;
          taken += help(0, loop);
          done = clock::now();
          return std::max<clock::duration>(fork_join_tuning::for_the_end, share);
        });
    const clock::time_point end = clock::now();
    if (taken == tasks_of(count))
      crowding_.add_missed(begun, end);
    else if (end - begun > crowding_tuning::counted_wait)
      crowding_.add(begun, first_done(begun, done == clock::time_point() ? end : done), end);
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

  // The others return from follow(), each once.
  void dismiss() noexcept {
    inside_.start_at(static_cast<std::uint32_t>(threads_ - 1));
    dismissals_.fetch_add(1, std::memory_order_release);
    start(nullptr, nullptr, 0);
  }
  // Waits until the others have returned from follow() for the last dismissal.
  void meet() noexcept {
    wait(
        inside_, [](std::uint32_t others) { return others == 0; },
        [] { return fork_join_tuning::for_the_end; });
  }

  // Thread t takes its share of everything that is run, until it is dismissed. `seen` is kept from
  // one call to the next.
  void follow(std::size_t t, follower& seen) noexcept {
    while (dismissals_.load(std::memory_order_acquire) == seen.dismissals) {
      wait(
          generation_, [&](std::uint32_t loop) { return loop != seen.loops; },
          [&] {
            if (unfinished_.load() != 0) help(t, seen.loops);
            return fork_join_tuning::for_the_next;
          });
      seen.loops = generation_.load();
      take(t, t, seen.loops);
    }
    ++seen.dismissals;
    if (inside_.subtract(1) == 0) inside_.notify();
  }

 private:
  using clock = crowding::clock;
  using call = void (*)(const void* body, std::size_t i);

  // A loop. Two in turn, so that a thread that comes late reads no half of the next one: it looks
  // again which loop is run after it has read (a sequence lock).
  struct job {
    std::atomic<call> function{nullptr};
    std::atomic<const void*> body{nullptr};
    std::atomic<std::size_t> count{0};
  };
  // Of one thread's range, in the upper half the loop, in the lower the next task. A word of an
  // earlier loop says that nothing was taken yet.
  // And when the thread was last done with tasks, in ticks of the clock.
  struct alignas(64) next_task {
    std::atomic<std::uint64_t> word{0};
    std::atomic<clock::rep> done{0};
  };

  static void pause() noexcept {
#if SPARSELLM_ARCH_X86
    __builtin_ia32_pause();
#elif SPARSELLM_ARCH_ARM64
    __asm__ volatile("yield");
#endif
  }

  // Until ended(number). When that does not come at once calls meanwhile(), which says how long to
  // spin from then on, and after that sleeps; with more threads than cores it does not spin.
  template <class Ended, class Meanwhile>
  void wait(waitable& number, Ended ended, Meanwhile meanwhile) noexcept {
    clock::time_point until;
    for (unsigned spin = 1; !ended(number.load()); ++spin) {
      pause();
      if (spin % fork_join_tuning::pauses != 0) continue;
      if (spin == fork_join_tuning::pauses) until = clock::now() + meanwhile();
      if (spins_ && clock::now() < until) continue;
      if (const std::uint32_t now = number.load(); !ended(now)) number.wait(now);
    }
  }

  [[nodiscard]] std::size_t tasks_of(std::size_t count) const noexcept {
    return std::min(count, threads_ * fork_join_tuning::tasks);
  }

  // Returns the loop's number.
  std::uint32_t start(call function, const void* body, std::size_t count) noexcept {
    const std::uint32_t loop = generation_.load() + 1;
    job& next = jobs_[loop % 2];
    next.function.store(function, std::memory_order_release);
    next.body.store(body, std::memory_order_release);
    next.count.store(count, std::memory_order_release);
    unfinished_.start_at(static_cast<std::uint32_t>(tasks_of(count)));
    // Words of empty ranges would stay behind, until their loop's number comes round again.
    for (std::size_t t = 0; count < threads_ && t < threads_; ++t)
      if (count * t / threads_ == count * (t + 1) / threads_)
        taken_[t].word.store(std::uint64_t{loop} << 32 | 0xffffffff, std::memory_order_relaxed);
    generation_.increment();
    generation_.notify();
    return loop;
  }

  // Thread `me` runs what is left of thread t's range of that loop. A loop that has ended has
  // nothing left. Returns how many tasks that were.
  std::size_t take(std::size_t me, std::size_t t, std::uint32_t loop) noexcept {
    const job& current = jobs_[loop % 2];
    const call function = current.function.load(std::memory_order_acquire);
    const void* const body = current.body.load(std::memory_order_acquire);
    const std::size_t count = current.count.load(std::memory_order_acquire);
    if (generation_.load() != loop) return 0;
    const std::size_t tasks = tasks_of(count), last = tasks * (t + 1) / threads_;
    std::uint32_t done = 0;
    for (std::size_t task = 0; claim(t, loop, tasks * t / threads_, last, task); ++done)
      run_task(function, body, count * task / tasks, count * (task + 1) / tasks);
    if (done == 0) return 0;
    if (me != 0)
      taken_[me].done.store(clock::now().time_since_epoch().count(), std::memory_order_relaxed);
    if (unfinished_.subtract(done) == 0) unfinished_.notify();
    return done;
  }
  std::size_t help(std::size_t me, std::uint32_t loop) noexcept {
    std::size_t done = 0;
    for (std::size_t other = 1; other < threads_; ++other)
      done += take(me, (me + other) % threads_, loop);
    return done;
  }

  // When the first of the threads that ran tasks of a loop was done, the leader at `done`.
  [[nodiscard]] clock::time_point first_done(clock::time_point begun,
                                             clock::time_point done) const noexcept {
    for (std::size_t t = 1; t < threads_; ++t) {
      const clock::time_point other(
          clock::duration(taken_[t].done.load(std::memory_order_relaxed)));
      if (other > begun) done = std::min(done, other);
    }
    return done;
  }

  // The next task of thread t's range [first, last); false when there is none.
  bool claim(std::size_t t, std::uint32_t loop, std::size_t first, std::size_t last,
             std::size_t& task) noexcept {
    std::atomic<std::uint64_t>& word = taken_[t].word;
    std::uint64_t seen = word.load(std::memory_order_acquire);
    do {
      const auto of = static_cast<std::uint32_t>(seen >> 32);
      if (static_cast<std::int32_t>(of - loop) > 0) return false;
      task = of == loop ? static_cast<std::uint32_t>(seen) : first;
      if (task >= last) return false;
    } while (!word.compare_exchange_weak(seen, std::uint64_t{loop} << 32 | (task + 1),
                                         std::memory_order_acq_rel));
    return true;
  }

  void run_task(call function, const void* body, std::size_t first, std::size_t last) noexcept {
#if SPARSELLM_HAS_EXCEPTIONS
    try {
      for (std::size_t i = first; i < last; ++i) function(body, i);
    } catch (...) {
      const std::lock_guard lock(failure_mutex_);
      if (failure_ == nullptr) failure_ = std::current_exception();
    }
#else
    for (std::size_t i = first; i < last; ++i) function(body, i);
#endif
  }

  std::size_t threads_;
  bool spins_;
  job jobs_[2];
  std::atomic<std::uint32_t> dismissals_{0};
  std::exception_ptr failure_;
  std::mutex failure_mutex_;
  std::vector<next_task> taken_;
  crowding crowding_;
  // Apart from each other: followers write one while they read the other.
  alignas(64) waitable generation_;  // the number of the loop that is run
  alignas(64) waitable unfinished_;  // tasks of it
  waitable inside_;                  // followers that have not left since the last dismissal
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// When a team's leader is better off alone. Beside other programs the system takes threads off
// their cores for milliseconds, in the middle of a task as a rule, where nobody can help; loops of
// microseconds then wait most of the time, and one thread that is not waited for is faster
// (docs/decisions/0020).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

struct crowding_tuning {
  using milliseconds = std::chrono::milliseconds;
  // What a wait for others is at least to count: more than uneven shares and interrupts take, less
  // than a system's time slice.
  static constexpr std::chrono::microseconds counted_wait{500};
  // What a loop takes at least in which the leader ought to have had help.
  static constexpr std::chrono::microseconds shared_loop{10};
  // A loop that takes so long alone is better shared, whoever is off their core meanwhile.
  static constexpr milliseconds long_loop{20};
  // Waits are summed over a period, and then the others rest: twice as long when they come back to
  // the same, so that trying again costs a few per cent at most, and half as long when they do not.
  static constexpr milliseconds period{20}, shortest_rest{32}, longest_rest{512};
  // Of one thread's speed, what every other one is expected to add to work that waits for memory
  // (not measured): n threads that lose less than what makes them as slow as one go on.
  static constexpr double worth = 0.5;
};

class crowding {
 public:
  using clock = std::chrono::steady_clock;

  explicit crowding(std::size_t threads) noexcept
      : most_lost_(std::chrono::duration_cast<clock::duration>(
            crowding_tuning::period *
            (1.0 - 1.0 / (1.0 + crowding_tuning::worth * static_cast<double>(threads - 1))))) {}

  // Before each loop: whether the leader runs it alone.
  [[nodiscard]] bool alone(clock::time_point now) noexcept {
    if (now < rest_ends_) return true;
    const bool crowded = lost_ > most_lost_;
    if (!crowded && now - period_begun_ < crowding_tuning::period) return false;
    if (crowded) rest_ends_ = now + next_rest_;
    next_rest_ = crowded
                     ? std::min<clock::duration>(2 * next_rest_, crowding_tuning::longest_rest)
                     : std::max<clock::duration>(next_rest_ / 2, crowding_tuning::shortest_rest);
    period_begun_ = crowded ? rest_ends_ : now;
    lost_ = {};
    return crowded;
  }

  // After a loop of which some thread was done long before another: it waited for one that was off
  // its core.
  void add(clock::time_point begun, clock::time_point first_done, clock::time_point end) noexcept {
    const clock::duration wait = end - first_done;
    if (wait > std::max<clock::duration>(crowding_tuning::counted_wait, 4 * (first_done - begun)))
      lost_ += wait;
  }

  // After a loop that no other thread came for in time: they sleep, and waking them is in vain.
  void add_missed(clock::time_point begun, clock::time_point end) noexcept {
    if (end - begun > crowding_tuning::shared_loop) lost_ += end - begun;
  }

  // After a loop that the leader ran alone.
  void was_alone(clock::time_point begun, clock::time_point end) noexcept {
    if (end - begun > crowding_tuning::long_loop) rest_ends_ = end;
  }

 private:
  clock::duration most_lost_;  // of a period
  clock::duration lost_{}, next_rest_ = crowding_tuning::shortest_rest;
  clock::time_point period_begun_{}, rest_ends_{};
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// When a team's leader works alone, told with a clock of one's own.
#include "sparsellm/cpu/executors/crowding.hpp"

#include <chrono>
#include <cstddef>

#include "catch2_any.hpp"

using sparsellm::detail::crowding;
using sparsellm::detail::crowding_tuning;
using namespace std::chrono_literals;
using duration = crowding::clock::duration;

namespace {

// A team that runs loops one after the other.
struct team {
  explicit team(std::size_t threads) : rule(threads) {}
  crowding rule;
  crowding::clock::time_point now{1h};

  // One loop: the first thread is done after `share`, the last after `whole`. Whether it was run
  // alone, which takes as long as `single`.
  bool loop(duration share, duration whole, duration single) {
    const crowding::clock::time_point begun = now;
    const bool alone = rule.alone(begun);
    now += alone ? single : whole;
    if (alone)
      rule.was_alone(begun, now);
    else
      rule.add(begun, begun + share, now);
    return alone;
  }
  // Of loops for that time, how many were run alone, in per cent.
  double alone_of(duration time, duration share, duration whole, duration single) {
    std::size_t alone = 0, all = 0;
    for (const crowding::clock::time_point end = now + time; now < end; ++all)
      alone += loop(share, whole, single) ? 1 : 0;
    return 100.0 * static_cast<double>(alone) / static_cast<double>(all);
  }
};

}  // namespace

TEST_CASE("crowding: a quiet machine's threads never rest, however uneven their shares") {
  team even(2), uneven(2), wide(16);
  CHECK(even.alone_of(1s, 20us, 22us, 40us) == 0);
  CHECK(uneven.alone_of(1s, 100us, 400us, 500us) == 0);
  CHECK(uneven.alone_of(1s, 2ms, 8ms, 10ms) == 0);
  CHECK(wide.alone_of(1s, 20us, 60us, 300us) == 0);
}

TEST_CASE("crowding: one thread that was off its core once changes nothing") {
  team t(2);
  CHECK(t.alone_of(1s, 20us, 22us, 40us) == 0);
  CHECK_FALSE(t.loop(20us, 4ms, 40us));
  CHECK(t.alone_of(1s, 20us, 22us, 40us) == 0);
}

TEST_CASE("crowding: where threads keep being off their cores the leader works alone") {
  team t(2);
  // Four milliseconds of every eight, as a busy process's time slices.
  for (int i = 0; i < 200; ++i) {
    t.alone_of(4ms, 20us, 22us, 40us);
    t.loop(20us, 4ms, 40us);
  }
  CHECK(t.alone_of(4ms, 20us, 22us, 40us) == 100);
  // Trying again costs a few per cent: rests grow, and end when the machine is quiet.
  CHECK(t.alone_of(1s, 20us, 22us, 40us) > 0);
  CHECK(t.alone_of(1s, 20us, 22us, 40us) == 0);
}

TEST_CASE("crowding: a rest lasts no longer than its bound and ends before a long loop is over") {
  team t(2);
  for (int i = 0; i < 20; ++i)
    while (!t.loop(20us, 4ms, 40us)) {
    }
  const crowding::clock::time_point begun = t.now;
  while (t.loop(20us, 22us, 40us)) {
  }
  CHECK(t.now - begun <= crowding_tuning::longest_rest + 1ms);
  while (!t.loop(20us, 4ms, 40us)) {
  }
  CHECK(t.loop(10ms, 20ms, 30ms));        // alone, and long
  CHECK_FALSE(t.loop(10ms, 20ms, 30ms));  // shared again
}

TEST_CASE("crowding: many threads go on where two would rest") {
  team two(2), many(16);
  for (int i = 0; i < 200; ++i) {
    two.loop(20us, 1ms, 40us);
    two.alone_of(1ms, 20us, 22us, 40us);
    many.loop(20us, 1ms, 40us);
    CHECK(many.alone_of(1ms, 20us, 22us, 40us) == 0);
  }
  CHECK(two.alone_of(1ms, 20us, 22us, 40us) == 100);
}

TEST_CASE("crowding: loops that nobody else comes for in time are run alone, short ones apart") {
  team t(2);
  const auto missed = [&](duration whole) {
    const crowding::clock::time_point begun = t.now;
    if (t.rule.alone(begun)) return true;
    t.now += whole;
    t.rule.add_missed(begun, t.now);
    return false;
  };
  for (int i = 0; i < 10000; ++i) CHECK_FALSE(missed(5us));
  bool rested = false;
  for (int i = 0; i < 10000 && !rested; ++i) rested = missed(20us);
  CHECK(rested);
}

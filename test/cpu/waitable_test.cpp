// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Built twice: as this system does it, and with SPARSELLM_WITHOUT_FUTEX as others do.
#include "sparsellm/cpu/executors/waitable.hpp"

#include <thread>
#include <vector>

#include "catch2_any.hpp"

using sparsellm::detail::waitable;

TEST_CASE("waitable: counts, and does not wait for another number than the one there is") {
  waitable n;
  CHECK(n.load() == 0);
  n.start_at(2);
  CHECK(n.increment() == 3);
  CHECK(n.subtract(1) == 2);
  n.wait(3);
  n.notify();
  CHECK(n.load() == 2);
}

TEST_CASE("waitable: no change is slept through") {
  // Each thread waits for the other's turn to end; a notification that is lost hangs them both.
  constexpr std::uint32_t turns = 5000;
  waitable ping, pong;
  std::thread other([&] {
    for (std::uint32_t t = 0; t < turns; ++t) {
      while (ping.load() == t) ping.wait(t);
      pong.increment();
      pong.notify();
    }
  });
  for (std::uint32_t t = 0; t < turns; ++t) {
    ping.increment();
    ping.notify();
    while (pong.load() == t) pong.wait(t);
  }
  other.join();
  CHECK(ping.load() == turns);
  CHECK(pong.load() == turns);
}

TEST_CASE("waitable: every thread that waits is woken") {
  waitable go, done;
  std::vector<std::thread> threads;
  for (int t = 0; t < 5; ++t)
    threads.emplace_back([&] {
      for (std::uint32_t round = 0; round < 200; ++round) {
        while (go.load() == round) go.wait(round);
        done.increment();
        done.notify();
      }
    });
  for (std::uint32_t round = 0; round < 200; ++round) {
    go.increment();
    go.notify();
    for (std::uint32_t n = done.load(); n != 5 * (round + 1); n = done.load()) done.wait(n);
  }
  for (std::thread& t : threads) t.join();
  CHECK(done.load() == 1000);
}

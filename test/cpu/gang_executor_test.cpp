// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/cpu/executors/gang_executor.hpp"

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "cpu/adaptor_test.hpp"

using namespace sparsellm;

namespace {

// What an engine has: n threads, each of which calls f(t).
template <class F>
void on_threads(std::size_t n, const F& f) {
  std::vector<std::thread> threads;
  for (std::size_t t = 1; t < n; ++t) threads.emplace_back([&f, t] { f(t); });
  f(std::size_t{0});
  for (std::thread& t : threads) t.join();
}

}  // namespace

TEST_CASE("gang_executor: keeps the executor's laws and its bits, with members and alone") {
  for (const std::size_t members : {1, 2, 3, 4, 7}) {
    cpu::gang_executor gang(members);
    CHECK(gang.concurrency() == members);
    on_threads(members, [&](std::size_t t) { gang.enter(t, [&] { adaptor_laws(gang); }); });
    adaptor_laws(gang);  // nobody entered: the calling thread works alone
  }
}

TEST_CASE("gang_executor: every member takes a share") {
  cpu::gang_executor gang(3);
  std::vector<std::thread::id> by(3);
  std::atomic<int> inside{0};
  on_threads(3, [&](std::size_t t) {
    gang.enter(t, [&] {
      gang.parallel_for(by.size(), [&](std::size_t i) {
        by[i] = std::this_thread::get_id();
        ++inside;
        while (inside.load() != 3) std::this_thread::yield();
      });
    });
  });
  CHECK((by[0] != by[1] && by[1] != by[2] && by[0] != by[2]));
}

TEST_CASE("gang_executor: loops do not wait for a member that has not come") {
  cpu::gang_executor gang(2);
  std::atomic<bool> loops_done{false};
  std::size_t calls = 0;
  on_threads(2, [&](std::size_t t) {
    if (t == 1)
      while (!loops_done.load()) std::this_thread::yield();
    gang.enter(t, [&] {
      for (int loop = 0; loop < 10; ++loop) gang.parallel_for(5, [&](std::size_t) { ++calls; });
      loops_done = true;
    });
  });
  CHECK(calls == 50);
}

TEST_CASE("gang_executor: members enter again and again, with no barrier of their own between") {
  constexpr std::size_t members = 4, rounds = 3000;
  cpu::gang_executor gang(members);
  std::vector<std::size_t> sums(rounds);
  on_threads(members, [&](std::size_t t) {
    for (std::size_t round = 0; round < rounds; ++round)
      gang.enter(t, [&, round] {
        // None, one or several loops, of which those of one index fork nothing.
        std::atomic<std::size_t> sum{0};
        for (std::size_t loop = 0; loop < round % 4; ++loop)
          gang.parallel_for(round % 7, [&](std::size_t i) { sum += i; });
        sums[round] = sum;
      });
  });
  std::size_t wrong = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::size_t count = round % 7;
    wrong += sums[round] != round % 4 * (count == 0 ? 0 : count * (count - 1) / 2);
  }
  CHECK(wrong == 0);
}

TEST_CASE("gang_executor: what the work wrote is there for every member, whoever wrote it") {
  constexpr std::size_t members = 3;
  cpu::gang_executor gang(members);
  std::vector<int> written(300);  // plain: ThreadSanitizer sees who does not wait
  std::vector<int> sums(members);
  on_threads(members, [&](std::size_t t) {
    gang.enter(t,
               [&] { gang.parallel_for(written.size(), [&](std::size_t i) { written[i] = 1; }); });
    for (const int v : written) sums[t] += v;
  });
  CHECK(sums == std::vector<int>{300, 300, 300});
}

TEST_CASE("gang_executor: what the work throws reaches member 0 alone, and the gang goes on") {
  cpu::gang_executor gang(3);
  std::atomic<int> caught{0}, after{0};
  on_threads(3, [&](std::size_t t) {
    for (int round = 0; round < 20; ++round) {
      try {
        gang.enter(t, [&] {
          if (round % 2 == 0) throw std::out_of_range("of the work");
          gang.parallel_for(9, [&](std::size_t i) {
            if (i == 8) throw std::out_of_range("of a body");
          });
        });
      } catch (const std::out_of_range&) {
        caught += t == 0 ? 1 : 100;
      }
    }
    gang.enter(t, [&] { gang.parallel_for(9, [&](std::size_t) { ++after; }); });
  });
  CHECK(caught == 20);
  CHECK(after == 9);
}

TEST_CASE("gang_executor: gangs of several engines work at once") {
  cpu::gang_executor first(2), second(2);
  std::atomic<std::size_t> sums[2] = {0, 0};
  on_threads(4, [&](std::size_t t) {
    cpu::gang_executor& gang = t % 2 == 0 ? first : second;
    for (int round = 0; round < 500; ++round)
      gang.enter(t / 2, [&] { gang.parallel_for(8, [&](std::size_t i) { sums[t % 2] += i; }); });
  });
  CHECK(sums[0] == 500 * 28);
  CHECK(sums[1] == 500 * 28);
}

TEST_CASE("gang_executor: refuses impossible numbers") {
  CHECK_SAYS(cpu::gang_executor(0), value_error, "1 to 1024 members expected, got 0");
  CHECK_SAYS(cpu::gang_executor(5000), value_error, "got 5000");
  cpu::gang_executor gang(2);
  CHECK_SAYS(gang.enter(2, [] {}), value_error, "a member in [0, 2) expected, got 2");
}

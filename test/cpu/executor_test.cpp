// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/cpu/executors/executor.hpp"

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "catch2_any.hpp"
#include "laws/executor_laws.hpp"

using namespace sparsellm;

TEST_CASE("executor: keeps its laws for any number of threads") {
  for (const std::size_t threads : {1, 2, 3, 7}) {
    cpu::executor exec(threads);
    CHECK(exec.concurrency() == threads);
    executor_laws(exec);
  }
}

TEST_CASE("executor: refuses impossible thread counts and instruction sets") {
  CHECK_SAYS(cpu::executor(0), value_error, "1 to 1024 threads expected, got 0");
  CHECK_SAYS(cpu::executor(100000), value_error, "got 100000");
  cpu::executor exec(1);
  for (const cpu::isa i : cpu::all_isas)
    if (!cpu::supported(i)) CHECK_SAYS(exec.use(i), value_error, "this machine does not have");
}

TEST_CASE("executor: scratch grows and stays aligned") {
  cpu::executor exec(1);
  for (const std::size_t bytes : {1, 100, 5000, 10, 100000}) {
    std::byte* const p = exec.scratch(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(p) % 64 == 0);
    p[bytes - 1] = std::byte{1};
  }
}

TEST_CASE("executor: what a thread that is held up has not begun is done by the others") {
  cpu::executor exec(2);
  constexpr std::size_t tasks = 8;
  // Whoever runs the first task of a thread's range is held up until all others are done.
  std::atomic<std::size_t> done{0};
  exec.parallel_for(tasks, [&](std::size_t i) {
    if (i == 0)
      while (done.load() != tasks - 1) std::this_thread::yield();
    ++done;
  });
  CHECK(done == tasks);
  done = 0;
  exec.parallel_for(tasks, [&](std::size_t i) {
    if (i == tasks / 2)
      while (done.load() != tasks - 1) std::this_thread::yield();
    ++done;
  });
  CHECK(done == tasks);
}

TEST_CASE("executor: loops of any length follow each other, with more threads than cores too") {
  for (const std::size_t threads : {2, 3, 8}) {
    cpu::executor exec(threads);
    std::size_t wrong = 0;
    for (std::size_t round = 0; round < 4000; ++round) {
      const std::size_t count = round * 37 % 23 + (round % 100 == 0 ? 5000 : 0);
      std::vector<unsigned char> calls(count);  // plain: ThreadSanitizer sees an index run twice
      exec.parallel_for(count, [&](std::size_t i) { ++calls[i]; });
      for (const unsigned char c : calls) wrong += c != 1;
    }
    CHECK(wrong == 0);
  }
}

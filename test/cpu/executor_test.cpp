// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/cpu/executors/executor.hpp"

#include <atomic>
#include <stdexcept>
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

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/cpu/executors/tbb_executor.hpp"

#include "cpu/adaptor_test.hpp"

using namespace sparsellm;

TEST_CASE("tbb_executor: keeps the executor's laws") {
  cpu::tbb_executor exec(3);
  CHECK(exec.concurrency() == 3);
  adaptor_laws(exec);
  CHECK_SAYS(cpu::tbb_executor(0), value_error, "got 0");
}

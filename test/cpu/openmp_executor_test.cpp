// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/cpu/executors/openmp_executor.hpp"

#include "cpu/adaptor_test.hpp"

using namespace sparsellm;

TEST_CASE("openmp_executor: keeps the executor's laws") {
  cpu::openmp_executor exec(3);
  CHECK(exec.concurrency() == 3);
  adaptor_laws(exec);
  CHECK(cpu::openmp_executor().concurrency() >= 1);
  CHECK_SAYS(cpu::openmp_executor(0), value_error, "got 0");
}

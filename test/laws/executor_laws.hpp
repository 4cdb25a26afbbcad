// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Laws every host_executor keeps: each index once, all done on return, errors reach the caller and
// leave the executor usable, memory is aligned.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/core/executor.hpp"

template <sparsellm::host_executor E>
void executor_laws(E& exec) {
  REQUIRE(exec.concurrency() >= 1);
  for (const std::size_t count : {0, 1, 2, 3, 5, 64, 1000}) {
    for (int round = 0; round < 50; ++round) {
      std::vector<std::atomic<int>> calls(count);
      exec.parallel_for(count, [&](std::size_t i) { calls[i].fetch_add(1); });
      std::size_t wrong = 0;
      for (const auto& c : calls) wrong += c.load() != 1;
      REQUIRE(wrong == 0);
    }
  }
  CHECK_THROWS_AS(exec.parallel_for(16,
                                    [](std::size_t i) {
                                      if (i == 11) throw std::out_of_range("eleven");
                                    }),
                  std::out_of_range);
  std::atomic<int> after{0};
  exec.parallel_for(16, [&](std::size_t) { ++after; });
  CHECK(after == 16);

  auto memory = exec.template allocate<float>(10);
  CHECK(reinterpret_cast<std::uintptr_t>(memory.data()) % 64 == 0);
  exec.wait();
}

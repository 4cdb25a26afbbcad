// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/cpu/executors/borrowed_executor.hpp"

#include <exception>
#include <thread>
#include <vector>

#include "cpu/adaptor_test.hpp"

using namespace sparsellm;

namespace {

// What an engine might have: a thread for each task, and errors carried over.
struct engine_threads {
  template <class Body>
  void operator()(std::size_t count, const Body& body) const {
    std::vector<std::exception_ptr> failures(4);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        try {
          for (std::size_t i = t; i < count; i += 4) body(i);
        } catch (...) {
          failures[t] = std::current_exception();
        }
      });
    for (std::thread& t : threads) t.join();
    for (const auto& f : failures)
      if (f) std::rethrow_exception(f);
  }
};

}  // namespace

TEST_CASE("borrowed_executor: runs on the caller's threads") {
  cpu::borrowed_executor exec(4, engine_threads{});
  static_assert(host_executor<decltype(exec)>);
  adaptor_laws(exec);
  CHECK_SAYS(cpu::borrowed_executor(0, engine_threads{}), value_error, "got 0");
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A host executor without its type: what products run on, so that they are compiled once, whatever
// threads a program has. Costs an indirect call per task.
#pragma once

#include <cstddef>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/isa/isa.hpp"

namespace sparsellm::inline v0::detail {

// body(i) of a parallel_for, its type forgotten.
struct task_ref {
  void (*call)(const void* body, std::size_t i);
  const void* body;
  SPARSELLM_INLINE void operator()(std::size_t i) const { call(body, i); }
};

// The executor is borrowed.
struct executor_ref {
  void* object;
  void (*run)(void* object, std::size_t count, task_ref task);
  std::byte* (*memory)(void* object, std::size_t bytes);
  std::size_t threads;
  cpu::isa isa;

  template <class Body>
  SPARSELLM_INLINE void parallel_for(std::size_t count, const Body& body) const {
    run(object, count,
        {[](const void* b, std::size_t i) { (*static_cast<const Body*>(b))(i); }, &body});
  }
  [[nodiscard]] SPARSELLM_INLINE std::size_t concurrency() const noexcept { return threads; }
  [[nodiscard]] SPARSELLM_INLINE std::byte* scratch(std::size_t bytes) const {
    return memory(object, bytes);
  }
};

static_assert(std::is_trivially_copyable_v<executor_ref>);

}  // namespace sparsellm::inline v0::detail

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// An executor that does not say which instruction set to use gets the machine's best.
template <host_executor E>
[[nodiscard]] cpu::isa isa_of(const E& exec) {
  if constexpr (requires { exec.instruction_set(); })
    return exec.instruction_set();
  else
    return cpu::default_isa();
}

template <host_executor E>
[[nodiscard]] executor_ref ref(E& exec) {
  return {&exec,
          [](void* e, std::size_t count, task_ref task) {
            static_cast<E*>(e)->parallel_for(count, task);
          },
          [](void* e, std::size_t bytes) { return static_cast<E*>(e)->scratch(bytes); },
          exec.concurrency(), isa_of(exec)};
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

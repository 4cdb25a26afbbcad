// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What every CPU executor has besides threads: an instruction set, host memory, and scratch that
// is kept from one multiply to the next. Derive from it, add parallel_for() and concurrency(), and
// your type models host_executor.
#pragma once

#include <cstddef>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/isa/isa.hpp"

namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE {

// What a CPU executor derives from.
class executor_base {
 public:
  using space = host_space;

  // Uses the best instruction set of the machine. Throws value_error for a wrong SPARSELLM_ISA.
  executor_base() : isa_(default_isa()) {}

  // A buffer of n elements, uninitialised. Throws as buffer does.
  template <class T>
  [[nodiscard]] buffer<T> allocate(std::size_t n) const {
    return buffer<T>(n);
  }

  // parallel_for returns when the work is done: there is nothing left to wait for.
  void wait() const noexcept {}

  // The instruction set that products on this executor use.
  [[nodiscard]] isa instruction_set() const noexcept { return isa_; }
  // Uses another instruction set from now on. Throws value_error for one this machine does not
  // have.
  void use(isa i) {
    require<value_error>(supported(i), "executor: this machine does not have '", name(i), "'");
    isa_ = i;
  }

  // `bytes` bytes of scratch for one verb, aligned to 64; valid until the next call. Allocates when
  // it has to grow, and throws as buffer does.
  [[nodiscard]] std::byte* scratch(std::size_t bytes) {
    grow(scratch_, bytes);
    return scratch_.data();
  }
  // [n] floats that a verb keeps while it multiplies, aligned to 64; valid until the next call.
  // Allocates and throws as scratch().
  [[nodiscard]] vector_view<float> activations(std::size_t n) {
    grow(activations_, n);
    return {activations_.data(), n};
  }

 private:
  template <class T>
  static void grow(buffer<T>& memory, std::size_t size) {
    if (memory.size() >= size) return;
    memory = {};  // freed first: the old contents are worthless
    memory = buffer<T>(size + size / 4);
  }

  isa isa_;
  buffer<std::byte> scratch_;
  buffer<float> activations_;
};

}  // namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE

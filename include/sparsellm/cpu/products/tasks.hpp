// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What products cut their work with: shares of a range, tasks over parts and runs, and arrays in an
// executor's scratch.
#pragma once

#include <algorithm>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/kernels/vector_table.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Where arrays lie in an executor's scratch, each on its own cache lines.
class scratch_layout {
 public:
  template <class T>
  std::size_t reserve(std::size_t n) noexcept {
    const std::size_t at = bytes_;
    bytes_ += (n * sizeof(T) + 63) / 64 * 64;
    return at;
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

template <class T>
[[nodiscard]] T* at(std::byte* base, std::size_t offset) noexcept {
  return reinterpret_cast<T*>(base + offset);
}

// Task t of `tasks` over [0, count).
[[nodiscard]] constexpr index_range share(std::size_t count, std::size_t t,
                                          std::size_t tasks) noexcept {
  return {count * t / tasks, count * (t + 1) / tasks};
}

// The tasks of a product that is cut by channels. The parts are divided into `splits` shares; when
// there are more threads than parts, every channel is divided into `runs` of strips as well, at
// most `longest`, so that runs do not become short.
struct task_grid {
  std::size_t runs, splits;

  task_grid(std::size_t threads, std::size_t parts, std::size_t longest) noexcept
      : runs(std::clamp<std::size_t>(threads / parts, 1, std::max<std::size_t>(longest, 1))),
        splits(std::min(parts, (threads + runs - 1) / runs)) {}

  // The other way round: threads share the runs, at most `longest`, and only where there are more
  // of them the parts as well.
  static task_grid by_runs(std::size_t threads, std::size_t parts, std::size_t longest) noexcept {
    task_grid grid(threads, parts, 1);
    grid.runs = std::clamp<std::size_t>(longest, 1, threads);
    grid.splits = std::min(parts, (threads + grid.runs - 1) / grid.runs);
    return grid;
  }

  [[nodiscard]] std::size_t tasks() const noexcept { return runs * splits; }
  [[nodiscard]] std::size_t run(std::size_t task) const noexcept { return task % runs; }
  [[nodiscard]] std::size_t split(std::size_t task) const noexcept { return task / runs; }
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

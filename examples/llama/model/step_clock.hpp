// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Where the time of a decode step goes. Each part is charged what passed since the part before it
// ended, so parts add up to the step, and nothing between them is lost.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

namespace llama {

// The parts of a step. A product has in it what it does on the way: what sparsifies its input, its
// bias, and for `out` and `down` adding to the residual stream. `attention` is what stands between
// the products: rotation, the cache, scores and values. `gate_up` has the activation function.
// Where a norm is applied inside a product, `norms` is its factor alone.
enum class step_part { embedding, norms, qkv, attention, out, gate_up, down, head, choice };

inline constexpr std::array<std::string_view, 9> step_part_names{
    "embedding", "norms", "qkv", "attention", "out", "gate_up", "down", "head", "choice"};

class step_clock {
 public:
  using duration = std::chrono::steady_clock::duration;

  // A step begins: nothing is charged yet.
  void start() noexcept {
    spent_ = {};
    ends_ = {};
    begin_ = last_ = std::chrono::steady_clock::now();
  }
  // The part ends here, and the next begins. A part may end several times in a step.
  void passed(step_part part) noexcept {
    const auto now = std::chrono::steady_clock::now();
    spent_[index(part)] += now - last_;
    ++ends_[index(part)];
    last_ = now;
  }

  [[nodiscard]] duration spent(step_part part) const noexcept { return spent_[index(part)]; }
  // How often the part ended since start().
  [[nodiscard]] std::size_t ends(step_part part) const noexcept { return ends_[index(part)]; }
  // From start() to the end of the last part: the sum of all parts.
  [[nodiscard]] duration whole() const noexcept { return last_ - begin_; }

 private:
  [[nodiscard]] static std::size_t index(step_part part) noexcept {
    return static_cast<std::size_t>(part);
  }

  std::array<duration, step_part_names.size()> spent_{};
  std::array<std::size_t, step_part_names.size()> ends_{};
  std::chrono::steady_clock::time_point begin_{}, last_{};
};

}  // namespace llama

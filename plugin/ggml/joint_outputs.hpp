// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Outputs of stacked weights that were computed with the first of them. ggml's nodes of q, k and v
// have others between them, and the memory of a later one's outputs may be in use until then: so
// they wait here.
//
// Which products of a graph multiply the same input is known when the graph is planned, and only
// then is something computed ahead. ggml plans on the thread that leads the graph's team, and
// before every run: what a run left behind is dropped by the next plan. A graph that is planned by
// another thread computes each product by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "ggml.h"

namespace sparsellm_ggml {

class joint_outputs {
 public:
  // A graph is planned in which part `part` of a weight multiplies x.
  void plan(const void* weight, std::size_t part, const ggml_tensor& x) {
    entry& e = planned_[weight];
    const std::uint32_t bit = std::uint32_t{1} << part;
    if (e.x != &x || (e.parts & bit) != 0) e = {&x, 0};
    e.parts |= bit;
    if (owner_ == weight) ready_ = 0;
  }
  // Whether the plan has all parts of the weight multiply x.
  [[nodiscard]] bool plans_all(const void* weight, std::size_t parts, const ggml_tensor& x) const {
    const auto found = planned_.find(weight);
    return found != planned_.end() && found->second.x == &x &&
           found->second.parts == (std::uint32_t{1} << parts) - 1;
  }

  // Room for the outputs of all parts of a weight, which are then ready. Earlier ones are dropped.
  [[nodiscard]] float* compute(const void* weight, std::size_t parts, const ggml_tensor& x,
                               std::size_t size) {
    owner_ = weight;
    x_ = &x;
    ready_ = (std::uint32_t{1} << parts) - 1;
    if (outputs_.size() < size) outputs_.resize(size);
    return outputs_.data();
  }
  // What compute() gave, when a part of it is ready; it is ready once. Null when it is not.
  [[nodiscard]] const float* take(const void* weight, std::size_t part, const ggml_tensor& x) {
    const std::uint32_t bit = std::uint32_t{1} << part;
    if (owner_ != weight || x_ != &x || (ready_ & bit) == 0) return nullptr;
    ready_ &= ~bit;
    return outputs_.data();
  }

 private:
  struct entry {
    const ggml_tensor* x = nullptr;
    std::uint32_t parts = 0;
  };
  std::unordered_map<const void*, entry> planned_;
  const void* owner_ = nullptr;
  const ggml_tensor* x_ = nullptr;
  std::uint32_t ready_ = 0;
  std::vector<float> outputs_;
};

// The calling thread's.
[[nodiscard]] inline joint_outputs& the_joint_outputs() {
  thread_local joint_outputs outputs;
  return outputs;
}

}  // namespace sparsellm_ggml

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of one shape, timed in turn, so that what the machine does meanwhile meets them alike:
// every round runs each one's graph once. One line a product.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "cuda/measure/environment.hpp"
#include "cuda/measure/timed_graph.cuh"

namespace bench {

inline constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

struct contender {
  std::string name;
  double sparsity = 0;     // asked for
  double skipped = 0;      // of the channels, no token's; what the bytes count
  double bytes = 0;        // that a step has to read and write, scales and masks included
  double error = unknown;  // ‖y − exact‖ / ‖exact‖ in fp64
  std::size_t copies = 1;  // of its weight
  std::function<void(std::size_t)> step;  // gives the stream the product with copy i
  bool launched = false;                  // one launch after the other instead of a graph
  std::shared_ptr<void> owns;             // what step() uses
};

class contest {
 public:
  contest(environment& env, std::string part, sparsellm::extents shape, std::size_t tokens)
      : env_(env), part_(std::move(part)), shape_(shape), tokens_(tokens) {}

  // Adds what make() returns. Throws nothing: what fails is a line of its own.
  void add(const std::string& name, const std::function<contender()>& make);
  // Adds peers where they are and take so many tokens: cuBLASLt with the fastest of the algorithms
  // it suggests, and cuSPARSELt.
  void add_cublaslt();
  void add_cusparselt();
  // Times and prints all of them.
  void run();

 private:
  struct entry;
  void add_peer(const char* name, std::unique_ptr<cuda_peer> (*make)());
  void print(const entry& of, double cublaslt, double cusparselt) const;

  environment& env_;
  std::string part_;
  sparsellm::extents shape_;
  std::size_t tokens_;
  std::vector<contender> contenders_;
};

// Seconds of each of `rounds` runs of a graph of at least env.least_graph_seconds, per step.
class repeated_steps {
 public:
  repeated_steps(environment& env, const contender& what);
  [[nodiscard]] double run();  // seconds a step
  [[nodiscard]] std::size_t steps() const noexcept { return steps_; }

 private:
  void capture(std::size_t steps);
  environment& env_;
  const contender& what_;
  timer timer_;
  std::unique_ptr<timed_graph> graph_;
  std::size_t steps_ = 0;
};

// The library's own choice is not always the fastest: all that it suggests are timed. what: the
// peer's product.
void choose_fastest(environment& env, cuda_peer& peer, const contender& what);

}  // namespace bench

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What every part of a run has: the device, a host to pack on, how large and how long it may be.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "cuda/measure/card.hpp"
#include "cuda/measure/peers.hpp"
#include "shapes.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cuda/executor.cuh"

namespace bench {

struct environment {
  sparsellm::cuda::executor exec;
  sparsellm::cpu::executor host;
  bench::card card;
  bool tiny = false;               // as small as rehearses it: times then mean nothing
  bool peers = true;               // other libraries' products, too
  std::size_t most_shapes = 6;     // of each list of shapes, the first so many
  double copied_per_second = 0;    // bytes read and written by a large copy of this process
  double least_graph_seconds = 0;  // of a timed graph, so that its launch does not show
  double warm_up_seconds = 0;      // of a contest, until the clocks have risen
  std::size_t rounds = 2;

  // How many copies of a weight of so many bytes a loop rotates over: eight times the L2 cache, of
  // which skipping leaves three and more.
  [[nodiscard]] std::size_t copies(double bytes) const {
    if (tiny) return 2;
    const double wanted = 8.0 * static_cast<double>(card.l2_bytes()) / bytes + 1.0;
    return std::clamp<std::size_t>(static_cast<std::size_t>(wanted), 2, 64);
  }
  // Of projections() in shapes.hpp and a larger model's, those with these numbers.
  [[nodiscard]] std::vector<projection> shapes(const std::vector<std::size_t>& which) const;
};

// The parts of a run, by the names that main() knows them by. Each prints its lines; what fails is
// a line, too, and the rest goes on.
void measure_copy(environment& env);
void measure_cublaslt(environment& env);
void measure_teal(environment& env);
void measure_nm(environment& env);
void measure_gemm(environment& env);
void measure_formats(environment& env);
void measure_block(environment& env);
void measure_choices(environment& env);

// Sets copied_per_second.
void find_copy_bandwidth(environment& env);

// A line of the kind "failed".
void report_failure(const std::string& part, const std::string& name, const std::string& why);

}  // namespace bench

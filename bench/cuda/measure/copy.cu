// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the device's memory gives: a copy reads and writes, and every share is of the largest one's.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <memory>

#include "cuda/measure/contest.cuh"
#include "cuda/measure/random.hpp"
#include "sparsellm/cuda/device_buffer.cuh"

namespace bench {
namespace {

contender copy_of(environment& env, std::size_t bytes) {
  struct state {
    sparsellm::cuda::device_buffer<float> from, to;
  };
  const std::size_t n = bytes / sizeof(float);
  const auto s =
      std::make_shared<state>(state{env.exec.allocate<float>(n), env.exec.allocate<float>(n)});
  fill_random(s->from.data(), n, 1.0f, 3, env.exec.stream());
  contender c;
  c.bytes = 2.0 * static_cast<double>(bytes);
  c.step = [&env, s = s.get(), bytes](std::size_t) {
    sparsellm::cuda::check(cudaMemcpyAsync(s->to.data(), s->from.data(), bytes,
                                           cudaMemcpyDeviceToDevice, env.exec.stream()),
                           "copy");
  };
  c.owns = s;
  return c;
}

std::size_t largest(const environment& env) { return std::size_t{env.tiny ? 1u : 1024u} << 20; }

}  // namespace

void find_copy_bandwidth(environment& env) {
  const contender c = copy_of(env, largest(env));
  repeated_steps loop(env, c);
  double least = loop.run();
  for (std::size_t i = 0; i < env.rounds; ++i) least = std::min(least, loop.run());
  env.copied_per_second = c.bytes / least;
}

void measure_copy(environment& env) {
  for (std::size_t bytes = largest(env); bytes >= largest(env) / 4; bytes /= 2) {
    contest copies(env, "copy", {1, bytes}, 1);
    copies.add("copy", [&] { return copy_of(env, bytes); });
    copies.run();
  }
}

}  // namespace bench

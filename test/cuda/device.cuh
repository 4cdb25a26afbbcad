// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What CUDA tests share: a device, a host to pack on, numbers.
#pragma once

#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/pack/pack.hpp"

inline std::vector<float> normal(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> v(n);
  for (float& x : v) x = distribution(random);
  return v;
}

// With ties, zeros of both signs and denormals.
inline std::vector<float> awkward(sparsellm::extents e, unsigned seed) {
  std::vector<float> w = normal(e.outputs * e.inputs, seed);
  for (std::size_t i = 0; i < w.size(); i += 7) w[i] = i % 2 == 0 ? 0.5f : -0.5f;
  for (std::size_t i = 3; i < w.size(); i += 11) w[i] = i % 2 == 0 ? 0.0f : -0.0f;
  for (std::size_t i = 5; i < w.size(); i += 13) w[i] = 1e-40f;
  return w;
}

struct device {
  sparsellm::cuda::executor exec;
  sparsellm::cpu::executor host{1};

  // The first n elements.
  std::vector<float> down(const sparsellm::cuda::device_buffer<float>& b, std::size_t n) {
    std::vector<float> h(n);
    sparsellm::cuda::copy(exec,
                          sparsellm::vector_view<const float, sparsellm::device_space>(b.data(), n),
                          sparsellm::vector_view<float>(h));
    return h;
  }
  std::vector<float> down(const sparsellm::cuda::device_buffer<float>& b) {
    return down(b, b.size());
  }
  sparsellm::cuda::device_buffer<float> up(const std::vector<float>& v) {
    return sparsellm::cuda::to_device(exec, sparsellm::vector_view<const float>(v));
  }
  template <class F>
  sparsellm::packed_matrix<F, sparsellm::device_space> pack(const std::vector<float>& w,
                                                            sparsellm::extents e) {
    return sparsellm::cuda::to_device(
        exec, sparsellm::pack<F>(
                  host, sparsellm::matrix_view<const float>(w.data(), e.outputs, e.inputs)));
  }
};

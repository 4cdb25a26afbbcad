// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A minimal checking harness: CHECK counts, main() returns REPORT().
#pragma once
#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

inline int g_checks = 0, g_failures = 0;
#define CHECK(cond)                                                 \
  do {                                                              \
    ++g_checks;                                                     \
    if (!(cond) && ++g_failures <= 20)                              \
      std::printf("%s:%d: FAILED %s\n", __FILE__, __LINE__, #cond); \
  } while (0)
#define CUDA(call) CHECK((call) == cudaSuccess)
#define REPORT() (std::printf("%d checks, %d failures\n", g_checks, g_failures), g_failures != 0)

/// Device copy of a host vector.
template <class T>
struct Dev {
  T* p = nullptr;
  size_t n = 0;
  explicit Dev(size_t count) : n(count) {
    CUDA(cudaMalloc(&p, n * sizeof(T)));
    CUDA(cudaMemset(p, 0, n * sizeof(T)));
  }
  explicit Dev(const std::vector<T>& v) : n(v.size()) {
    CUDA(cudaMalloc(&p, n * sizeof(T)));
    CUDA(cudaMemcpy(p, v.data(), n * sizeof(T), cudaMemcpyHostToDevice));
  }
  Dev(const Dev&) = delete;
  ~Dev() { cudaFree(p); }
  std::vector<T> get() const {
    std::vector<T> v(n);
    CUDA(cudaMemcpy(v.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost));
    return v;
  }
};

/// Small deterministic generator.
struct Rng {
  uint64_t s = 0x9e3779b97f4a7c15ull;
  uint64_t next() {
    s ^= s << 13, s ^= s >> 7, s ^= s << 17;
    return s;
  }
  uint32_t u32() { return static_cast<uint32_t>(next() >> 16); }
  float uniform() { return static_cast<float>(u32() >> 8) / 16777216.0f; }  // [0, 1)
};

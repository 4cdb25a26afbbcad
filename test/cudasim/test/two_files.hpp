// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#pragma once
#include <cstdio>
#include <cuda_runtime.h>

template <int N>
__device__ int factor = N;

template <class T>
__global__ void scale(T in, T* out) {
  *out = in * factor<6>;
}

inline int run_scaled(int in) {
  int *out, result = 0;
  if (cudaMalloc(&out, sizeof *out) != cudaSuccess) return -1;
  scale<<<1, 1>>>(in, out);
  const auto copied = cudaMemcpy(&result, out, sizeof result, cudaMemcpyDeviceToHost);
  cudaFree(out);
  return copied == cudaSuccess ? result : -2;
}

int second_file();

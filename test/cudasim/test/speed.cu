// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Interpreter speed on typical arithmetic, memory and tensor code.
#include <chrono>

#include "check.hpp"

__global__ void arithmetic(float* out, int n) {
  float x = threadIdx.x, y = 1.0f;
  unsigned h = threadIdx.x;
  for (int i = 0; i < n; ++i) {
    x = x * 0.999f + y;
    y = y * 0.5f + 0.25f * x;
    h = (h ^ (h >> 7)) * 2654435761u + i;
    if (h & 1) y += 1.0f;
  }
  out[blockIdx.x * blockDim.x + threadIdx.x] = x + y + h;
}
__global__ void reduce(const float* in, float* out, int n) {
  __shared__ float s[256];
  float v = 0;
  for (int i = blockIdx.x * 256 + threadIdx.x; i < n; i += gridDim.x * 256) v += in[i];
  s[threadIdx.x] = v;
  __syncthreads();
  for (int k = 128; k; k /= 2) {
    if (threadIdx.x < k) s[threadIdx.x] += s[threadIdx.x + k];
    __syncthreads();
  }
  if (!threadIdx.x) atomicAdd(out, s[0]);
}
__global__ void divergent(int* out, int n) {
  int t = threadIdx.x, a = 0;
  for (int i = 0; i < n; ++i) {
    if ((i ^ t) & 1)
      a += i * t;
    else if ((i ^ t) & 2)
      a -= i;
    else
      a ^= t;
  }
  out[t] = a;
}
__global__ void tensor(float* out, int n) {
  unsigned a = threadIdx.x, b = 0x3c003c00;
  float d[4] = {};
  for (int i = 0; i < n; ++i)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0,%1,%2,%3},{%4,%4,%4,%4},{%5,%5},{%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a), "r"(b));
  out[threadIdx.x] = d[0] + d[1] + d[2] + d[3];
}

template <class F>
double seconds(F f) {
  auto t = std::chrono::steady_clock::now();
  f();
  CUDA(cudaDeviceSynchronize());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - t).count();
}

int main() {
  Dev<float> out(4096), in(1 << 20);
  Dev<int> iout(64);
  arithmetic<<<1, 32>>>(out.p, 1);  // decode outside the timing
  reduce<<<1, 256>>>(in.p, out.p, 256);
  divergent<<<1, 64>>>(iout.p, 1);
  tensor<<<1, 32>>>(out.p, 1);
  // Instructions per loop iteration, counted in the PTX: about 11, 5, 9.
  double t = seconds([&] { arithmetic<<<8, 256>>>(out.p, 1000); });
  std::printf("arithmetic  %8.0f M thread-instructions/s\n", 8.0 * 256 * 1000 * 11 / t / 1e6);
  t = seconds([&] { reduce<<<64, 256>>>(in.p, out.p, 1 << 20); });
  std::printf("reduction   %8.0f M thread-instructions/s\n", double(1 << 20) * 5 / t / 1e6);
  t = seconds([&] { divergent<<<1, 64>>>(iout.p, 20000); });
  std::printf("divergent   %8.0f M thread-instructions/s\n", 64.0 * 20000 * 9 / t / 1e6);
  t = seconds([&] { tensor<<<1, 32>>>(out.p, 20000); });
  std::printf("mma m16n8k16 %7.0f k instructions/s\n", 20000 / t / 1e3);
  return REPORT();
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// faults MODE: commits one deliberate mistake. The exit code is 0 when the API reports what the
// hardware would; test/expect.sh also checks the printed report.
#include <cassert>
#include <string>

#include "check.hpp"

__global__ void store_at(int* p, long i) { p[i] = 1; }
__global__ void load_at(const int* p, long i, int* out) { *out = p[i]; }
__global__ void misaligned(char* p) { *reinterpret_cast<int4*>(p + 4) = int4{}; }
__global__ void shared_oob(int i, int* out) {
  __shared__ int s[16];
  s[threadIdx.x % 16] = 0;
  __syncthreads();
  *out = *(volatile int*)(s + i);
}
__global__ void bad_assert(int n) { assert(threadIdx.x < n); }
__global__ void traps() { asm volatile("trap;"); }
__global__ void race(int* out) {
  __shared__ int s[64];
  s[threadIdx.x] = threadIdx.x;
  out[threadIdx.x] = s[63 - threadIdx.x];  // no barrier
}
__global__ void no_race(int* out) {
  __shared__ int s[64];
  for (int k = 0; k < 3; ++k) {
    s[threadIdx.x] = threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = s[63 - threadIdx.x];
    __syncthreads();
  }
}
__global__ void warp_race(int* out) {
  __shared__ int s[32];
  s[threadIdx.x] = threadIdx.x;
  out[threadIdx.x] = s[31 - threadIdx.x];  // no __syncwarp
}
__global__ void warp_no_race(int* out) {
  __shared__ int s[32];
  s[threadIdx.x] = threadIdx.x;
  __syncwarp();
  out[threadIdx.x] = s[31 - threadIdx.x];
}
__global__ void sum(const int* in, int* out) { out[threadIdx.x] = in[threadIdx.x] + 1; }
__global__ void uninit_shared(int* out) {
  __shared__ int s[32];
  if (threadIdx.x < 31) s[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = s[threadIdx.x];
}
__global__ void diverged() {  // half of the warp waits at another barrier instruction
  if (threadIdx.x < 16) {
    __syncthreads();
    __nanosleep(1);
  } else {
    __nanosleep(2);
    __syncthreads();
  }
}
__global__ void stuck() {
  if (threadIdx.x < 32) asm volatile("bar.sync 1, 96;" ::: "memory");  // nobody else comes
}
__global__ void missing_lane(int* out) {
  if (threadIdx.x < 31)
    out[threadIdx.x] = __shfl_sync(0xffffffffu, threadIdx.x, 0);
  else
    asm volatile("bar.sync 1, 64;" ::: "memory");
}
__global__ void missing_wait(const int* in, int* out) {
  __shared__ __align__(16) int s[128];
  unsigned dst = static_cast<unsigned>(__cvta_generic_to_shared(s + threadIdx.x * 4));
  s[threadIdx.x * 4] = -1;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 16;\n cp.async.commit_group;" ::"r"(dst),
               "l"(in + threadIdx.x * 4));
  out[threadIdx.x] = *(volatile int*)(s + threadIdx.x * 4);  // before cp.async.wait_group
  asm volatile("cp.async.wait_all;");
}
__global__ void forever(volatile int* p) {
  while (*p == 0) {
  }
}
__global__ void unsupported() { asm volatile("wgmma.fence.sync.aligned;"); }

int main(int argc, char** argv) {
  std::string mode = argc > 1 ? argv[1] : "";
  int *p, *out;
  cudaMalloc(&p, 400);
  cudaMalloc(&out, 4096);
  auto sync = [] { return cudaDeviceSynchronize(); };
  if (mode == "clean") {
    cudaMemset(p, 0, 400);
    sum<<<1, 64>>>(p, out);
    no_race<<<1, 64>>>(out);
    warp_no_race<<<1, 32>>>(out);
    store_at<<<1, 1>>>(p, 99);
    CHECK(sync() == cudaSuccess);
    cudaFree(p), cudaFree(out);
    return REPORT();
  }
  if (mode == "store_oob") {
    store_at<<<1, 1>>>(p, 100);
    CHECK(sync() == cudaErrorIllegalAddress);
  } else if (mode == "load_oob") {
    load_at<<<1, 1>>>(p, -1, out);
    CHECK(sync() == cudaErrorIllegalAddress);
  } else if (mode == "null") {
    store_at<<<1, 1>>>(nullptr, 0);
    CHECK(sync() == cudaErrorIllegalAddress);
  } else if (mode == "host_pointer") {
    int x;
    store_at<<<1, 1>>>(&x, 0);
    CHECK(sync() == cudaErrorIllegalAddress);
  } else if (mode == "use_after_free") {
    cudaFree(p);
    store_at<<<1, 1>>>(p, 0);
    CHECK(sync() == cudaErrorIllegalAddress);
  } else if (mode == "sticky") {
    store_at<<<1, 1>>>(p, 100);
    CHECK(cudaGetLastError() == cudaSuccess);  // the launch itself succeeded
    CHECK(sync() == cudaErrorIllegalAddress);
    CHECK(cudaGetLastError() == cudaErrorIllegalAddress &&
          cudaGetLastError() == cudaErrorIllegalAddress);
    void* q;
    CHECK(cudaMalloc(&q, 4) == cudaErrorIllegalAddress);
    CHECK(cudaDeviceReset() == cudaSuccess && cudaMalloc(&q, 4) == cudaSuccess);
    sum<<<1, 1>>>((int*)q, (int*)q);
    CHECK(sync() == cudaSuccess);
  } else if (mode == "misaligned") {
    misaligned<<<1, 1>>>((char*)p);
    CHECK(sync() == cudaErrorMisalignedAddress);
  } else if (mode == "shared_oob") {
    shared_oob<<<1, 32>>>(20, out);
    CHECK(sync() == cudaErrorIllegalAddress);
  } else if (mode == "assert") {
    bad_assert<<<2, 32>>>(20);
    CHECK(sync() == cudaErrorAssert);
  } else if (mode == "trap") {
    traps<<<1, 1>>>();
    CHECK(sync() == cudaErrorLaunchFailure);
  } else if (mode == "race") {
    race<<<1, 64>>>(out);
    CHECK(sync() == cudaSuccess);
  } else if (mode == "warp_race") {
    warp_race<<<1, 32>>>(out);
    CHECK(sync() == cudaSuccess);
  } else if (mode == "uninit") {
    sum<<<1, 4>>>(p, out);
    CHECK(sync() == cudaSuccess);
  } else if (mode == "uninit_shared") {
    uninit_shared<<<1, 32>>>(out);
    CHECK(sync() == cudaSuccess);
  } else if (mode == "diverged") {
    diverged<<<1, 32>>>();
    CHECK(sync() == cudaSuccess);
  } else if (mode == "stuck") {
    stuck<<<1, 64>>>();
    CHECK(sync() == cudaErrorLaunchTimeout);
  } else if (mode == "missing_lane") {
    missing_lane<<<1, 32>>>(out);
    CHECK(sync() == cudaErrorLaunchTimeout);
  } else if (mode == "missing_wait") {
    cudaMemset(p, 0, 400);
    missing_wait<<<1, 16>>>(p, out);
    CHECK(sync() == cudaSuccess);
    int h[16];
    cudaMemcpy(h, out, sizeof h, cudaMemcpyDeviceToHost);
    CHECK(h[3] == -1);  // the copy has not arrived
  } else if (mode == "forever") {
    cudaMemset(p, 0, 400);
    forever<<<1, 32>>>(p);
    CHECK(sync() == cudaErrorLaunchTimeout);
  } else if (mode == "unsupported") {
    unsupported<<<1, 1>>>();
    CHECK(cudaGetLastError() == cudaErrorInvalidPtx);
  } else if (mode == "leak") {
  } else if (mode == "double_free") {
    cudaFree(p);
    CHECK(cudaFree(p) == cudaErrorInvalidValue);
  } else if (mode == "copy_oob") {
    CHECK(cudaMemset(p, 0, 401) == cudaErrorInvalidValue);
  } else if (mode == "unknown_api") {
    cudaArray_t a;
    cudaChannelFormatDesc d{};
    CHECK(cudaMallocArray(&a, &d, 4) == cudaErrorNotSupported);
  } else {
    std::printf("unknown mode\n");
    return 2;
  }
  if (mode != "leak") cudaGetLastError();
  return REPORT();
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Runtime features: symbols, managed memory, printf, cooperative groups, streams, graphs, errors.
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cooperative_groups/reduce.h>
#include <cuda/barrier>
#include <cuda/pipeline>

#include "check.hpp"

namespace cg = cooperative_groups;

__constant__ float coeff[8];
__device__ int counter = 41;
__device__ double table[3] = {1.5, 2.5, -3};
__device__ const char* const words[2] = {"alpha", "beta"};
__managed__ int shared_value = 5;
struct Big {
  int v[200];
};

__global__ void symbols(float* out) {
  out[threadIdx.x] = coeff[threadIdx.x] * 2;
  if (threadIdx.x == 0) counter += 1, table[1] *= 2, shared_value += 10;
}
__global__ void say(int n) {
  if (threadIdx.x < 2)
    printf("t%d %5.2f %s %c %lld %x%%\n", threadIdx.x, n / 4.0, words[threadIdx.x], 'z', 1ll << 40,
           255u);
}
__global__ void by_value(Big b, int* out) { out[threadIdx.x] = b.v[threadIdx.x * 3 % 200]; }
__global__ void grid_sync(int* data, int n) {
  cg::grid_group g = cg::this_grid();
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] = i;
  g.sync();
  int v = data[(i + n / 2) % n];
  g.sync();
  data[i] = v * 2;
}
__global__ void tiles(int* out) {
  auto block = cg::this_thread_block();
  auto tile = cg::tiled_partition<8>(block);
  int s = threadIdx.x;
  for (int o = 4; o; o /= 2) s += tile.shfl_down(s, o);
  if (tile.thread_rank() == 0) out[threadIdx.x / 8] = s;
  auto active = cg::coalesced_threads();
  if (threadIdx.x == 0) out[100] = active.size();
  if (threadIdx.x % 4 == 0) {
    auto a = cg::coalesced_threads();
    if (a.thread_rank() == 0 && threadIdx.x == 0) out[101] = a.size();
  }
}
__global__ void barriers(int* out) {  // mbarrier through cuda::barrier, and named barriers
  __shared__ cuda::barrier<cuda::thread_scope_block> bar;
  __shared__ int data[128];
  if (threadIdx.x == 0) init(&bar, blockDim.x);
  __syncthreads();
  data[threadIdx.x] = threadIdx.x;
  bar.arrive_and_wait();
  int v = data[127 - threadIdx.x];
  auto token = bar.arrive();
  bar.wait(std::move(token));
  data[threadIdx.x] = v + 1;
  if (threadIdx.x < 64)
    asm volatile("bar.sync 1, 64;" ::: "memory");
  else
    asm volatile("bar.sync 2, 64;" ::: "memory");
  out[threadIdx.x] = data[threadIdx.x ^ 63];
}
__global__ void staged(const int* in,
                       int* out) {  // cg::memcpy_async and a two-stage cuda::pipeline
  __shared__ __align__(16) int s[256], stage[2][128];
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, 2> state;
  auto block = cg::this_thread_block();
  cg::memcpy_async(block, s, in, sizeof s);
  cg::wait(block);
  auto tile = cg::tiled_partition<32>(block);
  int sum = cg::reduce(tile, s[threadIdx.x] + s[threadIdx.x + 128], cg::plus<int>());
  auto pipe = cuda::make_pipeline(block, &state);
  for (int i = 0, next = 0; i < 4; ++i) {
    for (; next < 4 && next < i + 2; ++next) {
      pipe.producer_acquire();
      cuda::memcpy_async(block, stage[next % 2], in + next * 128, cuda::aligned_size_t<16>(512),
                         pipe);
      pipe.producer_commit();
    }
    pipe.consumer_wait();
    sum += stage[i % 2][127 - threadIdx.x];
    pipe.consumer_release();
  }
  out[threadIdx.x] = sum;
}
__global__ void increment(int* p) { atomicAdd(p, 1); }
__global__ void empty() {}
__global__ void __launch_bounds__(64) small_block() {}
__global__ void dynamic(int* out, int n) {
  extern __shared__ int s[];
  for (int i = threadIdx.x; i < n; i += blockDim.x) s[i] = i;
  __syncthreads();
  if (threadIdx.x == 0) out[0] = s[n - 1];
}
__global__ void device_heap(int* out) {
  int* p = static_cast<int*>(malloc(64));
  for (int i = 0; i < 16; ++i) p[i] = i * threadIdx.x;
  out[threadIdx.x] = p[15];
  free(p);
}

int main() {
  {
    float h[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    CUDA(cudaMemcpyToSymbol(coeff, h, sizeof h));
    Dev<float> out(8);
    symbols<<<1, 8>>>(out.p);
    CUDA(cudaDeviceSynchronize());
    CHECK(out.get()[7] == 14);
    int c;
    double t[3];
    CUDA(cudaMemcpyFromSymbol(&c, counter, 4));
    CUDA(cudaMemcpyFromSymbol(t, table, sizeof t));
    CHECK(c == 42 && t[0] == 1.5 && t[1] == 5 && t[2] == -3);
    CHECK(shared_value == 15);
    void* p;
    size_t n;
    CUDA(cudaGetSymbolAddress(&p, counter));
    CUDA(cudaGetSymbolSize(&n, table));
    CHECK(n == 24);
    CUDA(cudaMemcpy(&c, p, 4, cudaMemcpyDeviceToHost));
    CHECK(c == 42);
  }
  say<<<1, 32>>>(5);
  CUDA(cudaDeviceSynchronize());
  {
    Big b;
    for (int i = 0; i < 200; ++i) b.v[i] = i * i;
    Dev<int> out(64);
    by_value<<<1, 64>>>(b, out.p);
    auto o = out.get();
    for (int i = 0; i < 64; ++i) CHECK(o[i] == (i * 3) * (i * 3));
  }
  {
    int n = 8 * 64;
    Dev<int> d(n);
    int* p = d.p;
    void* args[] = {&p, &n};
    CUDA(cudaLaunchCooperativeKernel(grid_sync, dim3(8), dim3(64), args, 0, 0));
    CUDA(cudaDeviceSynchronize());
    auto o = d.get();
    for (int i = 0; i < n; ++i) CHECK(o[i] == (i + n / 2) % n * 2);
    CHECK(cudaLaunchCooperativeKernel(grid_sync, dim3(100000), dim3(64), args, 0, 0) ==
          cudaErrorCooperativeLaunchTooLarge);
    CHECK(cudaGetLastError() == cudaErrorCooperativeLaunchTooLarge);
  }
  {
    Dev<int> d(128);
    tiles<<<1, 64>>>(d.p);
    auto o = d.get();
    for (int i = 0; i < 8; ++i) CHECK(o[i] == (i * 8) * 8 + 28);
    CHECK(o[100] == 32 && o[101] == 8);
    barriers<<<1, 128>>>(d.p);
    CUDA(cudaDeviceSynchronize());
    o = d.get();
    for (int i = 0; i < 128; ++i) CHECK(o[i] == 127 - (i ^ 63) + 1);
    std::vector<int> in(512);
    for (int i = 0; i < 512; ++i) in[i] = i * i % 101;
    Dev<int> din(in);
    staged<<<1, 128>>>(din.p, d.p);
    CUDA(cudaDeviceSynchronize());
    o = d.get();
    for (int t = 0; t < 128; ++t) {
      int want = 0;
      for (int k = t / 32 * 32; k < t / 32 * 32 + 32; ++k) want += in[k] + in[k + 128];
      for (int i = 0; i < 4; ++i) want += in[i * 128 + 127 - t];
      CHECK(o[t] == want);
    }
    device_heap<<<1, 32>>>(d.p);
    CHECK(d.get()[31] == 15 * 31);
  }
  {  // streams, events, host functions, graphs
    cudaStream_t s, s2;
    cudaEvent_t a, b;
    CUDA(cudaStreamCreate(&s));
    CUDA(cudaStreamCreateWithFlags(&s2, cudaStreamNonBlocking));
    CUDA(cudaEventCreate(&a));
    CUDA(cudaEventCreate(&b));
    Dev<int> d(1);
    CUDA(cudaEventRecord(a, s));
    increment<<<2, 32, 0, s>>>(d.p);
    CUDA(cudaEventRecord(b, s));
    CUDA(cudaStreamWaitEvent(s2, b, 0));
    CUDA(cudaEventSynchronize(b));
    float ms = -1;
    CUDA(cudaEventElapsedTime(&ms, a, b));
    CHECK(ms >= 0 && d.get()[0] == 64);
    static int called = 0;
    CUDA(cudaLaunchHostFunc(s, [](void* p) { *static_cast<int*>(p) = 7; }, &called));
    CUDA(cudaStreamSynchronize(s));
    CHECK(called == 7);
    cudaGraph_t g;
    cudaGraphExec_t e;
    CUDA(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
    CUDA(cudaMemsetAsync(d.p, 0, 4, s));
    increment<<<1, 10, 0, s>>>(d.p);
    CUDA(cudaStreamEndCapture(s, &g));
    CHECK(d.get()[0] == 64);  // nothing ran while capturing
    CUDA(cudaGraphInstantiate(&e, g, 0));
    for (int i = 0; i < 3; ++i) CUDA(cudaGraphLaunch(e, s));
    CUDA(cudaStreamSynchronize(s));
    CHECK(d.get()[0] == 10);
    CUDA(cudaGraphExecDestroy(e));
    CUDA(cudaGraphDestroy(g));
    CUDA(cudaStreamDestroy(s));
    CUDA(cudaStreamDestroy(s2));
    CUDA(cudaEventDestroy(a));
    CUDA(cudaEventDestroy(b));
  }
  {  // memory kinds
    int *m, *h, *a, *pitched;
    size_t pitch;
    CUDA(cudaMallocManaged(&m, 400));
    CUDA(cudaMallocHost(&h, 400));
    CUDA(cudaMallocAsync(&a, 400, 0));
    CUDA(cudaMallocPitch(&pitched, &pitch, 100, 4));
    m[0] = 1, h[0] = 2;
    increment<<<1, 5>>>(m);
    increment<<<1, 5>>>(h);
    CUDA(cudaDeviceSynchronize());
    CHECK(m[0] == 6 && h[0] == 7);
    cudaPointerAttributes at;
    CUDA(cudaPointerGetAttributes(&at, a));
    CHECK(at.type == cudaMemoryTypeDevice);
    CUDA(cudaPointerGetAttributes(&at, &at));
    CHECK(at.type == cudaMemoryTypeUnregistered);
    CUDA(cudaMemset2D(pitched, pitch, 1, 100, 4));
    int rows[4][25];
    CUDA(cudaMemcpy2D(rows, 100, pitched, pitch, 100, 4, cudaMemcpyDeviceToHost));
    CHECK(rows[3][24] == 0x01010101);
    size_t f, t;
    CUDA(cudaMemGetInfo(&f, &t));
    CHECK(f < t);
    CUDA(cudaFree(m));
    CUDA(cudaFreeHost(h));
    CUDA(cudaFreeAsync(a, 0));
    CUDA(cudaFree(pitched));
    void* huge;
    CHECK(cudaMalloc(&huge, 1ull << 40) == cudaErrorMemoryAllocation);
    CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
    CHECK(cudaGetLastError() == cudaSuccess);
  }
  {  // device queries and launch limits
    int n, v;
    cudaDeviceProp p;
    CUDA(cudaGetDeviceCount(&n));
    CUDA(cudaGetDeviceProperties(&p, 0));
    CHECK(n == 1 && p.warpSize == 32 && std::strstr(p.name, "cudasim"));
    CUDA(cudaDeviceGetAttribute(&v, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
    CHECK(v >= 163 * 1024);
    CUDA(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&v, empty, 128, 0));
    CHECK(v == 16);
    int grid, block;
    CUDA(cudaOccupancyMaxPotentialBlockSize(&grid, &block, empty));
    CHECK(block == 1024 || block == 512);
    empty<<<1, 2048>>>();
    CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
    empty<<<0, 32>>>();
    CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
    small_block<<<1, 128>>>();
    CHECK(cudaGetLastError() == cudaErrorLaunchOutOfResources);
    Dev<int> d(1);
    dynamic<<<1, 64, 100 * 1024>>>(d.p, 25600);  // above 48 KiB without opting in
    CHECK(cudaGetLastError() == cudaErrorInvalidValue);
    CUDA(cudaFuncSetAttribute(dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, 100 * 1024));
    dynamic<<<1, 64, 100 * 1024>>>(d.p, 25600);
    CUDA(cudaDeviceSynchronize());
    CHECK(d.get()[0] == 25599);
    cudaFuncAttributes fa;
    CUDA(cudaFuncGetAttributes(&fa, barriers));
    CHECK(fa.sharedSizeBytes >= 512 && fa.maxThreadsPerBlock == 1024);
    cudaLaunchConfig_t c = {};
    c.gridDim = 1, c.blockDim = 32;
    cudaLaunchAttribute at[1];
    at[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    at[0].val.programmaticStreamSerializationAllowed = 1;
    c.attrs = at, c.numAttrs = 1;
    CUDA(cudaLaunchKernelEx(&c, increment, d.p));
    CUDA(cudaDeviceSynchronize());
    CHECK(d.get()[0] == 25599 + 32);
    CHECK(!std::strcmp(cudaGetErrorName(cudaErrorIllegalAddress), "cudaErrorIllegalAddress"));
  }
  return REPORT();
}

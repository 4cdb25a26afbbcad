// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// compute_90 PTX: instructions and intrinsics that need the newer architecture.
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "check.hpp"

__global__ void newer(uint32_t* out, float* f) {
  unsigned lane = threadIdx.x;
  uint32_t leader, p = 0;
  asm volatile("{ .reg .pred q; elect.sync %0|q, 0xffffffff; selp.u32 %1, 1, 0, q; }"
               : "=r"(leader), "=r"(p));
  out[lane] = leader * 2 + p;
  __shared__ __align__(16) uint16_t tile[64];
  uint32_t v = (lane * 2) | (lane * 2 + 1) << 16,
           addr = static_cast<uint32_t>(__cvta_generic_to_shared(&tile[lane % 8 * 8]));
  asm volatile("stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [%0], {%1};" ::"r"(addr), "r"(v)
               : "memory");
  __syncwarp();
  for (int i = lane; i < 64; i += 32) out[32 + i] = tile[i];
  asm volatile("griddepcontrol.wait; griddepcontrol.launch_dependents;");
  asm volatile("red.global.add.v2.f32 [%0], {%1, %2};" ::"l"(f), "f"(1.0f), "f"(2.0f) : "memory");
  __nv_fp8_e4m3 e(1.3f * lane);
  f[4 + lane] = float(e);
  uint32_t cta;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(cta));
  if (cta) out[0] = 99;
}
__global__ void fp8_mma(const uint8_t* A, const uint8_t* B,
                        float* C) {  // m16n8k32, A 16 x 32, B 32 x 8, row major
  unsigned g = threadIdx.x / 4, t = threadIdx.x % 4;
  auto four = [](const uint8_t* p, int stride) {
    return uint32_t(p[0]) | p[stride] << 8 | p[2 * stride] << 16 | uint32_t(p[3 * stride]) << 24;
  };
  uint32_t a[4] = {four(A + g * 32 + t * 4, 1), four(A + (g + 8) * 32 + t * 4, 1),
                   four(A + g * 32 + t * 4 + 16, 1), four(A + (g + 8) * 32 + t * 4 + 16, 1)};
  uint32_t b[2] = {four(B + t * 4 * 8 + g, 8), four(B + (t * 4 + 16) * 8 + g, 8)};
  float d[4] = {};
  asm("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e5m2.f32 "
      "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  for (int i = 0; i < 4; ++i) C[(g + i / 2 * 8) * 8 + t * 2 + i % 2] = d[i];
}
__global__ void tensor_map() { asm volatile("cp.async.bulk.commit_group;"); }

int main(int argc, char**) {
  if (argc > 1) {  // run on a device that is too old: the launch must fail
    uint32_t* p;
    cudaMalloc(&p, 4);
    tensor_map<<<1, 1>>>();
    CHECK(cudaGetLastError() == cudaErrorNoKernelImageForDevice);
    return REPORT();
  }
  Dev<uint32_t> out(96);
  Dev<float> f(36);
  newer<<<1, 32>>>(out.p, f.p);
  CUDA(cudaDeviceSynchronize());
  auto o = out.get();
  auto g = f.get();
  for (int i = 0; i < 32; ++i) CHECK(o[i] == (i == 0));
  for (int i = 0; i < 64; ++i) CHECK(o[32 + i] == uint32_t(i % 8 * 8 + i / 8));
  CHECK(g[0] == 32 && g[1] == 64);
  for (int i = 0; i < 32; ++i) CHECK(g[4 + i] == float(__nv_fp8_e4m3(1.3f * i)));
  {
    Rng r;
    std::vector<uint8_t> a(512), b(256);
    for (auto& x : a) x = __nv_fp8_e4m3(r.uniform() * 4 - 2).__x;
    for (auto& x : b) x = __nv_fp8_e5m2(r.uniform() * 4 - 2).__x;
    Dev<uint8_t> da(a), db(b);
    Dev<float> dc(128);
    fp8_mma<<<1, 32>>>(da.p, db.p, dc.p);
    CUDA(cudaDeviceSynchronize());
    auto c = dc.get();
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 8; ++j) {
        double ref = 0;
        for (int k = 0; k < 32; ++k) {
          __nv_fp8_e4m3 x;
          __nv_fp8_e5m2 y;
          x.__x = a[i * 32 + k], y.__x = b[k * 8 + j];
          ref += double(float(x)) * double(float(y));
        }
        CHECK(std::fabs(c[i * 8 + j] - ref) < 1e-4);
      }
  }
  tensor_map<<<1, 1>>>();
  CHECK(cudaGetLastError() == cudaErrorInvalidPtx);
  cudaDeviceProp p;
  CUDA(cudaGetDeviceProperties(&p, 0));
  CHECK(p.major == 9 && p.minor == 0 && p.sharedMemPerBlockOptin == 227 * 1024);
  return REPORT();
}

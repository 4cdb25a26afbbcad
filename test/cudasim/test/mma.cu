// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Tensor-core instructions against a plain host matrix product. The fragment positions below are
// spelled out per instruction as in the PTX ISA tables (not derived from the simulator's rule).
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "check.hpp"

#define G (threadIdx.x >> 2)
#define T (threadIdx.x & 3)

// ---- dense ----------------------------------------------------------------------------------
template <class E>
__device__ uint32_t two(const E* p, int stride) {  // elements p[0], p[stride]
  uint16_t a, b;
  memcpy(&a, p, 2), memcpy(&b, p + stride, 2);
  return a | uint32_t(b) << 16;
}
__device__ uint32_t four(const int8_t* p, int stride) {
  return uint8_t(p[0]) | uint8_t(p[stride]) << 8 | uint8_t(p[2 * stride]) << 16 |
         uint32_t(uint8_t(p[3 * stride])) << 24;
}
__device__ void put(float* c,
                    const float* d) {  // c0,c1: row g; c2,c3: row g + 8; columns 2t, 2t + 1
  for (int i = 0; i < 4; ++i) c[(i < 2 ? G : G + 8) * 8 + T * 2 + (i & 1)] = d[i];
}

// A 16 x K row major, B K x 8 row major, C 16 x 8.
template <class E, bool Bf>
__global__ void k16(const E* A, const E* B, float* C) {
  uint32_t a[4], b[2];
  a[0] = two(A + G * 16 + T * 2, 1), a[1] = two(A + (G + 8) * 16 + T * 2, 1);
  a[2] = two(A + G * 16 + T * 2 + 8, 1), a[3] = two(A + (G + 8) * 16 + T * 2 + 8, 1);
  b[0] = two(B + (T * 2) * 8 + G, 8), b[1] = two(B + (T * 2 + 8) * 8 + G, 8);
  float d[4], c[4];
  for (int i = 0; i < 4; ++i) c[i] = C[(i < 2 ? G : G + 8) * 8 + T * 2 + (i & 1)];
  if constexpr (Bf)
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%10,%11,%12,%13};"
        : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]),
          "f"(c[2]), "f"(c[3]));
  else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%10,%11,%12,%13};"
        : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]),
          "f"(c[2]), "f"(c[3]));
  put(C, d);
}
__global__ void k8_f16(const __half* A, const __half* B, float* C) {
  uint32_t a0 = two(A + G * 8 + T * 2, 1), a1 = two(A + (G + 8) * 8 + T * 2, 1),
           b0 = two(B + T * 2 * 8 + G, 8);
  float d[4] = {};
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5},{%6},{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(b0));
  put(C, d);
}
__global__ void k16_half_acc(const __half* A, const __half* B, float* C) {
  uint32_t a[4] = {two(A + G * 16 + T * 2, 1), two(A + (G + 8) * 16 + T * 2, 1),
                   two(A + G * 16 + T * 2 + 8, 1), two(A + (G + 8) * 16 + T * 2 + 8, 1)};
  uint32_t b[2] = {two(B + T * 2 * 8 + G, 8), two(B + (T * 2 + 8) * 8 + G, 8)}, d[2] = {0, 0};
  asm("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1},{%2,%3,%4,%5},{%6,%7},{%0,%1};"
      : "+r"(d[0]), "+r"(d[1])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  for (int i = 0; i < 4; ++i) {
    __half h;
    uint16_t bits = uint16_t(d[i / 2] >> 16 * (i & 1));
    memcpy(&h, &bits, 2);
    C[(i < 2 ? G : G + 8) * 8 + T * 2 + (i & 1)] = __half2float(h);
  }
}
template <int K>
__global__ void tf32(const float* A, const float* B, float* C) {
  auto bits = [](float f) { return __float_as_uint(f); };
  float d[4] = {};
  if constexpr (K == 8) {
    uint32_t a0 = bits(A[G * 8 + T]), a1 = bits(A[(G + 8) * 8 + T]), a2 = bits(A[G * 8 + T + 4]),
             a3 = bits(A[(G + 8) * 8 + T + 4]);
    uint32_t b0 = bits(B[T * 8 + G]), b1 = bits(B[(T + 4) * 8 + G]);
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  } else {
    uint32_t a0 = bits(A[G * 4 + T]), a1 = bits(A[(G + 8) * 4 + T]), b0 = bits(B[T * 8 + G]);
    asm("mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32 "
        "{%0,%1,%2,%3},{%4,%5},{%6},{%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a0), "r"(a1), "r"(b0));
  }
  put(C, d);
}
template <int K>
__global__ void int8(const int8_t* A, const int8_t* B, float* C) {
  int d[4] = {};
  if constexpr (K == 32) {
    uint32_t a[4] = {four(A + G * 32 + T * 4, 1), four(A + (G + 8) * 32 + T * 4, 1),
                     four(A + G * 32 + T * 4 + 16, 1), four(A + (G + 8) * 32 + T * 4 + 16, 1)};
    uint32_t b[2] = {four(B + T * 4 * 8 + G, 8), four(B + (T * 4 + 16) * 8 + G, 8)};
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
        "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    uint32_t a0 = four(A + G * 16 + T * 4, 1), a1 = four(A + (G + 8) * 16 + T * 4, 1),
             b0 = four(B + T * 4 * 8 + G, 8);
    asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%5},{%6},{%0,%1,%2,%3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a0), "r"(a1), "r"(b0));
  }
  for (int i = 0; i < 4; ++i) C[(i < 2 ? G : G + 8) * 8 + T * 2 + (i & 1)] = float(d[i]);
}
__global__ void f64_k4(const double* A, const double* B, double* C) {  // m8n8k4
  double d0 = 0, d1 = 0;
  asm("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1},{%2},{%3},{%0,%1};"
      : "+d"(d0), "+d"(d1)
      : "d"(A[G * 4 + T]), "d"(B[T * 8 + G]));
  C[G * 8 + T * 2] = d0, C[G * 8 + T * 2 + 1] = d1;
}

// ---- sparse: A compressed 16 x K/2 row major, meta[row] = K/2 two-bit indices ----------------
// 16-bit: thread 4g + t holds columns of row g in its low half, of row g + 8 in its high half;
// k16: thread t == selector, 16 columns; k32: threads 2*selector, 2*selector + 1, 16 columns each.
template <int K, bool Ordered, int Sel>
__global__ void sparse_f16(const __half* A, const uint64_t* meta, const __half* B, float* C) {
  constexpr int H = K / 2;
  float d[4] = {};
  uint32_t e = 0xdeadbeef;  // threads that are not selected hold garbage
  if (K == 16 && T == Sel) e = uint32_t(meta[G] & 0xffff) | uint32_t(meta[G + 8] & 0xffff) << 16;
  if (K == 32 && (T >> 1) == Sel)
    e = uint32_t(meta[G] >> 16 * (T & 1) & 0xffff) | uint32_t(meta[G + 8] >> 16 * (T & 1) & 0xffff)
                                                         << 16;
  uint32_t a0 = two(A + G * H + T * 2, 1), a1 = two(A + (G + 8) * H + T * 2, 1);
  uint32_t b0 = two(B + T * 2 * 8 + G, 8), b1 = two(B + (T * 2 + 8) * 8 + G, 8);
  if constexpr (K == 16) {
    if constexpr (Ordered)
      asm("mma.sp::ordered_metadata.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
          "{%0,%1,%2,%3},{%4,%5},{%6,%7},{%0,%1,%2,%3},%8,%9;"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
          : "r"(a0), "r"(a1), "r"(b0), "r"(b1), "r"(e), "n"(Sel));
    else
      asm("mma.sp.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
          "{%0,%1,%2,%3},{%4,%5},{%6,%7},{%0,%1,%2,%3},%8,%9;"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
          : "r"(a0), "r"(a1), "r"(b0), "r"(b1), "r"(e), "n"(Sel));
  } else {
    uint32_t a2 = two(A + G * H + T * 2 + 8, 1), a3 = two(A + (G + 8) * H + T * 2 + 8, 1);
    uint32_t b2 = two(B + (T * 2 + 16) * 8 + G, 8), b3 = two(B + (T * 2 + 24) * 8 + G, 8);
    asm("mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32 "
        "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9,%10,%11},{%0,%1,%2,%3},%12,%13;"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1), "r"(b2), "r"(b3), "r"(e), "n"(Sel));
  }
  put(C, d);
}
template <int Sel>
__global__ void sparse_bf16_k32(const __nv_bfloat16* A, const uint64_t* meta,
                                const __nv_bfloat16* B, float* C) {
  float d[4] = {};
  uint32_t e = 0xdeadbeef;
  if ((T >> 1) == Sel)
    e = uint32_t(meta[G] >> 16 * (T & 1) & 0xffff) | uint32_t(meta[G + 8] >> 16 * (T & 1) & 0xffff)
                                                         << 16;
  uint32_t a[4] = {two(A + G * 16 + T * 2, 1), two(A + (G + 8) * 16 + T * 2, 1),
                   two(A + G * 16 + T * 2 + 8, 1), two(A + (G + 8) * 16 + T * 2 + 8, 1)};
  uint32_t b[4];
  for (int i = 0; i < 4; ++i) b[i] = two(B + (T * 2 + 8 * i) * 8 + G, 8);
  asm("mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9,%10,%11},{%0,%1,%2,%3},%12,%13;"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]),
        "r"(e), "n"(Sel));
  put(C, d);
}
// tf32, one of two: 4 bits per kept element, 0b0100 first, 0b1110 second.
template <int K, int Sel>
__global__ void sparse_tf32(const float* A, const uint64_t* meta, const float* B, float* C) {
  constexpr int H = K / 2;
  float d[4] = {};
  uint32_t e = 0xdeadbeef;
  if (K == 8 && T == Sel) e = uint32_t(meta[G] & 0xffff) | uint32_t(meta[G + 8] & 0xffff) << 16;
  if (K == 16 && (T >> 1) == Sel)
    e = uint32_t(meta[G] >> 16 * (T & 1) & 0xffff) | uint32_t(meta[G + 8] >> 16 * (T & 1) & 0xffff)
                                                         << 16;
  auto bits = [](float f) { return __float_as_uint(f); };
  uint32_t a0 = bits(A[G * H + T]), a1 = bits(A[(G + 8) * H + T]), b0 = bits(B[T * 8 + G]),
           b1 = bits(B[(T + 4) * 8 + G]);
  if constexpr (K == 8) {
    asm("mma.sp::ordered_metadata.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0,%1,%2,%3},{%4,%5},{%6,%7},{%0,%1,%2,%3},%8,%9;"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a0), "r"(a1), "r"(b0), "r"(b1), "r"(e), "n"(Sel));
  } else {
    uint32_t a2 = bits(A[G * H + T + 4]), a3 = bits(A[(G + 8) * H + T + 4]),
             b2 = bits(B[(T + 8) * 8 + G]), b3 = bits(B[(T + 12) * 8 + G]);
    asm("mma.sp::ordered_metadata.sync.aligned.m16n8k16.row.col.f32.tf32.tf32.f32 "
        "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9,%10,%11},{%0,%1,%2,%3},%12,%13;"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1), "r"(b2), "r"(b3), "r"(e), "n"(Sel));
  }
  put(C, d);
}
// int8: 32 bits (32 columns) per thread; even thread of a pair row g, odd thread row g + 8.
template <int K, int Sel>
__global__ void sparse_int8(const int8_t* A, const uint64_t* meta, const int8_t* B, float* C) {
  constexpr int H = K / 2;
  int d[4] = {};
  uint32_t e = 0xdeadbeef;
  if (K == 32 && (T >> 1) == Sel) e = uint32_t(meta[G + 8 * (T & 1)]);
  if (K == 64) e = uint32_t(meta[G + 8 * (T & 1)] >> 32 * (T >> 1));
  uint32_t a0 = four(A + G * H + T * 4, 1), a1 = four(A + (G + 8) * H + T * 4, 1);
  uint32_t b[4];
  for (int i = 0; i < K / 16; ++i) b[i] = four(B + (T * 4 + 16 * i) * 8 + G, 8);
  if constexpr (K == 32) {
    asm("mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
        "{%0,%1,%2,%3},{%4,%5},{%6,%7},{%0,%1,%2,%3},%8,%9;"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a0), "r"(a1), "r"(b[0]), "r"(b[1]), "r"(e), "n"(Sel));
  } else {
    uint32_t a2 = four(A + G * H + T * 4 + 16, 1), a3 = four(A + (G + 8) * H + T * 4 + 16, 1);
    asm("mma.sp::ordered_metadata.sync.aligned.m16n8k64.row.col.s32.s8.s8.s32 "
        "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9,%10,%11},{%0,%1,%2,%3},%12,0;"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]), "r"(e));
  }
  for (int i = 0; i < 4; ++i) C[(i < 2 ? G : G + 8) * 8 + T * 2 + (i & 1)] = float(d[i]);
}

// ---- ldmatrix / cp.async GEMM ---------------------------------------------------------------
// C[64 x 64] = A[64 x K] B[K x 64], f16 row major, two-stage cp.async pipeline, 4 warps (16 rows
// each).
__global__ void gemm(const __half* A, const __half* B, float* C, int K) {
  __shared__ __align__(16) __half sa[2][64][40], sb[2][32][72];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  auto load = [&](int stage, int k0) {
    for (int i = threadIdx.x; i < 64 * 4; i += 128) {
      int r = i / 4, c = i % 4 * 8;
      uint32_t dst = static_cast<uint32_t>(__cvta_generic_to_shared(&sa[stage][r][c]));
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(dst), "l"(A + r * K + k0 + c));
    }
    for (int i = threadIdx.x; i < 32 * 8; i += 128) {
      int r = i / 8, c = i % 8 * 8;
      uint32_t dst = static_cast<uint32_t>(__cvta_generic_to_shared(&sb[stage][r][c]));
      asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(dst),
                   "l"(B + (k0 + r) * 64 + c), "r"(k0 + r < K ? 16 : 0));
    }
    asm volatile("cp.async.commit_group;");
  };
  float acc[8][4] = {};
  load(0, 0);
  for (int k0 = 0, s = 0; k0 < K; k0 += 32, s ^= 1) {
    if (k0 + 32 < K)
      load(s ^ 1, k0 + 32);
    else
      asm volatile("cp.async.commit_group;");
    asm volatile("cp.async.wait_group 1;");
    __syncthreads();
    for (int kk = 0; kk < 32; kk += 16) {
      uint32_t a[4];
      uint32_t pa = static_cast<uint32_t>(
          __cvta_generic_to_shared(&sa[s][warp * 16 + lane % 16][kk + lane / 16 * 8]));
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                   : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
                   : "r"(pa));
      for (int n = 0; n < 8; ++n) {
        uint32_t b[2];
        uint32_t pb =
            static_cast<uint32_t>(__cvta_generic_to_shared(&sb[s][kk + lane % 16][n * 8]));
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                     : "=r"(b[0]), "=r"(b[1])
                     : "r"(pb));
        float* d = acc[n];
        asm volatile(
            "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
            "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
      }
    }
    __syncthreads();
  }
  for (int n = 0; n < 8; ++n)
    for (int i = 0; i < 4; ++i)
      C[(warp * 16 + lane / 4 + (i / 2) * 8) * 64 + n * 8 + lane % 4 * 2 + (i & 1)] = acc[n][i];
}
__global__ void transpose8(const uint16_t* in, uint16_t* out) {  // movmatrix
  uint32_t v = two(in + G * 8 + T * 2, 1), r;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r) : "r"(v));
  out[G * 8 + T * 2] = uint16_t(r), out[G * 8 + T * 2 + 1] = uint16_t(r >> 16);
}

// ---- host -----------------------------------------------------------------------------------
Rng rng;
template <class E>
struct Conv {
  static E make(float f) { return E(f); }
  static double value(E e) { return double(float(e)); }
};
template <>
struct Conv<int8_t> {
  static int8_t make(float f) { return int8_t(f * 16); }
  static double value(int8_t e) { return e; }
};
template <>
struct Conv<float> {
  static float make(float f) {  // exactly representable in tf32
    uint32_t u;
    memcpy(&u, &f, 4);
    u &= 0xffffe000u;
    memcpy(&f, &u, 4);
    return f;
  }
  static double value(float e) { return e; }
};
template <>
struct Conv<double> {
  static double make(float f) { return f; }
  static double value(double e) { return e; }
};

template <class E, class K>
void dense(K kernel, int k, double tol, int m = 16, bool accumulate = false) {
  std::vector<E> a(m * k), b(k * 8);
  for (auto& x : a) x = Conv<E>::make(rng.uniform() * 8 - 4);
  for (auto& x : b) x = Conv<E>::make(rng.uniform() * 8 - 4);
  using R = std::conditional_t<std::is_same_v<E, double>, double, float>;
  std::vector<R> c(m * 8);
  if (accumulate)
    for (auto& x : c) x = rng.uniform();
  Dev<E> da(a), db(b);
  Dev<R> dc(c);
  kernel<<<1, 32>>>(da.p, db.p, dc.p);
  CUDA(cudaDeviceSynchronize());
  auto got = dc.get();
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < 8; ++j) {
      double ref = accumulate ? c[i * 8 + j] : 0;
      for (int x = 0; x < k; ++x)
        ref += Conv<E>::value(a[i * k + x]) * Conv<E>::value(b[x * 8 + j]);
      CHECK(std::fabs(got[i * 8 + j] - ref) <= tol);
    }
}

template <class E, class K>
void sparse(K kernel, int k, bool one_of_two, bool ordered = true) {
  int h = k / 2;
  std::vector<E> full(16 * k), comp(16 * h), b(k * 8);
  std::vector<uint64_t> meta(16);
  for (auto& x : full) x = Conv<E>::make(0);
  for (auto& x : b) x = Conv<E>::make(rng.uniform() * 8 - 4);
  for (int r = 0; r < 16; ++r)
    for (int c = 0; c < h; ++c) {
      int col;
      if (one_of_two) {
        int pos = rng.u32() & 1;
        meta[r] |= uint64_t(pos ? 0xe : 0x4) << 4 * c;
        col = 2 * c + pos;
      } else {
        static int first;
        int chunk = c / 2, idx;
        if (c % 2 == 0)
          first = idx = ordered ? rng.u32() % 3 : 1 + rng.u32() % 3;
        else
          idx = ordered ? first + 1 + rng.u32() % (3 - first) : rng.u32() % first;
        meta[r] |= uint64_t(idx) << 2 * c;
        col = 4 * chunk + idx;
      }
      E v = Conv<E>::make(rng.uniform() * 8 - 4);
      full[r * k + col] = comp[r * h + c] = v;
    }
  Dev<E> da(comp), db(b);
  Dev<uint64_t> dm(meta);
  Dev<float> dc(128);
  kernel<<<1, 32>>>(da.p, dm.p, db.p, dc.p);
  CUDA(cudaDeviceSynchronize());
  auto got = dc.get();
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j) {
      double ref = 0;
      for (int x = 0; x < k; ++x)
        ref += Conv<E>::value(full[i * k + x]) * Conv<E>::value(b[x * 8 + j]);
      CHECK(std::fabs(got[i * 8 + j] - ref) <= 1e-4);
    }
}

int main() {
  for (int rep = 0; rep < 3; ++rep) {
    dense<__half>(k16<__half, false>, 16, 1e-4, 16, true);
    dense<__nv_bfloat16>(k16<__nv_bfloat16, true>, 16, 1e-4, 16, true);
    dense<__half>(k8_f16, 8, 1e-4);
    dense<__half>(k16_half_acc, 16, 0.2);
    dense<float>(tf32<8>, 8, 1e-4);
    dense<float>(tf32<4>, 4, 1e-4);
    dense<int8_t>(int8<32>, 32, 0);
    dense<int8_t>(int8<16>, 16, 0);
    dense<double>(f64_k4, 4, 1e-12, 8);
    sparse<__half>(sparse_f16<16, true, 0>, 16, false);
    sparse<__half>(sparse_f16<16, true, 1>, 16, false);
    sparse<__half>(sparse_f16<16, true, 2>, 16, false);
    sparse<__half>(sparse_f16<16, true, 3>, 16, false);
    sparse<__half>(sparse_f16<16, false, 0>, 16, false, false);
    sparse<__half>(sparse_f16<32, true, 0>, 32, false);
    sparse<__half>(sparse_f16<32, true, 1>, 32, false);
    sparse<__nv_bfloat16>(sparse_bf16_k32<0>, 32, false);
    sparse<__nv_bfloat16>(sparse_bf16_k32<1>, 32, false);
    sparse<float>(sparse_tf32<8, 0>, 8, true);
    sparse<float>(sparse_tf32<8, 3>, 8, true);
    sparse<float>(sparse_tf32<16, 0>, 16, true);
    sparse<float>(sparse_tf32<16, 1>, 16, true);
    sparse<int8_t>(sparse_int8<32, 0>, 32, false);
    sparse<int8_t>(sparse_int8<32, 1>, 32, false);
    sparse<int8_t>(sparse_int8<64, 0>, 64, false);
  }
  for (int K : {32, 64, 256}) {
    std::vector<__half> a(64 * K), b(K * 64);
    for (auto& x : a) x = __half(rng.uniform() - 0.5f);
    for (auto& x : b) x = __half(rng.uniform() - 0.5f);
    Dev<__half> da(a), db(b);
    Dev<float> dc(64 * 64);
    gemm<<<1, 128>>>(da.p, db.p, dc.p, K);
    CUDA(cudaDeviceSynchronize());
    auto got = dc.get();
    double worst = 0;
    for (int i = 0; i < 64; ++i)
      for (int j = 0; j < 64; ++j) {
        double ref = 0;
        for (int k = 0; k < K; ++k)
          ref += double(float(a[i * K + k])) * double(float(b[k * 64 + j]));
        worst = std::max(worst, std::fabs(got[i * 64 + j] - ref));
      }
    CHECK(worst < 1e-4);
  }
  std::vector<uint16_t> m(64);
  for (int i = 0; i < 64; ++i) m[i] = uint16_t(i * 7 + 1);
  Dev<uint16_t> dm(m), dt(64);
  transpose8<<<1, 32>>>(dm.p, dt.p);
  auto t = dt.get();
  for (int i = 0; i < 64; ++i) CHECK(t[i] == m[i % 8 * 8 + i / 8]);
  return REPORT();
}

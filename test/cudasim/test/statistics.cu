// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The counters of CUDASIM_STATS for kernels whose traffic is known exactly. The program runs itself
// once more (the file is written at exit) and reads the result.
#include <fstream>
#include <sstream>
#include <string>

#include "check.hpp"

__global__ void coalesced(const float* a, float* b) {
  b[blockIdx.x * blockDim.x + threadIdx.x] = a[blockIdx.x * blockDim.x + threadIdx.x];
}
__global__ void strided(const float* a, float* b) { b[threadIdx.x] = a[threadIdx.x * 8]; }
__global__ void reread(const float4* a, float4* b) {
  float4 s = a[threadIdx.x];
  for (int i = 1; i < 4; ++i)
    s.x += reinterpret_cast<const volatile float*>(a)[threadIdx.x * 4 + i];
  b[threadIdx.x] = s;
}
__global__ void conflicts(int stride, int* out) {
  __shared__ int s[32 * 32];
  s[threadIdx.x * stride] = threadIdx.x;
  __syncthreads();
  atomicAdd(out, *(volatile int*)(s + threadIdx.x * stride));
}

/// The number after "key" within the object of the kernel whose name starts with `kernel`.
double field(const std::string& text, const std::string& kernel, const std::string& object,
             const std::string& key) {
  size_t at = text.find("\"name\": \"" + kernel);
  at = text.find("\"" + object + "\"", at);
  if (!key.empty()) at = text.find("\"" + key + "\"", at);
  at = text.find(':', at);
  return std::strtod(text.c_str() + at + 1, nullptr);
}

int main(int argc, char** argv) {
  if (argc < 2 || !std::getenv("CUDASIM_STATS")) return 2;
  if (argc == 3) {
    Dev<float> a(8192), b(8192);
    coalesced<<<8, 128>>>(a.p, b.p);
    strided<<<1, 32>>>(a.p, b.p);
    reread<<<1, 32>>>(reinterpret_cast<float4*>(a.p), reinterpret_cast<float4*>(b.p));
    conflicts<<<1, 32>>>(8, reinterpret_cast<int*>(b.p));
    CUDA(cudaDeviceSynchronize());
    return REPORT();
  }
  std::string self = std::string(argv[0]) + " " + argv[1] + " child";
  CHECK(std::system(self.c_str()) == 0);
  std::ifstream in(argv[1]);
  std::stringstream ss;
  ss << in.rdbuf();
  std::string t = ss.str();
  CHECK(!t.empty());
  CHECK(field(t, "coalesced", "launches", "") == 1);
  CHECK(field(t, "coalesced", "global_load", "requests") == 32);
  CHECK(field(t, "coalesced", "global_load", "bytes_requested") == 4096);
  CHECK(field(t, "coalesced", "global_load", "sectors_per_request") == 4);
  CHECK(field(t, "coalesced", "global_load", "unique_bytes") == 4096);
  CHECK(field(t, "coalesced", "global_store", "unique_bytes") == 4096);
  CHECK(field(t, "strided", "global_load", "sectors_per_request") == 32);
  CHECK(field(t, "strided", "global_load", "unique_bytes") == 1024);
  CHECK(field(t, "strided", "global_store", "sectors_per_request") == 4);
  CHECK(field(t, "reread", "global_load", "bytes_requested") == 512 + 3 * 128);
  CHECK(field(t, "reread", "global_load", "unique_bytes") == 512);
  CHECK(field(t, "conflicts", "shared", "wavefronts") == 16);  // stride 8: 8 lanes per bank, twice
  CHECK(field(t, "conflicts", "shared", "bank_conflict_wavefronts") == 14);
  CHECK(field(t, "conflicts", "atomics", "") == 32);
  CHECK(field(t, "conflicts", "barriers", "") == 1);
  CHECK(field(t, "coalesced", "thread_instructions", "total") >= 8 * 128 * 6);
  return REPORT();
}

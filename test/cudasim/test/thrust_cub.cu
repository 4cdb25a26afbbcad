// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Thrust and CUB algorithms against the standard library.
#include <thrust/device_vector.h>
#include <thrust/functional.h>
#include <thrust/host_vector.h>
#include <thrust/reduce.h>
#include <thrust/scan.h>
#include <thrust/sequence.h>
#include <thrust/sort.h>
#include <thrust/transform_reduce.h>
#include <thrust/unique.h>

#include <cub/cub.cuh>

#include <algorithm>
#include <map>
#include <numeric>

#include "check.hpp"

template <class F>
void with_temp(F call) {  // CUB's two-phase protocol
  size_t bytes = 0;
  CUDA(call(nullptr, bytes));
  void* temp = nullptr;
  CUDA(cudaMalloc(&temp, bytes ? bytes : 1));
  CUDA(call(temp, bytes));
  CUDA(cudaDeviceSynchronize());
  CUDA(cudaFree(temp));
}

template <class T>
std::vector<T> random_keys(size_t n, Rng& r) {
  std::vector<T> v(n);
  for (auto& x : v) {
    if constexpr (std::is_floating_point_v<T>)
      x = static_cast<T>((r.uniform() - 0.5f) * 1000);
    else
      x = static_cast<T>(r.next() >> 7);
  }
  return v;
}

template <class T>
void sort_keys(size_t n) {
  Rng r;
  auto h = random_keys<T>(n, r);
  Dev<T> in(h), out(n);
  with_temp([&](void* t, size_t& b) {
    return cub::DeviceRadixSort::SortKeys(t, b, in.p, out.p, static_cast<int>(n));
  });
  std::sort(h.begin(), h.end());
  CHECK(out.get() == h);
}

void sort_pairs(size_t n) {
  Rng r;
  auto k = random_keys<uint32_t>(n, r);
  for (auto& x : k) x &= 0xffff;
  std::vector<int> v(n);
  std::iota(v.begin(), v.end(), 0);
  Dev<uint32_t> ki(k), ko(n);
  Dev<int> vi(v), vo(n);
  with_temp([&](void* t, size_t& b) {
    return cub::DeviceRadixSort::SortPairs(t, b, ki.p, ko.p, vi.p, vo.p, static_cast<int>(n));
  });
  std::stable_sort(v.begin(), v.end(), [&](int a, int b) { return k[a] < k[b]; });
  CHECK(vo.get() == v);
}

struct IsEven {
  __host__ __device__ bool operator()(int x) const { return x % 2 == 0; }
};
struct Square {
  __host__ __device__ double operator()(float x) const { return double(x) * x; }
};

__global__ void block_sort(uint32_t* data) {
  using Sort = cub::BlockRadixSort<uint32_t, 128, 4>;
  __shared__ typename Sort::TempStorage temp;
  uint32_t k[4];
  for (int i = 0; i < 4; ++i) k[i] = data[blockIdx.x * 512 + threadIdx.x * 4 + i];
  Sort(temp).Sort(k);
  for (int i = 0; i < 4; ++i) data[blockIdx.x * 512 + threadIdx.x * 4 + i] = k[i];
}
__global__ void warp_sum(const float* in, float* out) {
  using Reduce = cub::WarpReduce<float>;
  __shared__ typename Reduce::TempStorage temp[4];
  float s = Reduce(temp[threadIdx.x / 32]).Sum(in[blockIdx.x * 128 + threadIdx.x]);
  if (threadIdx.x % 32 == 0) out[blockIdx.x * 4 + threadIdx.x / 32] = s;
}
__global__ void block_scan(const int* in, int* out) {
  using Scan = cub::BlockScan<int, 256>;
  __shared__ typename Scan::TempStorage temp;
  int v = in[threadIdx.x], r;
  Scan(temp).ExclusiveSum(v, r);
  out[threadIdx.x] = r;
}

int main() {
  Rng r;
  // CUB device-wide
  sort_keys<uint32_t>(50000);
  sort_keys<int64_t>(20000);
  sort_keys<float>(30000);
  sort_keys<double>(5000);
  sort_keys<int>(100);
  sort_pairs(40000);

  for (int n : {1, 31, 1000, 70000}) {
    auto h = random_keys<int>(n, r);
    for (auto& x : h) x %= 1000;
    Dev<int> in(h), out(n), one(1), count(1);
    with_temp([&](void* t, size_t& b) { return cub::DeviceReduce::Sum(t, b, in.p, one.p, n); });
    CHECK(one.get()[0] == std::accumulate(h.begin(), h.end(), 0));
    with_temp([&](void* t, size_t& b) { return cub::DeviceReduce::Max(t, b, in.p, one.p, n); });
    CHECK(one.get()[0] == *std::max_element(h.begin(), h.end()));
    std::vector<int> ref(n);
    with_temp(
        [&](void* t, size_t& b) { return cub::DeviceScan::InclusiveSum(t, b, in.p, out.p, n); });
    std::inclusive_scan(h.begin(), h.end(), ref.begin());
    CHECK(out.get() == ref);
    with_temp(
        [&](void* t, size_t& b) { return cub::DeviceScan::ExclusiveSum(t, b, in.p, out.p, n); });
    std::exclusive_scan(h.begin(), h.end(), ref.begin(), 0);
    CHECK(out.get() == ref);
    with_temp([&](void* t, size_t& b) {
      return cub::DeviceSelect::If(t, b, in.p, out.p, count.p, n, IsEven{});
    });
    ref.clear();
    std::copy_if(h.begin(), h.end(), std::back_inserter(ref), IsEven{});
    auto got = out.get();
    CHECK(count.get()[0] == static_cast<int>(ref.size()));
    got.resize(ref.size());
    CHECK(got == ref);
  }

  {  // histogram
    int n = 50000;
    std::vector<float> h(n);
    for (auto& x : h) x = r.uniform() * 100;
    Dev<float> in(h);
    Dev<int> bins(64);
    with_temp([&](void* t, size_t& b) {
      return cub::DeviceHistogram::HistogramEven(t, b, in.p, bins.p, 65, 0.0f, 100.0f, n);
    });
    std::vector<int> ref(64);
    for (float x : h) ref[std::min(63, static_cast<int>(x / 100.0f * 64))]++;
    auto got = bins.get();
    int moved = 0;  // values within rounding of a bin edge may land next door
    for (int i = 0; i < 64; ++i) moved += std::abs(got[i] - ref[i]);
    CHECK(moved <= 4);
    CHECK(std::accumulate(got.begin(), got.end(), 0) == n);
  }
  {  // reduce by key, run-length runs
    int n = 30000;
    std::vector<int> k(n), v(n);
    for (int i = 0; i < n; ++i)
      k[i] = i ? k[i - 1] + (r.u32() % 5 == 0) : 0, v[i] = static_cast<int>(r.u32() % 10);
    Dev<int> dk(k), dv(v), uk(n), sums(n), runs(1);
    with_temp([&](void* t, size_t& b) {
      return cub::DeviceReduce::ReduceByKey(t, b, dk.p, uk.p, dv.p, sums.p, runs.p,
                                            cuda::std::plus<>{}, n);
    });
    std::map<int, int> ref;
    for (int i = 0; i < n; ++i) ref[k[i]] += v[i];
    CHECK(runs.get()[0] == static_cast<int>(ref.size()));
    auto gk = uk.get(), gs = sums.get();
    size_t i = 0, bad = 0;
    for (auto& [key, sum] : ref) bad += gk[i] != key || gs[i] != sum, ++i;
    CHECK(bad == 0);
  }

  // Thrust
  {
    int n = 200000;
    thrust::host_vector<int> h(n);
    for (auto& x : h) x = static_cast<int>(r.u32());
    thrust::device_vector<int> d = h;
    thrust::sort(d.begin(), d.end());
    std::sort(h.begin(), h.end());
    CHECK(thrust::equal(h.begin(), h.end(), thrust::host_vector<int>(d).begin()));
    thrust::sort(d.begin(), d.end(), [] __device__(int a, int b) {
      return (a & 1023) != (b & 1023) ? (a & 1023) < (b & 1023) : a < b;
    });  // merge sort
    std::sort(h.begin(), h.end(), [](int a, int b) {
      return (a & 1023) != (b & 1023) ? (a & 1023) < (b & 1023) : a < b;
    });
    CHECK(thrust::equal(h.begin(), h.end(), thrust::host_vector<int>(d).begin()));
  }
  {
    int n = 20000;
    thrust::host_vector<float> h(n);
    for (auto& x : h) x = r.uniform();
    thrust::device_vector<float> d = h;
    double s = thrust::transform_reduce(d.begin(), d.end(), Square{}, 0.0, thrust::plus<double>());
    double ref = 0;
    for (float x : h) ref += double(x) * x;
    CHECK(std::fabs(s - ref) < 1e-9 * ref);
    thrust::device_vector<int> q(n);
    thrust::sequence(q.begin(), q.end());
    CHECK(thrust::reduce(q.begin(), q.end(), 0L) == long(n) * (n - 1) / 2);
    thrust::transform(q.begin(), q.end(), q.begin(), [] __device__(int x) { return x / 3; });
    auto end = thrust::unique(q.begin(), q.end());
    CHECK(end - q.begin() == (n - 1) / 3 + 1);
    thrust::exclusive_scan(q.begin(), end, q.begin());
    CHECK(q[100] == 4950);
    thrust::device_vector<int> keys(n), vals(n, 1), ko(n), vo(n);
    thrust::sequence(keys.begin(), keys.end());
    thrust::transform(keys.begin(), keys.end(), keys.begin(),
                      [] __device__(int x) { return x / 7; });
    auto e2 = thrust::reduce_by_key(keys.begin(), keys.end(), vals.begin(), ko.begin(), vo.begin());
    CHECK(e2.first - ko.begin() == (n - 1) / 7 + 1);
    CHECK(vo[0] == 7);
  }
  // Block and warp primitives
  {
    std::vector<uint32_t> h(2048);
    for (auto& x : h) x = r.u32();
    Dev<uint32_t> d(h);
    block_sort<<<4, 128>>>(d.p);
    CUDA(cudaDeviceSynchronize());
    for (int b = 0; b < 4; ++b) std::sort(h.begin() + b * 512, h.begin() + (b + 1) * 512);
    CHECK(d.get() == h);
    std::vector<float> f(256);
    for (size_t i = 0; i < f.size(); ++i) f[i] = static_cast<float>(i % 17);
    Dev<float> fi(f), fo(8);
    warp_sum<<<2, 128>>>(fi.p, fo.p);
    auto g = fo.get();
    for (int w = 0; w < 8; ++w)
      CHECK(g[w] == std::accumulate(f.begin() + w * 32, f.begin() + w * 32 + 32, 0.0f));
    std::vector<int> si(256, 3);
    Dev<int> a(si), b(256);
    block_scan<<<1, 256>>>(a.p, b.p);
    CHECK(b.get()[255] == 765);
  }
  return REPORT();
}

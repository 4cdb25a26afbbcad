// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/cuda/top_k.cuh"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/sparsify/active_set.hpp"

// CUB brings a ::cuda and a ::half of its own.
namespace sparsellm {

namespace {

// What the device lists, as the host's set.
active_set<> chosen(device& d, const active_set<device_space>& there) {
  active_set<> here(there.capacity());
  const active_view<device_space> v = there.view();
  std::uint32_t count = 0;
  cuda::copy(d.exec, vector_view<const std::uint32_t, device_space>(v.count, 1),
             vector_view<std::uint32_t>(&count, 1));
  REQUIRE(count <= there.capacity());
  cuda::copy(d.exec, vector_view<const std::uint32_t, device_space>(v.index, count),
             vector_view<std::uint32_t>(here.index_storage(), count));
  cuda::copy(d.exec, vector_view<const float, device_space>(v.value, count),
             vector_view<float>(here.value_storage(), count));
  here.resize(count);
  return here;
}

}  // namespace

TEST_CASE("cuda: the k largest scores are the host's, ties and NaN included") {
  device d;
  for (const std::size_t n : {1, 31, 1024, 2500}) {
    std::vector<float> x = normal(n, 71), scale = normal(n, 72);
    for (float& s : scale) s = std::fabs(s);
    for (std::size_t i = 0; i < n; i += 3) x[i] = i % 2 == 0 ? 0.5f : -0.5f;
    for (std::size_t i = 1; i < n; i += 7) x[i] = i % 2 == 0 ? 0.0f : -0.0f;
    if (n > 100) {
      x[5] = x[90] = std::numeric_limits<float>::quiet_NaN();
      x[6] = -std::numeric_limits<float>::infinity();
    }
    const auto there = d.up(x), scales = d.up(scale);
    for (const std::size_t k :
         {std::size_t{0}, std::size_t{1}, std::size_t{2}, n / 3, n / 2, n - 1, n, n + 9}) {
      INFO(k << " of " << n);
      const auto compare = [&](const auto& here_keeps, const auto& there_keeps) {
        active_set here(n);
        sparsify(d.host, here_keeps, vector_view<const float>(x), here);
        active_set listed(d.exec, n);
        sparsify(d.exec, there_keeps, there.view(), listed);
        const active_set<> got = chosen(d, listed);
        REQUIRE(got.size() == here.size());
        CHECK(std::memcmp(got.view().index, here.view().index, here.size() * 4) == 0);
        CHECK(std::memcmp(got.view().value, here.view().value, here.size() * 4) == 0);
      };
      compare(sparsifier{magnitude{}, top_k{k}}, sparsifier{magnitude{}, top_k{k}});
      compare(sparsifier{column_scaled{scale.data()}, top_k{k}},
              sparsifier{column_scaled{scales.data()}, top_k{k}});
    }
  }
  active_set small(d.exec, 3);
  const auto x = d.up(normal(4, 73));
  CHECK_THROWS_AS(sparsify(d.exec, sparsifier{magnitude{}, top_k{2}}, x.view(), small),
                  shape_error);
}

TEST_CASE("cuda: a product takes the k largest by way of an active set") {
  device d;
  const extents e{70, 300};
  const auto weight = d.pack<channel_major<half>>(normal(e.outputs * e.inputs, 74), e);
  const std::vector<float> x = normal(e.inputs, 75);
  active_set here(e.inputs);
  sparsify(d.host, sparsifier{magnitude{}, top_k{120}}, vector_view<const float>(x), here);
  std::vector<float> left(e.inputs, 0.0f);
  for (std::size_t i = 0; i < here.size(); ++i) left[here.indices()[i]] = here.values()[i];
  auto y = d.exec.allocate<float>(e.outputs), wanted = d.exec.allocate<float>(e.outputs);
  active_set active(d.exec, e.inputs);
  multiply(d.exec, weight, sparsifier{magnitude{}, top_k{120}}, d.up(x).view(), y.view(), active);
  multiply(d.exec, weight, d.up(left).view(), wanted.view());
  CHECK(d.down(y) == d.down(wanted));

  // Nothing in it waits: it can be captured, and run again on another x.
  auto moving = d.up(normal(e.inputs, 76));
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t run = nullptr;
  cuda::check(cudaStreamBeginCapture(d.exec.stream(), cudaStreamCaptureModeThreadLocal), "begin");
  multiply(d.exec, weight, sparsifier{magnitude{}, top_k{120}}, moving.view(), y.view(), active);
  cuda::check(cudaStreamEndCapture(d.exec.stream(), &graph), "end");
  cuda::check(cudaGraphInstantiate(&run, graph, 0), "instantiate");
  cuda::copy(d.exec, vector_view<const float>(x), moving.view());
  cuda::check(cudaGraphLaunch(run, d.exec.stream()), "launch");
  CHECK(d.down(y) == d.down(wanted));
  cuda::check(cudaGraphExecDestroy(run), "destroy");
  cuda::check(cudaGraphDestroy(graph), "destroy");
}

}  // namespace sparsellm

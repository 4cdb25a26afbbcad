// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/cuda/top_k.cuh"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/cuda/workspace.cuh"
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

// A criterion of a user's own, whose scores may be negative.
struct as_it_is {
  [[nodiscard]] SPARSELLM_HD float operator()(float x, std::size_t) const noexcept { return x; }
};

// With ties, zeros of both signs, NaN and infinities.
std::vector<float> hard(std::size_t n, unsigned seed) {
  std::vector<float> x = normal(n, seed);
  for (std::size_t i = 0; i < n; i += 3) x[i] = i % 2 == 0 ? 0.5f : -0.5f;
  for (std::size_t i = 1; i < n; i += 7) x[i] = i % 2 == 0 ? 0.0f : -0.0f;
  if (n > 100) {
    x[5] = x[90] = std::numeric_limits<float>::quiet_NaN();
    x[6] = -std::numeric_limits<float>::infinity();
    x[n - 2] = std::numeric_limits<float>::infinity();
  }
  return x;
}

}  // namespace

// One block of few and of many keys a thread, many blocks, and blocks of several rounds.
TEST_CASE("cuda: the k largest scores are the host's, ties, NaN and infinities included") {
  device d;
  for (const std::size_t n : {1, 31, 1024, 2500, 4097, 14337, 67001}) {
    const std::vector<float> x = hard(n, 71);
    std::vector<float> scale = normal(n, 72);
    for (float& s : scale) s = std::fabs(s);
    const auto there = d.up(x), scales = d.up(scale);
    active_set here(n);
    active_set listed(d.exec, n);
    std::vector<std::size_t> ks{0, 1, n / 2, n - 1, n + 9};
    if (n < 10000) ks.insert(ks.end(), {2, n / 3, n});
    for (const std::size_t k : ks) {
      INFO(k << " of " << n);
      const auto compare = [&](const auto& here_keeps, const auto& there_keeps) {
        sparsify(d.host, here_keeps, vector_view<const float>(x), here);
        sparsify(d.exec, there_keeps, there.view(), listed);
        const active_set<> got = chosen(d, listed);
        REQUIRE(got.size() == here.size());
        CHECK(std::memcmp(got.view().index, here.view().index, here.size() * 4) == 0);
        CHECK(std::memcmp(got.view().value, here.view().value, here.size() * 4) == 0);
      };
      compare(sparsifier{magnitude{}, top_k{k}}, sparsifier{magnitude{}, top_k{k}});
      compare(sparsifier{as_it_is{}, top_k{k}}, sparsifier{as_it_is{}, top_k{k}});
      if (n < 10000)
        compare(sparsifier{column_scaled{scale.data()}, top_k{k}},
                sparsifier{column_scaled{scales.data()}, top_k{k}});
    }
  }
  active_set small(d.exec, 3);
  const auto x = d.up(normal(4, 73));
  CHECK_THROWS_AS(sparsify(d.exec, sparsifier{magnitude{}, top_k{2}}, x.view(), small),
                  shape_error);
}

TEST_CASE("cuda: the k largest of each token of a batch, zeros elsewhere") {
  device d;
  using input = matrix_view<const float, device_space>;
  using output = matrix_view<float, device_space>;
  struct batch {
    std::size_t tokens, inputs;
  };
  for (const auto [tokens, inputs] : {batch{5, 700}, {35, 16390}})
    for (const std::size_t k : {std::size_t{0}, inputs / 2}) {
      INFO(k << " of " << tokens << "x" << inputs);
      const std::size_t stride = inputs + 3;  // what is between rows stays as it is
      const sparsifier keep{magnitude{}, top_k{k}};
      const std::vector<float> x = hard(tokens * stride, 77);
      std::vector<float> expected = x;
      active_set here(inputs);
      for (std::size_t t = 0; t < tokens; ++t) {
        float* const row = expected.data() + t * stride;
        sparsify(d.host, keep, vector_view<const float>(row, inputs), here);
        std::fill_n(row, inputs, 0.0f);
        for (std::size_t i = 0; i < here.size(); ++i) row[here.indices()[i]] = here.values()[i];
      }
      auto there = d.up(x);
      const input from(there.data(), tokens, inputs, stride);
      auto apart = d.up(x);
      sparsify(d.exec, keep, from, output(apart.data(), tokens, inputs, stride));
      sparsify(d.exec, keep, from, output(there.data(), tokens, inputs, stride));
      CHECK(std::memcmp(d.down(apart).data(), expected.data(), x.size() * 4) == 0);
      CHECK(std::memcmp(d.down(there).data(), expected.data(), x.size() * 4) == 0);
    }
  auto y = d.exec.allocate<float>(12);
  const auto x = d.up(normal(12, 78));
  CHECK_THROWS_AS(sparsify(d.exec, sparsifier{magnitude{}, top_k{2}}, input(x.data(), 3, 4),
                           output(y.data(), 4, 3)),
                  shape_error);
}

TEST_CASE("cuda: many blocks choose in a captured graph, in a workspace of workspace_bytes()") {
  device d;
  const extents e{8, 20000};
  const auto weight = d.pack<channel_major<bfloat16>>(normal(e.outputs * e.inputs, 79), e);
  const std::size_t bytes = cuda::workspace_bytes(weight, 1);
  CHECK(bytes > detail::device::top_k_scratch(e.inputs, 1));
  auto memory = d.exec.allocate<std::byte>(bytes);
  d.exec.set_workspace(memory.view());
  const sparsifier keep{magnitude{}, top_k{9000}};
  auto x = d.up(normal(e.inputs, 80));
  auto y = d.exec.allocate<float>(e.outputs);
  active_set active(d.exec, e.inputs);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t run = nullptr;
  cuda::check(cudaStreamBeginCapture(d.exec.stream(), cudaStreamCaptureModeThreadLocal), "begin");
  multiply(d.exec, weight, keep, x.view(), y.view(), active);
  cuda::check(cudaStreamEndCapture(d.exec.stream(), &graph), "end");
  cuda::check(cudaGraphInstantiate(&run, graph, 0), "instantiate");
  for (const unsigned seed : {81u, 82u}) {
    const std::vector<float> now = normal(e.inputs, seed);
    cuda::copy(d.exec, vector_view<const float>(now), x.view());
    cuda::check(cudaGraphLaunch(run, d.exec.stream()), "launch");
    const std::vector<float> got = d.down(y);
    multiply(d.exec, weight, keep, x.view(), y.view(), active);
    CHECK(got == d.down(y));
    active_set here(e.inputs);
    sparsify(d.host, keep, vector_view<const float>(now), here);
    const active_set<> listed = chosen(d, active);
    REQUIRE(listed.size() == here.size());
    CHECK(std::memcmp(listed.view().index, here.view().index, here.size() * 4) == 0);
  }
  cuda::check(cudaGraphExecDestroy(run), "destroy");
  cuda::check(cudaGraphDestroy(graph), "destroy");
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

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include <cstring>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/cuda/multiply_gated.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/n_of_m.hpp"

using namespace sparsellm;

TEST_CASE("cuda::executor reads its device and borrows streams") {
  cuda::executor exec;
  CHECK(exec.device().capability >= 70);
  CHECK(exec.device().multiprocessors > 0);
  CHECK(exec.device().shared_bytes >= 48u << 10);
  cudaStream_t stream = nullptr;
  cuda::check(cudaStreamCreate(&stream), "stream");
  {
    cuda::executor borrowed(stream);
    CHECK(borrowed.stream() == stream);
    auto memory = borrowed.allocate<float>(1000);
    CHECK(memory.size() == 1000);
    borrowed.wait();
  }
  cuda::check(cudaStreamDestroy(stream), "stream");
}

TEST_CASE("cuda::copy refuses sizes that differ and brings back what it took") {
  device d;
  const std::vector<float> v = normal(1001, 1);
  const auto there = d.up(v);
  CHECK(d.down(there) == v);
  std::vector<float> shorter(1000);
  CHECK_THROWS_AS(cuda::copy(d.exec, there.view(), vector_view<float>(shorter)), shape_error);
  CHECK_SAYS(cuda::check(cudaErrorMemoryAllocation, "here"), device_error, "here: ");
}

TEST_CASE("cuda: a step is captured into a graph, after it has run once") {
  device d;
  const extents e{96, 1200};
  const auto dense = d.pack<channel_major<bfloat16>>(normal(e.outputs * e.inputs, 2), e);
  const auto nm = d.pack<n_of_m<half, 2, 4>>(normal(e.outputs * e.inputs, 3), e);
  const sparsifier s{magnitude{}, above{0.5f}};
  const std::vector<float> first = normal(e.inputs, 4), second = normal(e.inputs, 5);
  auto x = d.up(first);
  auto y = d.exec.allocate<float>(e.outputs), z = d.exec.allocate<float>(e.outputs),
       h = d.exec.allocate<float>(e.outputs / 2);
  const section<teal> all{0, e.outputs, s};
  active_set active(d.exec, e.inputs);
  const auto step = [&] {
    multiply(d.exec, dense, s, x.view(), y.view(), active);
    multiply(d.exec, nm, s, x.view(), z.view());
    multiply_gated(d.exec, nm, stacked<teal>{&all, 1},
                   matrix_view<const float, device_space>(x.data(), 1, e.inputs),
                   matrix_view<float, device_space>(h.data(), 1, e.outputs / 2));
  };
  cudaGraph_t graph = nullptr;
  const auto capture = [&] {
    cuda::check(cudaStreamBeginCapture(d.exec.stream(), cudaStreamCaptureModeThreadLocal), "begin");
    try {
      step();
    } catch (...) {
      (void)cudaStreamEndCapture(d.exec.stream(), &graph);
      throw;
    }
    cuda::check(cudaStreamEndCapture(d.exec.stream(), &graph), "end");
  };
  CHECK_SAYS(capture(), device_error, "run the step once before");
  if (graph != nullptr) cuda::check(cudaGraphDestroy(graph), "destroy");
  step();
  const std::vector<float> y1 = d.down(y), z1 = d.down(z), h1 = d.down(h);

  capture();
  cudaGraphExec_t run = nullptr;
  cuda::check(cudaGraphInstantiate(&run, graph, 0), "instantiate");
  cuda::copy(d.exec, vector_view<const float>(second), x.view());
  cuda::check(cudaGraphLaunch(run, d.exec.stream()), "launch");
  const std::vector<float> y2 = d.down(y), z2 = d.down(z), h2 = d.down(h);
  CHECK(y2 != y1);
  CHECK(z2 != z1);
  CHECK(h2 != h1);
  step();
  CHECK(d.down(y) == y2);
  CHECK(d.down(z) == z2);
  CHECK(d.down(h) == h2);
  cuda::check(cudaGraphExecDestroy(run), "destroy");
  cuda::check(cudaGraphDestroy(graph), "destroy");
}

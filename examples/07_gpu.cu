// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// The MLP of a Llama block on a GPU, as one CUDA graph: gate and up in one pass that also lists
// what down will read, then down. The graph is captured once and replayed for every token.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "sparsellm/cuda.cuh"
#include "sparsellm/sparsellm.hpp"

namespace s = sparsellm;
using format = s::channel_major<s::bfloat16>;

constexpr std::size_t width = 256, hidden = 512;

template <class T>
using on_device = s::vector_view<T, s::device_space>;

s::packed_matrix<format, s::device_space> weight(s::cuda::executor& exec, std::mt19937& random,
                                                 std::size_t outputs, std::size_t inputs) {
  std::normal_distribution<float> normal(0.0f, 1.0f / 16);
  std::vector<float> w(outputs * inputs);
  for (float& v : w) v = normal(random);
  s::cpu::executor host;
  return s::cuda::to_device(
      exec, s::pack<format>(host, s::matrix_view<const float>(w.data(), outputs, inputs)));
}

void check(cudaError_t status) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "CUDA: %s\n", cudaGetErrorString(status));
  std::exit(1);
}

int main() {
  std::mt19937 random(1);
  cudaStream_t stream = nullptr;
  check(cudaStreamCreate(&stream));
  {
    s::cuda::executor exec(stream);
    const auto gate_up = weight(exec, random, 2 * hidden, width);
    const auto down = weight(exec, random, width, hidden);
    auto x = exec.allocate<float>(width), h = exec.allocate<float>(hidden),
         y = exec.allocate<float>(width);
    s::active_set active(exec, hidden);
    const on_device<float> in(x.data(), width), middle(h.data(), hidden), out(y.data(), width);
    const s::teal keep{s::magnitude{}, s::above{0.5f}}, keep_down{s::magnitude{}, s::above{0.05f}};
    const auto step = [&] {
      s::multiply_gated(exec, gate_up, keep, in, middle, keep_down, active);
      s::multiply(exec, down, active, out);
    };

    // Memory that products work in: given once, so that a captured step allocates nothing.
    const std::size_t bytes =
        std::max(s::cuda::workspace_bytes(gate_up, 1), s::cuda::workspace_bytes(down, 1));
    auto workspace = exec.allocate<std::byte>(bytes);
    exec.set_workspace(on_device<std::byte>(workspace.data(), bytes));

    cudaGraph_t graph = nullptr;
    cudaGraphExec_t decode = nullptr;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    step();
    check(cudaStreamEndCapture(stream, &graph));
    check(cudaGraphInstantiate(&decode, graph, 0));

    std::normal_distribution<float> normal;
    std::vector<float> token(width), replayed(width), launched(width);
    std::size_t different = 0;
    for (int t = 0; t < 3; ++t) {
      for (float& v : token) v = normal(random);
      s::cuda::copy(exec, s::vector_view<const float>(token), in);
      check(cudaGraphLaunch(decode, stream));
      s::cuda::copy(exec, on_device<const float>(out), s::vector_view<float>(replayed));
      step();
      s::cuda::copy(exec, on_device<const float>(out), s::vector_view<float>(launched));
      for (std::size_t i = 0; i < width; ++i) different += replayed[i] != launched[i];
      std::printf("token %d: y[0] is %.4f\n", t, static_cast<double>(replayed[0]));
    }
    std::printf("the graph and single launches differ in %zu numbers\n", different);
    check(cudaGraphExecDestroy(decode));
    check(cudaGraphDestroy(graph));
    if (different != 0) return 1;
  }
  check(cudaStreamDestroy(stream));
}

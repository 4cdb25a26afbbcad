// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Every product of the device beside cuBLASLt's dense and cuSPARSELt's 2:4 one, in one process and
// interleaved; script/bench-cuda runs it. On a GPU: a simulator's times mean nothing.
//
//   cuda/channel_major/bf16/s=0.50/tokens=1/4096x4096
//   cuda/gated/bf16/s=0.50/tokens=1/22016x4096           gate and up in one product
//   cuda/n_of_m/bf16/2:4/tokens=512/4096x4096
//   cuda/channel_bitmap/i8/2:4/s=0.50/tokens=1/4096x4096
//   cuda/cublaslt/bf16/tokens=1/4096x4096
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "activations.hpp"
#include "cuda/loop.cuh"
#include "cuda/peers.hpp"
#include "shapes.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cuda/multiply_gated.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/row_major.hpp"

namespace {

using namespace sparsellm;
using bench::projection;

cuda::executor& device() {
  static cuda::executor exec;
  return exec;
}

// Packed once, and as many times on the device as the L2 cache does not hold.
template <packed_format F>
const std::vector<packed_matrix<F, device_space>>& weights_of(extents shape) {
  static std::map<std::pair<std::size_t, std::size_t>, std::vector<packed_matrix<F, device_space>>>
      made;
  auto& weights = made[{shape.outputs, shape.inputs}];
  if (weights.empty()) {
    cpu::executor host;
    const packed_matrix<F> packed = pack<F>(host, shape, bench::fill_row);
    while (weights.size() < bench::rotation(F::bytes(shape)))
      weights.push_back(cuda::to_device(device(), packed));
    device().wait();
  }
  return weights;
}

// A token's activations in every row: a batch then shares what it skips, as in traffic.cu.
struct inputs {
  inputs(const projection& p, double sparsity, std::size_t tokens) {
    const std::vector<float> x = bench::activations(p.shape.inputs, p.input, 0);
    keep = {magnitude{}, above{bench::threshold_for(x, sparsity)}};
    std::vector<float> rows;
    for (std::size_t t = 0; t < tokens; ++t) rows.insert(rows.end(), x.begin(), x.end());
    memory = cuda::to_device(device(), vector_view<const float>(rows));
    device().wait();
    view = {memory.data(), tokens, p.shape.inputs};
  }
  teal keep;
  cuda::device_buffer<float> memory;
  matrix_view<const float, device_space> view;
};

template <packed_format F>
void product(benchmark::State& state, projection p, double sparsity, std::size_t tokens) {
  const auto& weights = weights_of<F>(p.shape);
  const inputs x(p, sparsity, tokens);
  auto y = device().allocate<float>(tokens * p.shape.outputs);
  const matrix_view<float, device_space> out(y.data(), tokens, p.shape.outputs);
  bench::time_steps(state, device().stream(), weights.size(),
                    static_cast<double>(F::bytes(p.shape)) * (1.0 - sparsity),
                    [&](std::size_t i) { multiply(device(), weights[i], x.keep, x.view, out); });
}

// p: gate alone; the weight stacks as many rows of up below it.
template <packed_format F>
void gated(benchmark::State& state, projection p, double sparsity, std::size_t tokens) {
  const extents both{2 * p.shape.outputs, p.shape.inputs};
  const auto& weights = weights_of<F>(both);
  const inputs x(p, sparsity, tokens);
  auto h = device().allocate<float>(tokens * p.shape.outputs);
  const matrix_view<float, device_space> out(h.data(), tokens, p.shape.outputs);
  const section<teal> all{0, both.outputs, x.keep};
  bench::time_steps(state, device().stream(), weights.size(),
                    static_cast<double>(F::bytes(both)) * (1.0 - sparsity), [&](std::size_t i) {
                      multiply_gated(device(), weights[i], stacked<teal>{&all, 1}, x.view, out);
                    });
}

// A peer that fails ends its own benchmark alone.
void peer_product(benchmark::State& state, const std::shared_ptr<bench::cuda_peer>& peer,
                  projection p, std::size_t tokens) {
  const double bytes = peer->bytes(p.shape);
  const std::size_t copies = bench::rotation(static_cast<std::size_t>(bytes));
  try {
    peer->prepare(p.shape, tokens, copies, device().stream());
  } catch (const error& e) {
    state.SkipWithError(e.what());
    return;
  }
  bench::time_steps(state, device().stream(), copies, bytes,
                    [&](std::size_t i) { peer->run(i, device().stream()); });
}

// What the device's memory gives: a copy reads and writes.
void copy_bandwidth(benchmark::State& state) {
  constexpr std::size_t bytes = std::size_t{256} << 20;
  auto from = device().allocate<std::byte>(bytes), to = device().allocate<std::byte>(bytes);
  cuda::check(cudaMemsetAsync(from.data(), 0, bytes, device().stream()), "copy");
  bench::time_steps(state, device().stream(), 4, 2.0 * bytes, [&](std::size_t) {
    cuda::check(
        cudaMemcpyAsync(to.data(), from.data(), bytes, cudaMemcpyDeviceToDevice, device().stream()),
        "copy");
  });
}

std::string at(const std::string& what, double sparsity, std::size_t tokens, extents shape) {
  char text[128];
  std::snprintf(text, sizeof text, "cuda/%s%s/tokens=%zu/%s", what.c_str(),
                sparsity < 0 ? "" : ("/s=" + std::to_string(sparsity).substr(0, 4)).c_str(), tokens,
                bench::name(shape).c_str());
  return text;
}

template <class Body, class... Arguments>
void add(const std::string& name, const Body& body, const Arguments&... arguments) {
  benchmark::RegisterBenchmark(name.c_str(), body, arguments...)->UseManualTime();
}

// Sparsities of one token, and half of the channels of eight.
template <packed_format F>
void add_channels(const std::string& name, const projection& p) {
  for (const double s : {0.0, 0.25, 0.4, 0.5, 0.65})
    add(at(name, s, 1, p.shape), product<F>, p, s, std::size_t{1});
  add(at(name, 0.5, 8, p.shape), product<F>, p, 0.5, std::size_t{8});
}

template <packed_format F>
void add_pruned(const std::string& name, const projection& p,
                const std::vector<std::size_t>& tokens) {
  for (const std::size_t t : tokens) add(at(name, -1, t, p.shape), product<F>, p, 0.0, t);
}

void add_products(const projection& p) {
  add("cuda/copy_bandwidth", copy_bandwidth);
  add_channels<channel_major<float>>("channel_major/f32", p);
  add_channels<channel_major<half>>("channel_major/f16", p);
  add_channels<channel_major<bfloat16>>("channel_major/bf16", p);
  add_channels<channel_major<q8_0>>("channel_major/q8_0", p);
  add_channels<channel_major<q4_1>>("channel_major/q4_1", p);
  if (p.shape.outputs > p.shape.inputs)
    for (const double s : {0.0, 0.5})
      add(at("gated/bf16", s, 1, {2 * p.shape.outputs, p.shape.inputs}),
          gated<channel_major<bfloat16>>, p, s, std::size_t{1});
  add_pruned<row_major<bfloat16>>("row_major/bf16", p, {1, 8});
  add_pruned<n_of_m<bfloat16, 2, 4>>("n_of_m/bf16/2:4", p, {1, 8, 16, 64, 512});
  add_pruned<n_of_m<bfloat16, 4, 8>>("n_of_m/bf16/4:8", p, {1, 8});
  add_pruned<n_of_m<bfloat16, 1, 4>>("n_of_m/bf16/1:4", p, {1, 8});
  add_pruned<n_of_m<std::int8_t, 2, 4>>("n_of_m/i8/2:4", p, {1, 8});
  for (const double s : {0.25, 0.5}) {
    add(at("channel_bitmap/bf16/2:4", s, 1, p.shape), product<channel_bitmap<bfloat16, 2, 4>>, p, s,
        std::size_t{1});
    add(at("channel_bitmap/i8/2:4", s, 1, p.shape), product<channel_bitmap<std::int8_t, 2, 4>>, p,
        s, std::size_t{1});
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::size_t which = bench::take_projection(argc, argv);
    bench::take_histograms(argc, argv);
    const projection& p = bench::projections[which];
    // First, so that its stream is the last to go: weights that are kept for all runs, and peers'
    // memory, are freed on it.
    cudaDeviceProp facts{};
    cuda::check(cudaGetDeviceProperties(&facts, device().device().device), "device");
    add_products(p);
    benchmark::Initialize(&argc, argv);
    benchmark::AddCustomContext("device", facts.name);
    for (const auto& peer : bench::make_cuda_peers()) {
      benchmark::AddCustomContext(peer->name(), peer->version());
      for (const std::size_t tokens : {1, 8, 16, 64, 512})
        if (peer->takes(tokens))
          add(at(peer->name(), -1, tokens, p.shape), peer_product, peer, p, tokens);
    }
    int runtime = 0;
    cuda::check(cudaRuntimeGetVersion(&runtime), "version");
    benchmark::AddCustomContext("cuda_runtime", std::to_string(runtime));
    benchmark::AddCustomContext("model", p.model);
    benchmark::AddCustomContext("activations", bench::activation_source());
    benchmark::RunSpecifiedBenchmarks();
    benchmark::ClearRegisteredBenchmarks();  // and with them the peers
  } catch (const error& e) {
    std::fprintf(stderr, "device_bench: %s\n", e.what());
    return 1;
  }
}

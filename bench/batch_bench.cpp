// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Batches of tokens that skip independently of each other, against the layout that reads every
// channel, in one process and interleaved.
//
//   batch/panel/bf16/4096x4096/tokens=4                   every channel
//   batch/channel_major/bf16/4096x4096/tokens=4/s=0.50    half of each token's channels skipped
//   batch/channel_bitmap/bf16/4096x4096/tokens=4/s=0.50   2:4, beside n_of_m
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <vector>

#include "activations.hpp"
#include "machine.hpp"
#include "shapes.hpp"
#include "sparsellm/sparsellm.hpp"
#include "weights.hpp"

namespace {

using namespace sparsellm;
using bench::pool;
using bench::projection;

constexpr std::size_t batches[] = {1, 2, 3, 4, 8, 16, 32, 64};

// Tokens of their own for every other weight: prefetchers would learn which channels are active if
// they never changed.
constexpr std::size_t different = 3;

template <packed_format F>
void batch(benchmark::State& state, projection p, std::size_t tokens, double sparsity) {
  const auto& weights = bench::weights_of<F>(p.shape);
  std::vector<float> x;
  for (std::size_t t = 0; t < different * tokens; ++t) {
    auto row = bench::activations(p.shape.inputs, p.input, static_cast<unsigned>(t));
    const float tau = bench::threshold_for(row, sparsity);
    for (float& v : row)
      if (std::abs(v) <= tau) v = 0.0f;
    x.insert(x.end(), row.begin(), row.end());
  }
  std::vector<float> y(tokens * p.shape.outputs);
  const teal keep{magnitude{}, above{0.0f}};
  std::size_t at = 0;
  for (auto _ : state) {
    const matrix_view<const float> some(&x[at % different * tokens * p.shape.inputs], tokens,
                                        p.shape.inputs);
    const matrix_view<float> to(y.data(), tokens, p.shape.outputs);
    if (sparsity == 0.0)
      multiply(pool(), weights[at % weights.size()], some, to);
    else
      multiply(pool(), weights[at % weights.size()], keep, some, to);
    ++at;
    benchmark::DoNotOptimize(y.data());
  }
}

template <packed_format F>
void add(const std::string& name, const projection& p, double sparsity) {
  for (const std::size_t tokens : batches) {
    std::string full =
        "batch/" + name + "/" + bench::name(p.shape) + "/tokens=" + std::to_string(tokens);
    char suffix[16];
    std::snprintf(suffix, sizeof suffix, "/s=%.2f", sparsity);
    if (sparsity >= 0.0) full += suffix;
    benchmark::RegisterBenchmark(full.c_str(), batch<F>, p, tokens, sparsity < 0.0 ? 0.0 : sparsity)
        ->UseRealTime();
  }
}

// The layout that reads every channel, and the one that skips.
template <packed_format Every, packed_format Skipping>
void add_both(const std::string& every, const std::string& skipping, const std::string& element,
              const projection& p) {
  add<Every>(every + "/" + element, p, -1.0);
  for (const double s : {0.0, 0.5, 0.9}) add<Skipping>(skipping + "/" + element, p, s);
}

template <class Element>
void add_dense(const std::string& element, const projection& p) {
  add_both<panel<Element>, channel_major<Element>>("panel", "channel_major", element, p);
}

}  // namespace

int main(int argc, char** argv) {
  const projection& p = bench::begin(argc, argv);
  add_dense<float>("f32", p);
  add_dense<bfloat16>("bf16", p);
  add_dense<q8_0>("q8_0", p);
  add_dense<q4_1>("q4_1", p);
  add_dense<q4_k>("q4_k", p);
  add_dense<q6_k>("q6_k", p);
  add_both<n_of_m<bfloat16, 2, 4>, channel_bitmap<bfloat16, 2, 4>>("n_of_m", "channel_bitmap",
                                                                   "bf16/2:4", p);
  add_both<n_of_m<std::int8_t, 2, 4>, channel_bitmap<std::int8_t, 2, 4>>("n_of_m", "channel_bitmap",
                                                                         "i8/2:4", p);
  bench::run(argc, argv, p);
}

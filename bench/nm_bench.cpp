// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M weights, alone and with skipped activations, against dense ones of ours and the peers', in
// one process and interleaved.
//
//   nm/n_of_m/bf16/2:4/4096x4096                  one token
//   nm/channel_bitmap/i8/2:4/s=0.50/4096x4096     half of the activations skipped as well
//   nm/avx2/n_of_m/bf16/2:4/4096x4096             the same on a lesser instruction set
//   nm/tokens=512/n_of_m/bf16/2:4/4096x4096       a prefill
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <vector>

#include "activations.hpp"
#include "machine.hpp"
#include "peers/peers.hpp"
#include "shapes.hpp"
#include "sparsellm/sparsellm.hpp"
#include "weights.hpp"

namespace {

using namespace sparsellm;
using bench::pool;
using bench::projection;

constexpr std::size_t prefill = 512;

template <packed_format F>
void gemv(benchmark::State& state, projection p, double sparsity, cpu::isa set) {
  const auto& weights = bench::weights_of<F>(p.shape);
  std::vector<std::vector<float>> xs;
  std::vector<teal> keep;
  for (unsigned seed = 0; seed < 7; ++seed) {
    xs.push_back(bench::activations(p.shape.inputs, p.input, seed));
    keep.push_back({magnitude{}, above{bench::threshold_for(xs.back(), sparsity)}});
  }
  std::vector<float> y(p.shape.outputs);
  const cpu::isa usual = pool().instruction_set();
  pool().use(set);
  std::size_t at = 0;
  for (auto _ : state) {
    if (sparsity == 0.0)
      multiply(pool(), weights[at % weights.size()], xs[at % 7], y);
    else
      multiply(pool(), weights[at % weights.size()], keep[at % 7], xs[at % 7], y);
    ++at;
    benchmark::DoNotOptimize(y.data());
  }
  pool().use(usual);
  bench::set_bytes(state, static_cast<double>(F::bytes(p.shape)) * (1.0 - sparsity));
}

template <packed_format F>
void gemm(benchmark::State& state, projection p) {
  const auto& weights = bench::weights_of<F>(p.shape);
  std::vector<float> x, y(prefill * p.shape.outputs);
  for (std::size_t t = 0; t < prefill; ++t) {
    const auto row = bench::activations(p.shape.inputs, p.input, static_cast<unsigned>(t % 7));
    x.insert(x.end(), row.begin(), row.end());
  }
  std::size_t at = 0;
  for (auto _ : state) {
    multiply(pool(), weights[at++ % weights.size()],
             matrix_view<const float>(x.data(), prefill, p.shape.inputs),
             matrix_view<float>(y.data(), prefill, p.shape.outputs));
    benchmark::DoNotOptimize(y.data());
  }
}

template <packed_format F>
void add(const std::string& name, const projection& p, double sparsity, cpu::isa set) {
  benchmark::RegisterBenchmark(("nm/" + name + "/" + bench::name(p.shape)).c_str(), gemv<F>, p,
                               sparsity, set)
      ->UseRealTime();
}

template <packed_format F>
void add_gemm(const std::string& name, const projection& p) {
  benchmark::RegisterBenchmark(("nm/tokens=512/" + name + "/" + bench::name(p.shape)).c_str(),
                               gemm<F>, p)
      ->UseRealTime();
}

}  // namespace

int main(int argc, char** argv) {
  const projection& p = bench::begin(argc, argv);
  const cpu::isa best = pool().instruction_set();
  add<panel<bfloat16>>("panel/bf16", p, 0.0, best);
  add<panel<q8_0>>("panel/q8_0", p, 0.0, best);
  add<n_of_m<bfloat16, 2, 4>>("n_of_m/bf16/2:4", p, 0.0, best);
  add<n_of_m<bfloat16, 4, 8>>("n_of_m/bf16/4:8", p, 0.0, best);
  add<n_of_m<std::int8_t, 2, 4>>("n_of_m/i8/2:4", p, 0.0, best);
  for (const double s : {0.25, 0.5}) {
    char suffix[16];
    std::snprintf(suffix, sizeof suffix, "/s=%.2f", s);
    add<channel_bitmap<bfloat16, 2, 4>>(std::string("channel_bitmap/bf16/2:4") + suffix, p, s,
                                        best);
    add<channel_bitmap<std::int8_t, 2, 4>>(std::string("channel_bitmap/i8/2:4") + suffix, p, s,
                                           best);
  }
  if (cpu::supported(cpu::isa::avx2) && best != cpu::isa::avx2)
    add<n_of_m<bfloat16, 2, 4>>("avx2/n_of_m/bf16/2:4", p, 0.0, cpu::isa::avx2);
  add_gemm<panel<bfloat16>>("panel/bf16", p);
  add_gemm<n_of_m<bfloat16, 2, 4>>("n_of_m/bf16/2:4", p);
  bench::register_peers("nm/", p);
  bench::run(argc, argv, p);
}

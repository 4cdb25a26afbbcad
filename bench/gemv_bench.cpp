// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// One token against one weight: our formats, sparsities, and the peers that are installed, in one
// process and interleaved (script/bench passes --benchmark_enable_random_interleaving).
//
//   gemv/channel_major/bf16/4096x4096/s=0.50    bytes_per_second counts the weights that must be
//                                               read; the label says what choose_layout() takes
#include <benchmark/benchmark.h>

#include <cstdio>
#include <memory>
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

template <packed_format F>
void gemv(benchmark::State& state, projection p, element_kind type, layout_kind where,
          double sparsity) {
  const auto& weights = bench::weights_of<F>(p.shape);
  // Another token with every weight: prefetchers would learn which channels are active if they
  // never changed.
  std::vector<std::vector<float>> xs;
  std::vector<teal> keep;
  for (unsigned seed = 0; seed < 7; ++seed) {
    xs.push_back(bench::activations(p.shape.inputs, p.input, seed));
    keep.push_back({magnitude{}, above{bench::threshold_for(xs.back(), sparsity)}});
  }
  std::vector<float> y(p.shape.outputs);
  std::size_t at = 0;
  for (auto _ : state) {
    if (sparsity == 0.0)
      multiply(pool(), weights[at % weights.size()], xs[at % 7], y);
    else
      multiply(pool(), weights[at % weights.size()], keep[at % 7], xs[at % 7], y);
    ++at;
    benchmark::DoNotOptimize(y.data());
  }
  bench::set_bytes(state, static_cast<double>(F::bytes(p.shape)) * (1.0 - sparsity));
  if (where != layout_kind::row_major && choose_layout(p.shape, type, sparsity) == where)
    state.SetLabel("chosen");
}

template <packed_format F>
void add(const projection& p, element_kind type, layout_kind where, double sparsity) {
  constexpr const char* layouts[] = {"panel", "channel_major", "row_major"};
  char suffix[16];
  std::snprintf(suffix, sizeof suffix, "/s=%.2f", sparsity);
  const std::string full = "gemv/" + std::string(layouts[static_cast<std::size_t>(where)]) + "/" +
                           std::string(name(type)) + "/" + bench::name(p.shape) + suffix;
  benchmark::RegisterBenchmark(full.c_str(), gemv<F>, p, type, where, sparsity)->UseRealTime();
}

template <packed_format Panel, packed_format Channels>
void add_both(const projection& p, element_kind type) {
  add<Panel>(p, type, layout_kind::panel, 0.0);
  for (const double s : {0.0, 0.25, 0.4, 0.5, 0.65})
    add<Channels>(p, type, layout_kind::channel_major, s);
}

}  // namespace

int main(int argc, char** argv) {
  const projection& p = bench::begin(argc, argv);
  add_both<panel<bfloat16>, channel_major<bfloat16>>(p, element_kind::bf16);
  add_both<panel<q8_0>, channel_major<q8_0>>(p, element_kind::q8_0);
  add_both<panel<q4_0>, channel_major<q4_0>>(p, element_kind::q4_0);
  add_both<panel<q4_1>, channel_major<q4_1>>(p, element_kind::q4_1);
  bench::register_peers("gemv/", p);
  bench::run(argc, argv, p);
}

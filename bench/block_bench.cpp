// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The products of one Llama-2-7B block for one token, as sparse_linear runs them: q, k and v in one
// pass, o, gate and up in one pass with silu and the list for down, and down. 405 MB of bf16
// weights are read in turn, more than any cache holds. Inputs are drawn from the histogram of each;
// every batch size has its tokens' own active sets.
//
//   block/bf16/batch=1/s=0.50
#include <benchmark/benchmark.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "activations.hpp"
#include "machine.hpp"
#include "shapes.hpp"
#include "sparsellm/cpu/multiply_gated.hpp"
#include "sparsellm/sparsellm.hpp"

namespace {

using namespace sparsellm;
using bench::pool;

constexpr std::size_t width = 4096, hidden = 11008, most_tokens = 16;

struct stacked_projections {
  const char* input;
  std::vector<std::size_t> outputs;
  std::size_t inputs;
};
const std::array<stacked_projections, 4> stacks{{{"attn-h1", {width, width, width}, width},
                                                 {"attn-h2", {width}, width},
                                                 {"mlp-h1", {hidden, hidden}, width},
                                                 {"mlp-h2", {width}, hidden}}};

struct inputs_of_block {
  std::array<std::vector<float>, 4> x;  // [most_tokens, inputs]
};

const inputs_of_block& inputs() {
  static const inputs_of_block all = [] {
    inputs_of_block b;
    for (std::size_t i = 0; i < 4; ++i)
      b.x[i] = bench::activations(most_tokens * stacks[i].inputs, stacks[i].input,
                                  static_cast<unsigned>(i));
    return b;
  }();
  return all;
}

// The weights of the four, packed for a sparsity; one packing at a time is enough memory.
std::vector<sparse_linear>& weights(element_kind type, layout_kind where) {
  static std::vector<sparse_linear> packed[6][2];
  std::vector<sparse_linear>& w =
      packed[static_cast<std::size_t>(type)][where == layout_kind::panel];
  if (w.empty())
    for (const stacked_projections& p : stacks) {
      std::size_t outputs = 0;
      for (const std::size_t n : p.outputs) outputs += n;
      w.emplace_back(any_weight(pool(), type, where, {outputs, p.inputs}, bench::fill_row),
                     p.outputs);
    }
  return w;
}

void block(benchmark::State& state, element_kind type, std::size_t tokens, double sparsity) {
  const layout_kind where = choose_layout({3 * width, width}, type, sparsity);
  std::vector<sparse_linear>& w = weights(type, where);
  double bytes = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const float tau = bench::threshold_for(inputs().x[i], sparsity);
    w[i].set_thresholds(std::vector<float>(stacks[i].outputs.size(), tau));
    bytes += static_cast<double>(w[i].bytes()) * (1.0 - sparsity);
  }
  std::vector<float> y(tokens * 2 * hidden);
  active_set active(hidden);
  const auto xs = [&](std::size_t i) {
    return matrix_view<const float>(inputs().x[i].data(), tokens, stacks[i].inputs);
  };
  for (auto _ : state) {
    for (std::size_t i = 0; i < 4; ++i) {
      const matrix_view<float> out(y.data(), tokens, w[i].shape().outputs);
      if (tokens > 1) {
        if (sparsity == 0.0)
          w[i].dense(pool(), xs(i), out);
        else
          w[i].sparse(pool(), xs(i), out);
      } else if (sparsity == 0.0) {
        w[i].dense(pool(), xs(i).row(0), out.row(0));
        if (i == 2)
          gate(pool(), vector_view<const float>(y.data(), hidden),
               vector_view<const float>(y.data() + hidden, hidden),
               vector_view<float>(y.data(), hidden));
      } else if (i == 2) {
        w[i].gated(pool(), xs(i).row(0), vector_view<float>(y.data(), hidden), w[3].keep(), active);
      } else {
        w[i].sparse(pool(), xs(i).row(0), out.row(0));
      }
    }
    benchmark::DoNotOptimize(y.data());
  }
  bench::set_bytes(state, bytes);
}

}  // namespace

int main(int argc, char** argv) {
  bench::take_histograms(argc, argv);
  bench::register_machine();
  for (const element_kind type : {element_kind::bf16, element_kind::q4_1})
    for (const std::size_t tokens : {1, 2, 4, 8, 16})
      for (const double s : {0.0, 0.4, 0.5, 0.65}) {
        if (tokens != 1 && s == 0.4) continue;
        char suffix[48];
        std::snprintf(suffix, sizeof suffix, "/batch=%zu/s=%.2f", tokens, s);
        benchmark::RegisterBenchmark(("block/" + std::string(name(type)) + suffix).c_str(), block,
                                     type, tokens, s)
            ->UseRealTime();
      }
  bench::add_context();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}

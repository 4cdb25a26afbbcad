// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// reconstruct_bench TOKENS OUTPUTSxINPUTS: seconds of each step of reconstructing a 2:4 weight, and
// the most memory the process held, as JSON. script/bench-reconstruct runs it.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/reconstruct/refine.hpp"
#include "sparsellm/reconstruct/update.hpp"

using namespace sparsellm;

namespace {

class stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

long peak_mib() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return used.ru_maxrss / 1024;
}

// Channels of different sizes, each like its neighbour.
buffer<float> activations(std::size_t rows, std::size_t channels, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  buffer<float> x(rows * channels);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < channels; ++c)
      x[r * channels + c] = normal(random) * (c % 64 == 0 ? 8.0f : 1.0f) +
                            (c == 0 ? 0.0f : 0.5f * x[r * channels + c - 1]);
  return x;
}

void measure(cpu::executor& exec, std::size_t tokens, extents shape) {
  constexpr std::size_t at_once = 512;
  gram seen(shape.inputs);
  double gram_seconds = 0;
  const buffer<float> x = activations(at_once, shape.inputs, 1);
  for (std::size_t t = 0; t < tokens; t += at_once) {
    stopwatch watch;
    seen.observe(exec, {x.data(), std::min(at_once, tokens - t), shape.inputs});
    gram_seconds += watch.lap();
  }
  const long with_gram = peak_mib();
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  buffer<float> dense(shape.outputs * shape.inputs);
  for (float& w : dense) w = normal(random);
  buffer<float> weights = dense.clone();
  const matrix_view<float> w(weights.data(), shape.outputs, shape.inputs);
  const matrix_view<const float> target(dense.data(), shape.outputs, shape.inputs);

  stopwatch watch;
  const damped_gram metric(exec, seen);
  const gram_factor factor(std::move(seen));
  const double factor_seconds = watch.lap();
  const weight_mask mask = update_kept(exec, factor, nm_pattern{2, 4}, w);
  const double update_seconds = watch.lap();
  const double updated = metric.squared_difference(exec, target, w);
  watch.lap();
  refine_kept(exec, metric, mask, target, w);
  const double refine_seconds = watch.lap();
  const double refined = metric.squared_difference(exec, target, w);
  std::printf(
      "{\"shape\": \"%zux%zu\", \"tokens\": %zu, \"gram_seconds\": %.2f, \"factor_seconds\": %.2f, "
      "\"update_seconds\": %.2f, \"refine_seconds\": %.2f, \"gram_mib\": %ld, \"peak_mib\": %ld, "
      "\"refined_error\": %.4f}\n",
      shape.outputs, shape.inputs, tokens, gram_seconds, factor_seconds, update_seconds,
      refine_seconds, with_gram, peak_mib(), refined / updated);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: reconstruct_bench TOKENS OUTPUTSxINPUTS\n");
    return 2;
  }
  const std::string shape = arguments[2];
  const std::size_t x = shape.find('x');
  cpu::executor exec;
  measure(exec, std::strtoull(arguments[1], nullptr, 10),
          {std::strtoull(shape.c_str(), nullptr, 10),
           std::strtoull(shape.c_str() + x + 1, nullptr, 10)});
}

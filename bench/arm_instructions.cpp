// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Products on every instruction set of an Arm, for script/arm-instructions to count what kernels
// execute between two calls of mark(). Prints a line for each: format, tokens, instruction set, and
// how many products of a kept weight and a token's activation there are.
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "sparsellm/cpu/executors/serial_executor.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/pack.hpp"

using namespace sparsellm;

// Not in a namespace, so that the script finds it.
extern "C" __attribute__((noinline)) void mark() { __asm__ volatile(""); }

namespace {

constexpr std::size_t outputs = 128, inputs = 512;

// Half of the channels are zero, and skipped, in channel_major.
template <class F>
void run(const char* name, std::size_t tokens) {
  constexpr bool skips = F::layout == layout_kind::channel_major;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> w(outputs * inputs), x(inputs), xs, y(tokens * outputs);
  for (float& v : w) v = normal(random);
  std::size_t active = 0;
  for (float& v : x) {
    v = skips && random() % 2 == 0 ? 0.0f : normal(random);
    active += v != 0.0f;
  }
  for (std::size_t t = 0; t < tokens; ++t) xs.insert(xs.end(), x.begin(), x.end());
  const std::size_t of = is_pruned(F::layout) ? 2 : 1;  // of two weights, one is pruned
  cpu::serial_executor exec;
  const auto packed = pack<F>(exec, matrix_view<const float>(w.data(), outputs, inputs));
  const sparsifier nonzero{magnitude{}, above{skips ? 0.0f : -1.0f}};
  for (const cpu::isa isa : cpu::all_isas) {
    if (!cpu::supported(isa) || isa == cpu::isa::scalar) continue;
    exec.use(isa);
    mark();
    if (tokens == 1)
      multiply(exec, packed, nonzero, x, y);
    else
      multiply(exec, packed, nonzero, matrix_view<const float>(xs.data(), tokens, inputs),
               matrix_view<float>(y.data(), tokens, outputs));
    mark();
    std::printf("%s %zu %s %zu\n", name, tokens, cpu::name(isa).data(),
                tokens * active * outputs / of);
  }
}

}  // namespace

int main() {
  for (const std::size_t tokens : {1, 12}) {
    run<panel<q8_0>>("panel/q8_0", tokens);
    run<panel<q4_1>>("panel/q4_1", tokens);
    run<panel<q4_k>>("panel/q4_k", tokens);
    run<panel<q6_k>>("panel/q6_k", tokens);
  }
  run<channel_major<q8_0>>("channel_major/q8_0", 1);
  run<channel_major<q4_1>>("channel_major/q4_1", 1);
  run<n_of_m<std::int8_t, 2, 4>>("n_of_m/i8", 1);
  run<panel<bfloat16>>("panel/bf16", 1);
  run<panel<bfloat16>>("panel/bf16", 24);
}

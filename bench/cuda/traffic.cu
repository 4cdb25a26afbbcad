// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// One product per run, for a simulator that counts what its kernel reads (script/cuda-traffic):
//   traffic FORMAT OUTPUTS INPUTS SHARE TOKENS
// prints the bytes of the weight that the product must read at least.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cuda/multiply_gated.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/row_major.hpp"

using namespace sparsellm;

namespace {

struct work {
  extents shape;
  double share;  // of the channels that are skipped
  std::size_t tokens;
};

template <class F, bool Gated = false>
void run(const work& how) {
  cpu::executor host;
  cuda::executor exec;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> w(how.shape.outputs * how.shape.inputs), x(how.tokens * how.shape.inputs);
  for (float& v : w) v = normal(random);
  for (std::size_t c = 0; c < how.shape.inputs; ++c)
    for (std::size_t t = 0; t < how.tokens; ++t)
      x[t * how.shape.inputs + c] = t == 0 ? normal(random) : x[c];
  std::vector<float> sorted(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(how.shape.inputs));
  for (float& v : sorted) v = std::fabs(v);
  std::sort(sorted.begin(), sorted.end());
  const auto dead = static_cast<std::size_t>(how.share * static_cast<double>(sorted.size()));
  const float tau = dead == 0 ? 0.0f : sorted[dead - 1];
  const auto packed =
      pack<F>(host, matrix_view<const float>(w.data(), how.shape.outputs, how.shape.inputs));
  const auto weight = cuda::to_device(exec, packed);
  const auto xs = cuda::to_device(exec, vector_view<const float>(x));
  auto y = exec.allocate<float>(how.tokens * how.shape.outputs);
  const teal keep{magnitude{}, above{tau}};
  const matrix_view<const float, device_space> in(xs.data(), how.tokens, how.shape.inputs);
  if constexpr (Gated) {
    const section<teal> all{0, how.shape.outputs, keep};
    multiply_gated(exec, weight, stacked<teal>{&all, 1}, in,
                   matrix_view<float, device_space>(y.data(), how.tokens, how.shape.outputs / 2));
  } else {
    multiply(exec, weight, keep, in,
             matrix_view<float, device_space>(y.data(), how.tokens, how.shape.outputs));
  }
  exec.wait();
  std::printf("{\"weight_bytes\": %zu, \"active\": %zu}\n", weight.bytes(), sorted.size() - dead);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: traffic FORMAT OUTPUTS INPUTS SHARE TOKENS\n");
    return 2;
  }
  const std::string format = argv[1];
  const work how{{std::strtoul(argv[2], nullptr, 10), std::strtoul(argv[3], nullptr, 10)},
                 std::strtod(argv[4], nullptr),
                 std::strtoul(argv[5], nullptr, 10)};
  if (format == "bf16")
    run<channel_major<bfloat16>>(how);
  else if (format == "f16")
    run<channel_major<half>>(how);
  else if (format == "f32")
    run<channel_major<float>>(how);
  else if (format == "q8_0")
    run<channel_major<q8_0>>(how);
  else if (format == "q4_1")
    run<channel_major<q4_1>>(how);
  else if (format == "bf16-rows")
    run<row_major<bfloat16>>(how);
  else if (format == "bf16-gated")
    run<channel_major<bfloat16>, true>(how);
  else if (format == "q8_0-gated")
    run<channel_major<q8_0>, true>(how);
  else if (format == "q4_1-gated")
    run<channel_major<q4_1>, true>(how);
  else if (format == "2:4-bf16")
    run<n_of_m<bfloat16, 2, 4>>(how);
  else if (format == "2:4-i8")
    run<n_of_m<std::int8_t, 2, 4>>(how);
  else if (format == "2:4-bf16-skipping")
    run<channel_bitmap<bfloat16, 2, 4>>(how);
  else if (format == "2:4-i8-skipping")
    run<channel_bitmap<std::int8_t, 2, 4>>(how);
  else if (format == "4:8-bf16")
    run<n_of_m<bfloat16, 4, 8>>(how);
  else {
    std::fprintf(stderr, "traffic: unknown format '%s'\n", format.c_str());
    return 2;
  }
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Prints a hash of the bits of every product; test/cuda/determinism.cmake runs it with different
// scheduling of warps and compares what it prints.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "cuda/device.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/quantized.hpp"

using namespace sparsellm;

namespace {

template <class F>
void print_bits(device& d, const char* what) {
  const extents e{300, 1500};
  const auto weight = d.pack<F>(normal(e.outputs * e.inputs, 11), e);
  const auto x = d.up(normal(20 * e.inputs, 12));
  auto y = d.exec.allocate<float>(20 * e.outputs);
  for (const std::size_t tokens : {1, 3, 20}) {
    multiply(d.exec, weight, sparsifier{magnitude{}, above{0.5f}},
             matrix_view<const float, device_space>(x.data(), tokens, e.inputs),
             matrix_view<float, device_space>(y.data(), tokens, e.outputs));
    std::uint64_t hash = 14695981039346656037u;  // FNV-1a
    for (const float v : d.down(y, tokens * e.outputs)) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &v, sizeof bits);
      hash = (hash ^ bits) * 1099511628211u;
    }
    std::printf("%s %zu %016llx\n", what, tokens, static_cast<unsigned long long>(hash));
  }
}

}  // namespace

int main() {
  device d;
  print_bits<channel_major<float>>(d, "f32");
  print_bits<channel_major<bfloat16>>(d, "bf16");
  print_bits<channel_major<q8_0>>(d, "q8_0");
  print_bits<channel_major<q4_1>>(d, "q4_1");
  print_bits<n_of_m<bfloat16, 2, 4>>(d, "2:4");
  print_bits<n_of_m<half, 4, 8>>(d, "4:8");
  print_bits<channel_bitmap<half, 2, 4>>(d, "2:4-skipping");
}

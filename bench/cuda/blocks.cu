// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How many thread blocks each format's product of one token is cut into, at the shapes that
// docs/kernels.md speaks of: one JSON object, for script/cuda-resources. Asks the library's own
// functions and no device.

#include <cstdio>

#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/row_major.hpp"

using namespace sparsellm;

namespace {

template <class F>
void print(const char* name, const char* after) {
  std::printf("\"%s\": {", name);
  const char* before = "";
  for (const extents e : {extents{4096, 4096}, {11008, 4096}, {4096, 14336}, {28672, 8192}}) {
    std::printf("%s\"%zux%zu\": %u", before, e.outputs, e.inputs,
                detail::device::blocks_of(F::template make_view<device_space>(nullptr, e)));
    before = ", ";
  }
  std::printf("}%s\n", after);
}

}  // namespace

int main() {
  std::printf("{");
  print<channel_major<float>>("f32", ",");
  print<channel_major<bfloat16>>("bf16", ",");
  print<channel_major<q8_0>>("q8_0", ",");
  print<channel_major<q4_1>>("q4_1", ",");
  print<n_of_m<bfloat16, 2, 4>>("2:4-bf16", ",");
  print<channel_bitmap<bfloat16, 2, 4>>("2:4-bf16-skipping", ",");
  print<row_major<bfloat16>>("bf16-rows", "}");
}

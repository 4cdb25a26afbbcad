// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Random weights in the formats that are measured.
#include <cstdint>

#include "cuda/measure/operands.cuh"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/row_major.hpp"

namespace bench {

template <sparsellm::packed_format F>
sparsellm::packed_matrix<F> random_weight(sparsellm::cpu::executor& host,
                                          sparsellm::extents shape) {
  return sparsellm::pack<F>(host, shape, random_row);
}

#define SPARSELLM_RANDOM(...)                                                \
  template sparsellm::packed_matrix<__VA_ARGS__> random_weight<__VA_ARGS__>( \
      sparsellm::cpu::executor&, sparsellm::extents)
SPARSELLM_RANDOM(sparsellm::channel_major<float>);
SPARSELLM_RANDOM(sparsellm::channel_major<sparsellm::half>);
SPARSELLM_RANDOM(sparsellm::channel_major<sparsellm::bfloat16>);
SPARSELLM_RANDOM(sparsellm::channel_major<sparsellm::q8_0>);
SPARSELLM_RANDOM(sparsellm::channel_major<sparsellm::q4_1>);
SPARSELLM_RANDOM(sparsellm::row_major<sparsellm::bfloat16>);
SPARSELLM_RANDOM(sparsellm::n_of_m<sparsellm::bfloat16, 2, 4>);
SPARSELLM_RANDOM(sparsellm::n_of_m<sparsellm::bfloat16, 4, 8>);
SPARSELLM_RANDOM(sparsellm::n_of_m<std::int8_t, 2, 4>);
SPARSELLM_RANDOM(sparsellm::channel_bitmap<sparsellm::bfloat16, 2, 4>);

}  // namespace bench

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The layout to skip channels in: W [inputs][outputs / 32][32]. A channel is one contiguous run of
// outputs · sizeof(T) bytes, and a skipped channel is not read. Outputs are padded to 32.
// Quantised elements: pack/quantized.hpp and super_blocks.hpp.
#pragma once

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/pack/brick_format.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A format: channels one after the other, all outputs of each. T: float, half, bfloat16, or a
// quantised element such as q4_1 or q4_k.
template <class T>
struct channel_major {
  static_assert(storage_scalar<T>,
                "sparsellm: channel_major takes float, half, bfloat16, and with "
                "sparsellm/pack/quantized.hpp quantised elements such as q4_1, with "
                "sparsellm/pack/super_blocks.hpp such as q4_k");
};

template <storage_scalar T>
struct channel_major<T> : detail::brick_format<channel_major<T>, T, layout_kind::channel_major> {};

static_assert(packed_format<channel_major<float>>);
static_assert(packed_format<channel_major<bfloat16>>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

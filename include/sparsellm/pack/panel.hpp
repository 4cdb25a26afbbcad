// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The dense layout: W [outputs / 32][inputs][32]. In a product every thread reads one sequential
// stream, the fastest order there is when every channel is read. Outputs are padded to 32.
// Quantised elements: pack/quantized.hpp and super_blocks.hpp.
#pragma once

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/pack/brick_format.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A format: strips one after the other, all channels of each. T: float, half, bfloat16, or a
// quantised element such as q4_1 or q4_k.
template <class T>
struct panel {
  static_assert(storage_scalar<T>,
                "sparsellm: panel takes float, half, bfloat16, and with "
                "sparsellm/pack/quantized.hpp quantised elements such as q4_1, with "
                "sparsellm/pack/super_blocks.hpp such as q4_k");
};

template <storage_scalar T>
struct panel<T> : detail::brick_format<panel<T>, T, layout_kind::panel> {};

static_assert(packed_format<panel<float>>);
static_assert(packed_format<panel<bfloat16>>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

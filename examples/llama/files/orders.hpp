// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The orders that channels stand in at a block's four activations. They change no result: those of
// the residual stream are a gather where RMSNorm stores, down's is the order of the rows of gate
// and up, o's that of the rows of v.
#pragma once

#include <vector>

#include "files/projection.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/permute/channel_order.hpp"

namespace llama {

// An order of size 0 is none: channels stand as in the file. That of attention_output moves
// channels within heads, alike in all heads that share a key-value head.
using block_orders = per_site<sparsellm::channel_order>;

// A value for each channel, from the file's order into another, and back. Throw shape_error for
// another number of channels.
[[nodiscard]] inline std::vector<float> in_order(const sparsellm::channel_order& order,
                                                 const std::vector<float>& of_file) {
  if (order.size() == 0) return of_file;
  std::vector<float> ordered(order.size());
  order.gather(sparsellm::vector_view<const float>(of_file),
               sparsellm::vector_view<float>(ordered));
  return ordered;
}
[[nodiscard]] inline std::vector<float> in_file_order(const sparsellm::channel_order& order,
                                                      const std::vector<float>& ordered) {
  return in_order(order.inverse(), ordered);
}

}  // namespace llama

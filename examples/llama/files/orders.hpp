// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The orders that channels stand in at a block's four inputs. They change no result: those of the
// residual stream are a gather where RMSNorm stores, down's is the order of the rows of gate and
// up, o's that of the rows of v.
#pragma once

#include "sparsellm/permute/channel_order.hpp"

namespace llama {

// An order of size 0 is none: channels stand as in the file.
struct block_orders {
  sparsellm::channel_order attention;  // [width], of q, k and v
  sparsellm::channel_order output;     // [heads · head_size], within the heads, one a KV head
  sparsellm::channel_order mlp;        // [width], of gate and up
  sparsellm::channel_order down;       // [hidden]
};

}  // namespace llama

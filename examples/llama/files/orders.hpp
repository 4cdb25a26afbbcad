// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The orders that channels stand in at a block's four activations. They change no result: those of
// the residual stream are a gather where RMSNorm stores, down's is the order of the rows of gate
// and up, o's that of the rows of v.
#pragma once

#include "files/projection.hpp"
#include "sparsellm/permute/channel_order.hpp"

namespace llama {

// An order of size 0 is none: channels stand as in the file. That of attention_output moves
// channels within heads, alike in all heads that share a key-value head.
using block_orders = per_site<sparsellm::channel_order>;

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which nodes of a graph are products that this plugin runs, and running one.
#pragma once

#include "ggml.h"

namespace sparsellm_ggml {

// Whether an operation is a product of a weight: MUL_MAT, or MUL_MAT_ID, where each token has
// experts of its own.
[[nodiscard]] inline bool is_product_op(ggml_op op) noexcept {
  return op == GGML_OP_MUL_MAT || op == GGML_OP_MUL_MAT_ID;
}

// Whether the node multiplies a weight in our buffer in a way that we run. llama.cpp asks before
// the weight is there, with an empty buffer of our type; a weight that is refused then is logged.
[[nodiscard]] bool is_product(const ggml_tensor& node);

// Such a node when its graph is planned, which one thread does. Has ggml multiply a copy of the
// weight instead, where it is to: the node then reads that, and false says that it is ggml's.
[[nodiscard]] bool plan_product(ggml_tensor& node);

// Runs such a node. Called by all of ggml's threads, thread `member` of `members`; `pool` tells
// their team from others. Returns when this thread's share is done: ggml's barrier behind the node
// is where all meet.
void run_product(const void* pool, int member, int members, ggml_tensor& node);

}  // namespace sparsellm_ggml

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How ggml's CPU backend runs products of ours: it asks each of its extra buffer types for the
// traits of a node, C++ classes of its own, and calls those on all of its threads.
#pragma once

#include "ggml-backend-impl.h"

namespace sparsellm_ggml {

// Puts our buffer type in front of the CPU backend's extra ones, so that llama.cpp offers it every
// weight first. False, with the reason said, where that backend cannot be found or does not show
// its list. Does nothing the second time: backends that are unloaded and loaded again find it
// there.
[[nodiscard]] bool join_cpu_backend();

}  // namespace sparsellm_ggml

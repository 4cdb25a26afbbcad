// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The two orders a weight can be packed in, whatever its elements are.
#pragma once

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0 {

enum class layout {
  panel,          // a strip of outputs after the other, all channels of each: one stream, dense
  channel_major,  // a channel after the other, all outputs of each: a skipped channel is not read
  row_major       // an output after the other: a skipped output is not read
};

}  // namespace sparsellm::inline v0

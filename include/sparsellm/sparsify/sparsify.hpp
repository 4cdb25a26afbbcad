// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// sparsify() on the host: lists one token's active channels. A device's is in
// cuda/sparsify.cuh.
#pragma once

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Writes the channels of x [inputs] that s keeps to `out`, ascending. Throws shape_error when `out`
// has no room for them. Sparsifiers that see all scores allocate.
template <host_executor E, activation_sparsifier S>
void sparsify(E&, const S& s, vector_view<const float> x, active_set<>& out) {
  require<shape_error>(out.capacity() >= x.size(), "sparsify: an active set for ", x.size(),
                       " channels expected, this one holds ", out.capacity());
  list_active(s, x, out);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights to multiply with, as many as keep them out of the caches.
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "machine.hpp"
#include "shapes.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/packed_matrix.hpp"

namespace bench {

// rotation() weights of one shape, the only one that the process asks for with this format: packed
// once, then copied.
template <sparsellm::packed_format F>
const std::vector<sparsellm::packed_matrix<F>>& weights_of(extents shape) {
  static std::vector<sparsellm::packed_matrix<F>> weights;
  if (weights.empty()) {
    weights.push_back(sparsellm::pack<F>(pool(), shape, fill_row));
    while (weights.size() < rotation(F::bytes(shape))) {
      sparsellm::packed_matrix<F> copy(shape);
      std::memcpy(copy.storage(), weights.front().storage(), F::bytes(shape));
      weights.push_back(std::move(copy));
    }
  }
  return weights;
}

}  // namespace bench

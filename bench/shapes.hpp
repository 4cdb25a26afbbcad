// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Layer shapes that kernels are tuned and measured on, and the rule that keeps weights out of
// caches.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "sparsellm/core/views.hpp"

namespace bench {

using sparsellm::extents;

// A projection of a model: [outputs, inputs], and which of TEAL's activation histograms its inputs
// are drawn from.
struct projection {
  const char* model;
  extents shape;
  const char* input;
};
inline const std::vector<projection> projections{{"Llama-2-7B q, k, v, o", {4096, 4096}, "attn-h1"},
                                                 {"Llama-2-7B gate, up", {11008, 4096}, "mlp-h1"},
                                                 {"Llama-2-7B down", {4096, 11008}, "mlp-h2"},
                                                 {"Llama-3-8B k, v", {1024, 4096}, "attn-h1"},
                                                 {"Llama-3-8B gate, up", {14336, 4096}, "mlp-h1"},
                                                 {"Llama-3-8B down", {4096, 14336}, "mlp-h2"},
                                                 {"SmolLM2-135M q, o", {576, 576}, "attn-h1"},
                                                 {"SmolLM2-135M gate, up", {1536, 576}, "mlp-h1"},
                                                 {"SmolLM2-135M down", {576, 1536}, "mlp-h2"}};

inline std::string name(extents e) {
  return std::to_string(e.outputs) + "x" + std::to_string(e.inputs);
}

// How many copies of a weight a loop rotates over, so that none is in a cache when its turn comes:
// twice the last-level cache that the machine shows, and 256 MiB at least, for what it shows may be
// less than there is, and with less the reuse shows as speed.
inline std::size_t rotation(std::size_t bytes) {
  const long shown = sysconf(_SC_LEVEL3_CACHE_SIZE);
  const std::size_t cache = shown > 0 ? static_cast<std::size_t>(shown) : 0;
  return std::max<std::size_t>(4, std::max(2 * cache, std::size_t{256} << 20) / bytes);
}

// Any finite value does; the arithmetic takes the same time.
inline void fill_row(std::size_t r, sparsellm::vector_view<float> row) {
  for (std::size_t c = 0; c < row.size(); ++c)
    row[c] = static_cast<float>((r * 7 + c * 13) % 101) / 101.0f - 0.5f;
}

}  // namespace bench

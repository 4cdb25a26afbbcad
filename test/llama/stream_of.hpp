// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// What the tests' small model makes of some tokens.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "llama/loaded_tiny.hpp"
#include "methods/observed_text.hpp"
#include "model/session.hpp"

inline llama::window some_tokens(std::size_t n, std::size_t step) {
  llama::window ids;
  for (std::size_t i = 0; i < n; ++i)
    ids.push_back(static_cast<std::int32_t>((i * i * step + i * 71 + 13) % 256));
  return ids;
}

// The residual stream after the last block, [24, width]: some tokens in batches, those at positions
// below `dense` with every channel.
inline std::vector<float> stream_of(loaded_tiny& t, std::size_t batch, std::size_t dense) {
  const llama::window ids = some_tokens(24, 2);
  llama::session s(t.exec, t.m, ids.size(), ids.size());
  std::vector<float> out;
  for (std::size_t at = 0; at < ids.size(); at += batch) {
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(at);
    const llama::const_rows x =
        s.advance({first, first + static_cast<std::ptrdiff_t>(batch)}, dense);
    out.insert(out.end(), x.data(), x.data() + batch * t.m.shape().width);
  }
  return out;
}

inline double apart(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::max(most, static_cast<double>(std::fabs(a[i] - b[i])));
  return most;
}

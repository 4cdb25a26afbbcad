// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The loop that both byte-pair encodings share: as long as two neighbouring pieces can be merged,
// merge the best pair, the leftmost of equals. O(n log n) in the number of pieces.
#pragma once

#include <cstddef>
#include <optional>
#include <queue>
#include <string_view>
#include <vector>

namespace llama {

// pieces: consecutive views into one text. rank(left, right) -> lower merges earlier, nullopt
// never.
template <class Rank>
[[nodiscard]] std::vector<std::string_view> merge_pairs(std::vector<std::string_view> pieces,
                                                        const Rank& rank) {
  struct candidate {
    double rank;
    std::size_t left, right, bytes;
    bool operator<(const candidate& o) const {  // the queue's top is the greatest
      return rank != o.rank ? rank > o.rank : left > o.left;
    }
  };
  constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::vector<std::size_t> next(pieces.size()), previous(pieces.size());
  std::priority_queue<candidate> queue;
  const auto consider = [&](std::size_t left, std::size_t right) {
    if (left == none || right == none) return;
    if (const std::optional<double> r = rank(pieces[left], pieces[right]))
      queue.push({*r, left, right, pieces[left].size() + pieces[right].size()});
  };
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    previous[i] = i == 0 ? none : i - 1;
    next[i] = i + 1 == pieces.size() ? none : i + 1;
    consider(previous[i], i);
  }
  while (!queue.empty()) {
    const candidate c = queue.top();
    queue.pop();
    std::string_view &left = pieces[c.left], &right = pieces[c.right];
    if (left.empty() || right.empty() || left.size() + right.size() != c.bytes) continue;  // stale
    left = {left.data(), c.bytes};
    right = {};
    next[c.left] = next[c.right];
    if (next[c.left] != none) previous[next[c.left]] = c.left;
    consider(previous[c.left], c.left);
    consider(c.left, next[c.left]);
  }
  std::vector<std::string_view> merged;
  for (const std::string_view p : pieces)
    if (!p.empty()) merged.push_back(p);
  return merged;
}

}  // namespace llama

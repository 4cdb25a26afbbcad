// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// What tests of pruned models and their checkpoints share.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "files/checkpoint_writer.hpp"
#include "llama/temporary_files.hpp"
#include "methods/pruning.hpp"
#include "model/model.hpp"
#include "model/session.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

inline sparsellm::channel_order random_order(std::size_t n, std::mt19937& random) {
  std::vector<std::uint32_t> at(n);
  for (std::size_t i = 0; i < n; ++i) at[i] = static_cast<std::uint32_t>(i);
  std::shuffle(at.begin(), at.end(), random);
  return sparsellm::channel_order(std::move(at));
}

// Orders of all four inputs; o's within heads, alike in the heads that share keys and values.
inline std::vector<llama::block_orders> random_orders(const llama::config& c, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<llama::block_orders> all;
  for (std::size_t l = 0; l < c.layers; ++l) {
    std::vector<std::uint32_t> output;
    for (std::size_t kv = 0; kv < c.kv_heads; ++kv) {
      const sparsellm::channel_order inside = random_order(c.head_size, random);
      for (std::size_t h = 0; h < c.heads / c.kv_heads; ++h)
        for (std::size_t i = 0; i < c.head_size; ++i)
          output.push_back(static_cast<std::uint32_t>(output.size() / c.head_size * c.head_size) +
                           inside[i]);
    }
    all.push_back({random_order(c.width, random), sparsellm::channel_order(output),
                   random_order(c.width, random), random_order(c.hidden, random)});
  }
  return all;
}

inline std::vector<std::int32_t> some_tokens(std::size_t n) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < n; ++i) ids.push_back(static_cast<std::int32_t>((i * 71 + 13) % 256));
  return ids;
}

// Logits after the last of the tokens, dense.
inline std::vector<float> last_logits(sparsellm::cpu::executor& exec, const llama::model& m,
                                      const std::vector<std::int32_t>& ids) {
  llama::session s(exec, m, ids.size(), ids.size());
  const llama::const_rows x = s.advance(ids, ids.size());
  std::vector<float> out(m.shape().vocabulary);
  s.steps().logits(llama::const_rows(&x(ids.size() - 1, 0), 1, x.cols()),
                   llama::rows(out.data(), 1, out.size()));
  return out;
}

inline double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

inline std::vector<llama::pruned_block> prune(
    sparsellm::cpu::executor& exec, llama::model& m, const std::vector<llama::window>& windows,
    const llama::pruning& how, const llama::text_maker& text = llama::make_host_text) {
  std::vector<llama::pruned_block> blocks;
  llama::prune_model(
      exec, m, windows, how, [](double) {},
      [&](std::size_t, llama::pruned_block b) { blocks.push_back(std::move(b)); }, text);
  return blocks;
}

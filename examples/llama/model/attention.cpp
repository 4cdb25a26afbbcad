// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "model/attention.hpp"

#include <algorithm>
#include <cmath>

#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/sparsify/normalised.hpp"

namespace llama {

using sparsellm::vector_view;

namespace {

// Rows of queries that attention takes at once: scores of 64 rows and a few hundred positions stay
// in L2.
constexpr std::size_t query_rows = 64;

// scores [n] become probabilities.
void softmax(float* scores, std::size_t n) {
  const float largest = *std::max_element(scores, scores + n);
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += scores[i] = std::exp(scores[i] - largest);
  for (std::size_t i = 0; i < n; ++i) scores[i] /= sum;
}

}  // namespace

// Rows [row, row + count) of a query head, the first of them at position `first`.
struct attention::task {
  std::size_t head, row, count, first;
  std::size_t window;  // 0: none
  const_rows qkv;
  const kv_cache& cache;
  rows out;
};

attention::attention(sparsellm::cpu::executor& exec, const model& m, std::size_t max_tokens,
                     std::size_t positions)
    : exec_(exec), shape_(m.shape()), rotary_(m.rotary_table(positions)) {
  for (std::size_t w = 0; w < exec.concurrency(); ++w) {
    workers_.push_back(std::make_unique<sparsellm::cpu::executor>(1));
    workers_.back()->use(exec.instruction_set());
    scores_.emplace_back(std::min(max_tokens, query_rows) * positions);
  }
}

// Pairs are neighbours (tensor::split_head).
void attention::rotate(float* head, std::size_t position) const noexcept {
  const std::size_t size = shape_.rotation.size;
  const float* table = rotary_.data() + position * size;
  for (std::size_t i = 0; i < size; i += 2) {
    const float a = head[i], b = head[i + 1], cos = table[i], sin = table[i + 1];
    head[i] = a * cos - b * sin;
    head[i + 1] = a * sin + b * cos;
  }
}

void attention::prepare_head(float* head, const std::vector<float>& gain,
                             std::size_t position) const {
  if (!gain.empty()) {
    const auto normalised =
        sparsellm::rms_norm(vector_view<const float>(head, gain.size()),
                            vector_view<const float>(gain), shape_.norm_epsilon);
    for (std::size_t i = 0; i < gain.size(); ++i) head[i] = normalised[i];
  }
  rotate(head, position);
}

void attention::run(const block& b, rows qkv, std::size_t first, kv_cache& cache, rows out) {
  const config& c = shape_;
  const std::size_t n = qkv.rows(), size = c.head_size;
  exec_.parallel_for(n, [&](std::size_t t) {
    float* const q = &qkv(t, 0);
    float* const k = q + c.query_width();
    const float* const v = k + c.kv_width();
    for (std::size_t head = 0; head < c.heads; ++head)
      prepare_head(q + head * size, b.q_norm, first + t);
    for (std::size_t head = 0; head < c.kv_heads; ++head) {
      prepare_head(k + head * size, b.k_norm, first + t);
      cache.store(head, first + t, k + head * size, v + head * size);
    }
  });
  // Later rows see more positions, so workers take chunks of rows in turn.
  const std::size_t chunks = (n + query_rows - 1) / query_rows, items = chunks * c.heads;
  exec_.parallel_for(workers_.size(), [&](std::size_t w) {
    for (std::size_t i = w; i < items; i += workers_.size()) {
      const std::size_t row = i / c.heads * query_rows;
      attend(w, {i % c.heads, row, std::min(query_rows, n - row), first + row, b.window, qkv, cache,
                 out});
    }
  });
}

void attention::attend(std::size_t worker, const task& t) {
  const config& c = shape_;
  const std::size_t size = c.head_size, kv_head = t.head / (c.heads / c.kv_heads);
  // The positions that any row sees, from where views of the cache can begin.
  const std::size_t end = t.first + t.count;
  const std::size_t begin = t.window == 0 || t.first < t.window
                                ? 0
                                : (t.first + 1 - t.window) / kv_cache::step * kv_cache::step;
  const std::size_t positions = end - begin;
  sparsellm::cpu::executor& exec = *workers_[worker];
  const const_rows q(&t.qkv(t.row, t.head * size), t.count, size, t.qkv.stride());
  const rows scores(scores_[worker].data(), t.count, positions);
  const rows result(&t.out(t.row, t.head * size), t.count, size, t.out.stride());

  if (t.count == 1)
    multiply(exec, t.cache.keys(kv_head, begin, positions), q.row(0), scores.row(0));
  else
    multiply(exec, t.cache.keys(kv_head, begin, positions), q, scores);
  const float scale = 1.0f / std::sqrt(static_cast<float>(size));
  for (std::size_t i = 0; i < t.count; ++i) {
    const std::size_t seen = t.first + i + 1;  // positions up to the row's own
    const std::size_t hidden = t.window == 0 || seen <= t.window ? 0 : seen - t.window;
    float* const row = &scores(i, 0);
    const std::size_t from = std::max(hidden, begin) - begin, to = seen - begin;
    std::fill(row, row + from, 0.0f);
    for (std::size_t p = from; p < to; ++p) row[p] *= scale;
    softmax(row + from, to - from);
    std::fill(row + to, row + positions, 0.0f);
  }
  if (t.count == 1)
    multiply(exec, t.cache.values(kv_head, begin, positions), scores.row(0), result.row(0));
  else
    multiply(exec, t.cache.values(kv_head, begin, positions), scores, result);
}

}  // namespace llama

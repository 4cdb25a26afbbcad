// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The way back through one head of attention, on one thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "model/decoder.hpp"
#include "model/kv_cache.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/panel.hpp"

namespace llama {

// What a head's gradient becomes before q or k were turned by a row of rotary_table(): the rotation
// transposed.
inline void turn_back(float* head, const float* table, std::size_t size) noexcept {
  for (std::size_t i = 0; i < size; i += 2) {
    const float a = head[i], b = head[i + 1], cos = table[i], sin = table[i + 1];
    head[i] = a * cos + b * sin;
    head[i + 1] = b * cos - a * sin;
  }
}

// A head's keys and values over all positions, as products take them.
struct head_memory {
  decltype(std::declval<const kv_cache&>().keys(0, 0, 0)) keys, values;   // [positions, size]
  decltype(std::declval<const kv_cache&>().values(0, 0, 0)) keys_across;  // [size, positions]
};

class head_gradient {
 public:
  head_gradient(sparsellm::cpu::isa isa, std::size_t max_tokens, std::size_t positions,
                std::size_t head_size)
      : exec_(1),
        scores_(max_tokens * positions),
        of_scores_(max_tokens * positions),
        across_(max_tokens * max_tokens),
        columns_(max_tokens * head_size) {
    exec_.use(isa);
  }

  // From the gradient of the head's outputs [tokens, size], of queries q [tokens, size] at the
  // positions from `first` on, to the gradients of q and of the keys and values of those positions.
  // window: positions that a token sees; 0: all.
  void run(const head_memory& memory, std::size_t first, std::size_t window, const_rows q,
           const_rows of_output, rows of_q, rows of_keys, rows of_values) {
    const std::size_t n = q.rows(), positions = first + n;
    const rows p(scores_.data(), n, positions), d(of_scores_.data(), n, positions);
    multiply(exec_, memory.keys, q, p);
    multiply(exec_, memory.values, of_output, d);
    const float scale = 1.0f / std::sqrt(static_cast<float>(q.cols()));
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t end = first + i + 1;
      const std::size_t begin = window == 0 || end <= window ? 0 : end - window;
      reverse_softmax(p.row(i).data(), d.row(i).data(), begin, end, positions, scale);
    }
    multiply(exec_, memory.keys_across, const_rows(d), of_q);
    sum_over_tokens(p, first, of_output, of_values);
    sum_over_tokens(d, first, q, of_keys);
  }

 private:
  // Scores become probabilities, and their probabilities' gradients those of q · k; 0 outside
  // [begin, end).
  static void reverse_softmax(float* p, float* d, std::size_t begin, std::size_t end,
                              std::size_t positions, float scale) noexcept {
    float largest = p[begin], sum = 0;
    for (std::size_t j = begin; j < end; ++j) largest = std::max(largest, p[j]);
    for (std::size_t j = begin; j < end; ++j) sum += p[j] = std::exp((p[j] - largest) * scale);
    double dot = 0;
    for (std::size_t j = begin; j < end; ++j) {
      p[j] /= sum;
      dot += static_cast<double>(p[j] * d[j]);
    }
    for (std::size_t j = begin; j < end; ++j)
      d[j] = p[j] * (d[j] - static_cast<float>(dot)) * scale;
    for (std::size_t j = 0; j < begin; ++j) p[j] = d[j] = 0.0f;
    for (std::size_t j = end; j < positions; ++j) p[j] = d[j] = 0.0f;
  }

  // to [columns, rows], in squares whose lines stay in the cache.
  static void transpose(const_rows m, float* to) noexcept {
    constexpr std::size_t side = 16;
    for (std::size_t i = 0; i < m.rows(); i += side)
      for (std::size_t j = 0; j < m.cols(); j += side)
        for (std::size_t c = j; c < std::min(j + side, m.cols()); ++c)
          for (std::size_t r = i; r < std::min(i + side, m.rows()); ++r)
            to[c * m.rows() + r] = m(r, c);
  }

  // out [tokens, size]: for the position of token j, the sum over tokens i of by(i, position) ·
  // x_i.
  void sum_over_tokens(rows by, std::size_t first, const_rows x, rows out) {
    const std::size_t n = x.rows(), size = x.cols();
    transpose({&by(0, first), n, n, by.stride()}, across_.data());
    transpose(x, columns_.data());
    const auto weight = pack<sparsellm::panel<float>>(exec_, const_rows(columns_.data(), size, n));
    multiply(exec_, weight, const_rows(across_.data(), n, n), out);
  }

  sparsellm::cpu::executor exec_;
  sparsellm::buffer<float> scores_, of_scores_;  // [tokens, positions]
  sparsellm::buffer<float> across_, columns_;
};

}  // namespace llama

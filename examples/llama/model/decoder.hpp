// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Sequences in the making, wherever they are computed: tokens in, logits out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "model/likeliest.hpp"
#include "model/model.hpp"
#include "sparsellm/core/views.hpp"

namespace llama {

using rows = sparsellm::matrix_view<float>;
using const_rows = sparsellm::matrix_view<const float>;

// Sees each of a block's four activations before it is multiplied: x [tokens, channels].
using activation_observer =
    std::function<void(std::size_t layer, activation_site site, const_rows x)>;

// One sequence.
class decoder {
 public:
  decoder() = default;
  decoder(const decoder&) = delete;
  decoder& operator=(const decoder&) = delete;
  virtual ~decoder() = default;

  // Appends tokens; positions below dense_prefix use every channel. observe may be null. Throws
  // shape_error when the tokens do not fit.
  virtual void append(const std::vector<std::int32_t>& tokens, std::size_t dense_prefix,
                      const activation_observer* observe) = 0;
  // out [n, vocabulary], without gaps: of the tokens [first, first + n) of the last append.
  virtual void logits(std::size_t first, rows out) = 0;
  // The likeliest token after token `row` of the last append.
  [[nodiscard]] virtual likeliest best(std::size_t row) = 0;
  // Up to `count` tokens, each the likeliest after those before it, the first of them after token
  // `row` of the last append. found(token) says whether to go on, after a token that is appended
  // then; its rows are gone when this returns. observe may be null; it may see the tokens appended
  // when all are found, and in batches. Throws as append() does, and as found() does.
  virtual void decode_greedily(std::size_t row, std::size_t count, std::size_t dense_prefix,
                               const activation_observer* observe,
                               const std::function<bool(likeliest)>& found) {
    for (std::size_t n = 1; n <= count; ++n, row = 0) {
      const likeliest next = best(row);
      if (!found(next) || n == count) return;
      append({next.id}, dense_prefix, observe);
    }
  }
  // Until what was appended is computed.
  virtual void finish() = 0;
  // The model's thresholds are others now.
  virtual void thresholds_changed() = 0;
  // Forgets what stands at `position` and after it.
  virtual void rewind(std::size_t position = 0) noexcept = 0;

  [[nodiscard]] virtual std::size_t position() const noexcept = 0;
  [[nodiscard]] virtual std::size_t capacity() const noexcept = 0;
  [[nodiscard]] virtual std::size_t vocabulary() const noexcept = 0;
  [[nodiscard]] virtual std::size_t cache_bytes() const noexcept = 0;
};

// Sequences that go on together, one token of each per step: what a server batches. Every sequence
// skips the channels of its own token.
class batch_decoder {
 public:
  batch_decoder() = default;
  batch_decoder(const batch_decoder&) = delete;
  batch_decoder& operator=(const batch_decoder&) = delete;
  virtual ~batch_decoder() = default;

  // Appends one token to each; out [sequences, vocabulary], without gaps. Throws shape_error for
  // another number of tokens or beyond the last position.
  virtual void step(const std::vector<std::int32_t>& tokens, bool dense, rows out) = 0;
};

}  // namespace llama

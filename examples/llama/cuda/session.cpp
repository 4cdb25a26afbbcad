// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Greedy decoding goes ahead on the device while the host takes tokens; of steps whose token the
// host draws it is given the logits.
#include "cuda/session.hpp"

#include <algorithm>
#include <functional>
#include <vector>

#include "cuda/rows.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

namespace {

using sparsellm::require;
using sparsellm::shape_error;
class cuda_session final : public decoder {
 public:
  cuda_session(const model& m, std::size_t max_tokens, std::size_t positions)
      : max_tokens_(max_tokens), positions_(positions), rows_(m, max_tokens, positions, 1) {}

  void append(const std::vector<std::int32_t>& tokens, std::size_t dense_prefix,
              const activation_observer* observe) override {
    const std::size_t n = tokens.size();
    check_room(n);
    const std::size_t dense = dense_prefix > position_ ? dense_prefix - position_ : 0;
    rows_.run(tokens, position_, dense, observe);
    position_ += n;
  }

  void logits(std::size_t first, rows out) override { rows_.logits(first, out); }
  [[nodiscard]] likeliest best(std::size_t row) override {
    rows_.find(row, position_);
    return rows_.found().take(rows_.found().pushed() - 1);
  }
  void decode_greedily(std::size_t row, std::size_t count, std::size_t dense_prefix,
                       const activation_observer* observe,
                       const std::function<bool(likeliest)>& found) override;

  void rewind(std::size_t position) noexcept override { position_ = std::min(position, position_); }
  void finish() override { rows_.steps().executor().wait(); }
  void thresholds_changed() override { rows_.thresholds_changed(); }
  [[nodiscard]] std::size_t position() const noexcept override { return position_; }
  [[nodiscard]] std::size_t capacity() const noexcept override { return positions_; }
  [[nodiscard]] std::size_t vocabulary() const noexcept override {
    return rows_.steps().of().shape().vocabulary;
  }
  [[nodiscard]] std::size_t cache_bytes() const noexcept override {
    return rows_.steps().cache_bytes();
  }

 private:
  void check_room(std::size_t n) const {
    require<shape_error>(n != 0 && n <= max_tokens_ && position_ + n <= positions_, "session: ", n,
                         " tokens at position ", position_, ", 1 to ", max_tokens_,
                         " expected and ", positions_, " positions in all");
  }

  std::size_t max_tokens_, positions_, position_ = 0;
  cuda_rows rows_;
};

// The device is given steps before the tokens are taken that they begin with: what it computes
// after the last one is never seen, and overwritten when the text goes on. An observer gets the
// tokens once more, in batches that have the bits of their tokens one by one, so that steps are
// graphs all the same.
void cuda_session::decode_greedily(std::size_t row, std::size_t count, std::size_t dense_prefix,
                                   const activation_observer* observe,
                                   const std::function<bool(likeliest)>& found) {
  if (count == 0) return;
  constexpr std::size_t ahead = token_ring::slots - 1, observed_at_once = 8;
  const std::size_t start = position_, first = rows_.found().pushed();
  rows_.find(row, start);
  std::vector<std::int32_t> appended;
  for (std::size_t taken = 0, given = 0;; ++taken) {
    for (; given + 1 < count && given < taken + ahead && start + given < positions_; ++given)
      rows_.step(start + given, start + given < dense_prefix);
    const likeliest next = rows_.found().take(first + taken);
    if (!found(next) || taken + 1 == count) break;
    check_room(1);
    rows_.steps().check(next.id, position_++);
    appended.push_back(next.id);
  }
  if (observe == nullptr || appended.empty()) return;
  position_ = start;
  const std::size_t at_once = std::min(observed_at_once, max_tokens_);
  for (std::size_t at = 0; at < appended.size(); at += at_once) {
    const auto from = appended.begin() + static_cast<std::ptrdiff_t>(at);
    const std::size_t n = std::min(at_once, appended.size() - at);
    append({from, from + static_cast<std::ptrdiff_t>(n)}, dense_prefix, observe);
  }
}

class cuda_sequences final : public batch_decoder {
 public:
  cuda_sequences(const model& m, std::size_t count, std::size_t positions)
      : count_(count), positions_(positions), rows_(m, count, positions, count) {}

  void step(const std::vector<std::int32_t>& tokens, bool dense, rows out) override {
    require<shape_error>(tokens.size() == count_ && position_ < positions_, "sequences: ", count_,
                         " tokens at a position below ", positions_, " expected, got ",
                         tokens.size(), " at ", position_);
    rows_.run(tokens, position_++, dense ? count_ : 0, nullptr);
    rows_.logits(0, out);
  }

 private:
  std::size_t count_, positions_, position_ = 0;
  cuda_rows rows_;
};

}  // namespace

std::unique_ptr<decoder> make_cuda_session(const model& m, std::size_t max_tokens,
                                           std::size_t positions) {
  return std::make_unique<cuda_session>(m, max_tokens, positions);
}

std::unique_ptr<batch_decoder> make_cuda_sequences(const model& m, std::size_t sequences,
                                                   std::size_t positions) {
  return std::make_unique<cuda_sequences>(m, sequences, positions);
}

}  // namespace llama

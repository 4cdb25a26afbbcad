// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "model/session.hpp"

#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::require;
using sparsellm::shape_error;

session::session(sparsellm::cpu::executor& exec, const model& m, std::size_t max_tokens,
                 std::size_t positions)
    : model_(m),
      forward_(exec, m, max_tokens, positions),
      x_(max_tokens * m.shape().width),
      max_tokens_(max_tokens),
      positions_(positions) {
  require<shape_error>(positions <= m.shape().context, "model: at most ", m.shape().context,
                       " positions, got ", positions);
  caches_ = make_caches(m.shape(), positions);
}

std::size_t session::cache_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const kv_cache& cache : caches_) bytes += cache.bytes();
  return bytes;
}

const_rows session::advance(const std::vector<std::int32_t>& tokens, std::size_t dense_prefix,
                            const activation_observer* observe) {
  require<shape_error>(
      !tokens.empty() && tokens.size() <= max_tokens_ && position_ + tokens.size() <= positions_,
      "session: ", tokens.size(), " tokens at position ", position_, ", 1 to ", max_tokens_,
      " expected and ", positions_, " positions in all");
  const rows x(x_.data(), tokens.size(), model_.shape().width);
  for (std::size_t t = 0; t < tokens.size(); ++t) model_.embed(tokens[t], position_ + t, x.row(t));
  forward_.passed(step_part::embedding);
  const std::size_t dense_rows = dense_prefix > position_ ? dense_prefix - position_ : 0;
  for (std::size_t l = 0; l < caches_.size(); ++l)
    forward_.run_block(l, x, position_, dense_rows, {&caches_[l], 1}, observe);
  position_ += tokens.size();
  return x;
}

sequences::sequences(sparsellm::cpu::executor& exec, const model& m, std::size_t count,
                     std::size_t positions)
    : model_(m),
      forward_(exec, m, count, positions),
      x_(count * m.shape().width),
      count_(count),
      positions_(positions) {
  require<shape_error>(positions <= m.shape().context && count != 0,
                       "model: at least 1 sequence of at most ", m.shape().context,
                       " positions expected, got ", count, " of ", positions);
  caches_.resize(m.shape().layers);
  for (auto& of_layer : caches_)
    for (std::size_t i = 0; i < count; ++i) of_layer.emplace_back(m.shape(), positions);
}

const_rows sequences::advance(const std::vector<std::int32_t>& tokens, bool dense) {
  require<shape_error>(tokens.size() == count_ && position_ < positions_, "sequences: ", count_,
                       " tokens at a position below ", positions_, " expected, got ", tokens.size(),
                       " at ", position_);
  const rows x(x_.data(), count_, model_.shape().width);
  for (std::size_t i = 0; i < count_; ++i) model_.embed(tokens[i], position_, x.row(i));
  forward_.passed(step_part::embedding);
  for (std::size_t l = 0; l < caches_.size(); ++l)
    forward_.run_block(l, x, position_, dense ? count_ : 0, caches_[l], nullptr);
  ++position_;
  return x;
}

}  // namespace llama

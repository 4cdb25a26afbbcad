// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The host looks up embeddings and is given logits; nothing in between waits for it, but for an
// observer.
#include "cuda/session.hpp"

#include <algorithm>
#include <vector>

#include "cuda/forward.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cuda/copy.cuh"

namespace llama {

namespace {

using sparsellm::require;
using sparsellm::shape_error;
using sparsellm::vector_view;
using sparsellm::cuda::device_buffer;

// Rows of tokens on their way through all blocks.
class cuda_rows {
 public:
  cuda_rows(const model& m, std::size_t most, std::size_t positions, std::size_t sequences)
      : steps_(m, most, positions, sequences) {
    const config& c = m.shape();
    const auto room = [&](std::size_t width) {
      return steps_.executor().allocate<float>(most * width);
    };
    x_ = room(c.width);
    h_ = room(c.width);
    attended_ = room(c.query_width());
    hidden_ = room(c.hidden);
  }
  [[nodiscard]] cuda_forward& steps() noexcept { return steps_; }
  [[nodiscard]] const cuda_forward& steps() const noexcept { return steps_; }

  void run(const std::vector<std::int32_t>& tokens, cached_rows at, std::size_t dense,
           const activation_observer* observe) {
    steps_.embed(tokens, at, x_.data());
    for (std::size_t l = 0; l < steps_.of().shape().layers; ++l)
      run_block(l, tokens.size(), at, dense, observe);
  }

  // Of the rows [first, first + out.rows()) of the last run. Waits.
  void logits(std::size_t first, rows out) {
    require<shape_error>(out.stride() == out.cols(), "session: logits of ", out.cols(),
                         " columns without gaps expected, got stride ", out.stride());
    compute_logits(first, out.rows());
    const std::size_t n = out.rows() * out.cols();
    sparsellm::cuda::copy(steps_.executor(),
                          vector_view<const float, sparsellm::device_space>(logits_.data(), n),
                          vector_view<float>(out.data(), n));
  }
  [[nodiscard]] likeliest best(std::size_t row) {
    compute_logits(row, 1);
    if (best_.size() == 0) best_ = steps_.executor().allocate<likeliest>(1);
    cuda_likeliest(steps_.executor(), logits_.data(), steps_.of().shape().vocabulary, best_.data());
    return sparsellm::cuda::to_host(steps_.executor(), best_)[0];
  }

 private:
  void compute_logits(std::size_t first, std::size_t rows) {
    const config& c = steps_.of().shape();
    if (logits_.size() < rows * c.vocabulary)
      logits_ = steps_.executor().allocate<float>(rows * c.vocabulary);
    steps_.logits(x_.data() + first * c.width, rows, logits_.data());
  }
  void run_block(std::size_t l, std::size_t n, cached_rows at, std::size_t dense,
                 const activation_observer* observe) {
    const config& c = steps_.of().shape();
    const auto saw = [&](activation_site site, const device_buffer<float>& in, std::size_t width) {
      if (observe == nullptr) return;
      std::vector<float> seen(n * width);
      sparsellm::cuda::copy(
          steps_.executor(),
          vector_view<const float, sparsellm::device_space>(in.data(), seen.size()),
          vector_view<float>(seen));
      (*observe)(l, site, const_rows(seen.data(), n, width));
    };
    steps_.normalise(l, activation_site::attention_input, x_.data(), n, h_.data());
    saw(activation_site::attention_input, h_, c.width);
    steps_.attend(l, h_.data(), n, at, dense, attended_.data());
    saw(activation_site::attention_output, attended_, c.query_width());
    steps_.add_product(l, activation_site::attention_output, attended_.data(), n, dense, x_.data());

    steps_.normalise(l, activation_site::mlp_input, x_.data(), n, h_.data());
    saw(activation_site::mlp_input, h_, c.width);
    steps_.activate(l, h_.data(), n, dense, hidden_.data());
    saw(activation_site::mlp_hidden, hidden_, c.hidden);
    steps_.add_product(l, activation_site::mlp_hidden, hidden_.data(), n, dense, x_.data());
  }

  cuda_forward steps_;
  device_buffer<float> x_, h_, attended_, hidden_, logits_;
  device_buffer<likeliest> best_;
};

class cuda_session final : public decoder {
 public:
  cuda_session(const model& m, std::size_t max_tokens, std::size_t positions)
      : max_tokens_(max_tokens), positions_(positions), rows_(m, max_tokens, positions, 1) {}

  void append(const std::vector<std::int32_t>& tokens, std::size_t dense_prefix,
              const activation_observer* observe) override {
    const std::size_t n = tokens.size();
    require<shape_error>(n != 0 && n <= max_tokens_ && position_ + n <= positions_, "session: ", n,
                         " tokens at position ", position_, ", 1 to ", max_tokens_,
                         " expected and ", positions_, " positions in all");
    const std::size_t dense = dense_prefix > position_ ? dense_prefix - position_ : 0;
    rows_.run(tokens, {position_, false}, dense, observe);
    position_ += n;
  }

  void logits(std::size_t first, rows out) override { rows_.logits(first, out); }
  [[nodiscard]] likeliest best(std::size_t row) override { return rows_.best(row); }

  void rewind(std::size_t position) noexcept override { position_ = std::min(position, position_); }
  void finish() override { rows_.steps().executor().wait(); }
  void thresholds_changed() override { rows_.steps().reread(); }
  [[nodiscard]] std::size_t position() const noexcept override { return position_; }
  [[nodiscard]] std::size_t capacity() const noexcept override { return positions_; }
  [[nodiscard]] std::size_t vocabulary() const noexcept override {
    return rows_.steps().of().shape().vocabulary;
  }
  [[nodiscard]] std::size_t cache_bytes() const noexcept override {
    return rows_.steps().cache_bytes();
  }

 private:
  std::size_t max_tokens_, positions_, position_ = 0;
  cuda_rows rows_;
};

class cuda_sequences final : public batch_decoder {
 public:
  cuda_sequences(const model& m, std::size_t count, std::size_t positions)
      : count_(count), positions_(positions), rows_(m, count, positions, count) {}

  void step(const std::vector<std::int32_t>& tokens, bool dense, rows out) override {
    require<shape_error>(tokens.size() == count_ && position_ < positions_, "sequences: ", count_,
                         " tokens at a position below ", positions_, " expected, got ",
                         tokens.size(), " at ", position_);
    rows_.run(tokens, {position_++, true}, dense ? count_ : 0, nullptr);
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

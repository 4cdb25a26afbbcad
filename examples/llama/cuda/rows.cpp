// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/rows.hpp"

#include <tuple>

#include "sparsellm/core/error.hpp"
#include "sparsellm/cuda/copy.cuh"

namespace llama {

using sparsellm::require;
using sparsellm::shape_error;
using sparsellm::vector_view;
using sparsellm::cuda::device_buffer;

cuda_rows::cuda_rows(const model& m, std::size_t most, std::size_t positions, std::size_t sequences)
    : steps_(m, most, positions, sequences),
      sequences_(sequences),
      found_(steps_.executor().stream()) {
  const config& c = m.shape();
  sparsellm::cuda::executor& exec = steps_.executor();
  x_ = exec.allocate<float>(most * c.width);
  h_ = exec.allocate<float>(most * c.width);
  attended_ = exec.allocate<float>(most * c.query_width());
  hidden_ = exec.allocate<float>(most * c.hidden);
  step_logits_ = exec.allocate<float>(sequences * c.vocabulary);
  leaders_ = exec.allocate<std::byte>(cuda_likeliest_scratch());
}

void cuda_rows::run(const std::vector<std::int32_t>& tokens, std::size_t position,
                    std::size_t dense_rows, const activation_observer* observe) {
  const std::size_t n = tokens.size();
  const cached_rows at = steps_.place(tokens, position, sequences_ > 1);
  placed_ = position;
  if (n == sequences_ && observe == nullptr) return step(position, dense_rows != 0);
  stepped_ = false;
  steps_.embed(at, n, x_.data());
  for (std::size_t l = 0; l < steps_.of().shape().layers; ++l)
    run_block(l, n, at, dense_rows, observe);
}

void cuda_rows::step(std::size_t position, bool dense) {
  const cached_rows at = steps_.step_at(position, sequences_ > 1);
  const cudaStream_t stream = steps_.executor().stream();
  if (!was_launched_[dense]) {
    give_step(at, dense);
    was_launched_[dense] = true;
  } else {
    auto graph = graphs_.find({dense, at.end});
    if (graph == graphs_.end())
      graph = graphs_
                  .emplace(std::piecewise_construct, std::forward_as_tuple(dense, at.end),
                           std::forward_as_tuple(stream, [&] { give_step(at, dense); }))
                  .first;
    graph->second.launch(stream);
  }
  stepped_ = true;
  if (sequences_ > 1) return;
  found_.push();
  placed_ = position + 1;
}

void cuda_rows::give_step(cached_rows at, bool dense) {
  steps_.embed(at, sequences_, x_.data());
  for (std::size_t l = 0; l < steps_.of().shape().layers; ++l)
    run_block(l, sequences_, at, dense ? sequences_ : 0, nullptr);
  steps_.logits(x_.data(), sequences_, step_logits_.data());
  if (sequences_ == 1) give_likeliest(step_logits_.data(), 1);
}

void cuda_rows::thresholds_changed() {
  steps_.reread();
  graphs_.clear();  // they hold the thresholds
  was_launched_[0] = was_launched_[1] = false;
}

void cuda_rows::logits(std::size_t first, rows out) {
  require<shape_error>(out.stride() == out.cols(), "session: logits of ", out.cols(),
                       " columns without gaps expected, got stride ", out.stride());
  const std::size_t n = out.rows() * out.cols();
  const float* const from =
      stepped_ ? step_logits_.data() + first * out.cols() : compute_logits(first, out.rows());
  sparsellm::cuda::copy(steps_.executor(),
                        vector_view<const float, sparsellm::device_space>(from, n),
                        vector_view<float>(out.data(), n));
}

void cuda_rows::find(std::size_t row, std::size_t position) {
  give_likeliest(stepped_ ? step_logits_.data() : compute_logits(row, 1),
                 static_cast<unsigned>(position - placed_));
  found_.push();
  placed_ = position;
}

void cuda_rows::give_likeliest(const float* logits, unsigned moves) {
  cuda_likeliest(steps_.executor(), logits, steps_.of().shape().vocabulary, leaders_.data(),
                 {steps_.ids(), steps_.text(), moves, found_.data(), token_ring::slots});
}

float* cuda_rows::compute_logits(std::size_t first, std::size_t n) {
  const config& c = steps_.of().shape();
  if (logits_.size() < n * c.vocabulary)
    logits_ = steps_.executor().allocate<float>(n * c.vocabulary);
  steps_.logits(x_.data() + first * c.width, n, logits_.data());
  return logits_.data();
}

void cuda_rows::run_block(std::size_t l, std::size_t n, cached_rows at, std::size_t dense,
                          const activation_observer* observe) {
  const config& c = steps_.of().shape();
  const auto saw = [&](activation_site site, const device_buffer<float>& in, std::size_t width) {
    if (observe == nullptr) return;
    std::vector<float> seen(n * width);
    sparsellm::cuda::copy(steps_.executor(),
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

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows of tokens on their way through all blocks on the device. A decode step, one row of each
// sequence, is one graph: from the tokens and the position that lie on the device to the logits,
// and for one sequence to the likeliest token, which the next step begins with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "cuda/forward.hpp"
#include "cuda/graph.hpp"
#include "cuda/token_ring.hpp"
#include "model/decoder.hpp"
#include "model/model.hpp"
#include "sparsellm/cuda/device_buffer.cuh"

namespace llama {

class cuda_rows {
 public:
  // For up to `most` tokens at once, and positions below `positions` of `sequences`.
  cuda_rows(const model& m, std::size_t most, std::size_t positions, std::size_t sequences);

  // Tokens of one sequence from a position on, or one of each of several at it; the first
  // dense_rows use every channel. observe may be null; one waits.
  void run(const std::vector<std::int32_t>& tokens, std::size_t position, std::size_t dense_rows,
           const activation_observer* observe);
  // A decode step from the device's tokens, at the position that the device has and `position` is;
  // one sequence's token is found then.
  void step(std::size_t position, bool dense);
  // The model's thresholds are others now.
  void thresholds_changed();

  // Of the rows [first, first + out.rows()) of the last run. Waits.
  void logits(std::size_t first, rows out);
  // Finds the likeliest token after a row of the last run, of one sequence: the one that a step at
  // `position` would begin with.
  void find(std::size_t row, std::size_t position);
  // The tokens found, in turn.
  [[nodiscard]] token_ring& found() noexcept { return found_; }

  [[nodiscard]] cuda_forward& steps() noexcept { return steps_; }
  [[nodiscard]] const cuda_forward& steps() const noexcept { return steps_; }

 private:
  [[nodiscard]] float* compute_logits(std::size_t first, std::size_t n);
  void run_block(std::size_t l, std::size_t n, cached_rows at, std::size_t dense,
                 const activation_observer* observe);
  void give_step(cached_rows at, bool dense);
  void give_likeliest(const float* logits, unsigned moves);

  cuda_forward steps_;
  std::size_t sequences_;
  sparsellm::cuda::device_buffer<float> x_, h_, attended_, hidden_;
  sparsellm::cuda::device_buffer<float> logits_;       // of any rows
  sparsellm::cuda::device_buffer<float> step_logits_;  // of a step's
  bool stepped_ = false;                               // what the last run was
  std::size_t placed_ = 0;                             // the position that the device has
  sparsellm::cuda::device_buffer<std::byte> leaders_;  // scratch of give_likeliest()
  token_ring found_;
  // By whether rows are dense, and the positions they serve. The first step of a kind is launched
  // without a graph: there the executor's memory grows.
  std::map<std::pair<bool, std::size_t>, cuda_graph> graphs_;
  bool was_launched_[2] = {};
};

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What one block's output loses at given sparsities of its projections, on dense inputs: the
// error of TEAL's greedy search. The last half of each window is sparsified, the last quarter
// counts. What a change leaves as it was is kept from the trial before.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "model/forward.hpp"
#include "model/model.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/observe/histogram.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/panel.hpp"

namespace llama {

// How the difference to the dense output becomes a number.
enum class error_norm {
  token,   // the mean over tokens of its L2 norm
  channel  // the mean over channels of its L2 norm over a window's tokens, as TEAL's release has it
};

class block_trial {
 public:
  // stream [windows · length, width]: the residual stream before the block, dense; it leaves as
  // that after the block.
  block_trial(sparsellm::cpu::executor& exec, const model& m, forward& steps, std::size_t layer,
              std::size_t length, rows stream, error_norm norm);

  // The error at these sparsities, one for each projection, of which only `changed` differs from
  // the last ones kept.
  [[nodiscard]] double error(const std::vector<double>& sparsity, projection changed);
  // Keeps them.
  void keep(const std::vector<double>& sparsity, projection changed);
  // The error with all the same; leaves what is kept alone.
  [[nodiscard]] double uniform_error(double sparsity);

 private:
  // The steps of a block from q on, for the rows that count; each holds [rows, width of the step].
  struct state {
    sparsellm::buffer<float> qkv;        // the last halves
    sparsellm::buffer<float> attention;  // from here on the last quarters
    sparsellm::buffer<float> stream, gate, up, out;
  };

  [[nodiscard]] float threshold(projection p, double sparsity) const;
  void project(projection p, const std::vector<double>& sparsity, const_rows x, rows y);
  // Goes from the first step that `changed` touches to the output.
  void run(const std::vector<double>& sparsity, projection changed, const state& from, state& to);
  void attend(state& s);
  void activate(const state& s);
  [[nodiscard]] double distance(const state& s) const;
  [[nodiscard]] state blank() const;
  static void copy(const sparsellm::buffer<float>& from, sparsellm::buffer<float>& to);

  sparsellm::cpu::executor& exec_;
  const model& model_;
  forward& steps_;
  const block& block_;
  error_norm norm_;
  std::size_t windows_, length_, half_, quarter_;
  std::vector<sparsellm::packed_matrix<sparsellm::panel<sparsellm::bfloat16>>> weights_;
  per_site<sparsellm::histogram> seen_;
  std::vector<kv_cache> caches_;          // the first halves, dense
  sparsellm::buffer<float> h1_;           // normalised inputs of the last halves
  sparsellm::buffer<float> x_;            // the stream's last quarters
  sparsellm::buffer<float> dense_;        // the dense output there
  sparsellm::buffer<float> h2_, hidden_;  // scratch
  state kept_, trial_;
};

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Windows of text on their way through a model, wherever it is computed, and what is seen of them.
// All of them pass one step of a block before any passes the next, so that what a step shows is
// known before the next one runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "model/decoder.hpp"
#include "model/model.hpp"
#include "sparsellm/observe/channel_stats.hpp"
#include "sparsellm/observe/entropy.hpp"
#include "sparsellm/observe/histogram.hpp"

namespace llama {

using window = std::vector<std::int32_t>;

class observed_text {
 public:
  observed_text() = default;
  observed_text(const observed_text&) = delete;
  observed_text& operator=(const observed_text&) = delete;
  virtual ~observed_text() = default;

  // Takes all windows to an activation of a block, one after the other; leave() to its end.
  virtual void go_to(std::size_t layer, activation_site site) = 0;
  virtual void leave(std::size_t layer) = 0;
  // |x - centre| · scale [channels] of the site last gone to, over the rows from `first` on of all
  // windows; no centre is 0, no scale is 1.
  [[nodiscard]] virtual sparsellm::histogram magnitudes(std::size_t layer, activation_site site,
                                                        std::size_t first,
                                                        const std::vector<float>& scale,
                                                        const std::vector<float>& centre) = 0;
  // |silu(gate · x)|, at mlp_input.
  [[nodiscard]] virtual sparsellm::histogram gate_magnitudes(std::size_t layer,
                                                             std::size_t first) = 0;
  // Of the site last gone to, over all rows of all windows.
  [[nodiscard]] virtual sparsellm::channel_stats statistics(std::size_t layer,
                                                            activation_site site) = 0;
  [[nodiscard]] virtual sparsellm::entropy entropies(std::size_t layer, activation_site site,
                                                     const sparsellm::channel_stats& ranges,
                                                     const sparsellm::entropy_options& how) = 0;
  // x [tokens, channels] of one window there, on the host; valid until the next call.
  [[nodiscard]] virtual const_rows rows_of(std::size_t layer, activation_site site,
                                           std::size_t window) = 0;
  [[nodiscard]] virtual std::size_t windows() const = 0;

  // Before a block: remember() where all windows stand, recall() to run it once more.
  virtual void remember() = 0;
  virtual void recall() = 0;
  // The model's thresholds, or weights, of what reads this activation are others now.
  virtual void thresholds_changed(std::size_t layer, activation_site site) = 0;
  virtual void weights_changed(std::size_t layer, activation_site site) = 0;
};

// Makes one of windows of equal length, of which positions below dense_rows use every channel.
using text_maker = std::function<std::unique_ptr<observed_text>(
    sparsellm::cpu::executor& exec, model& m, const std::vector<window>& windows,
    std::size_t dense_rows)>;

// On the CPU.
[[nodiscard]] std::unique_ptr<observed_text> make_host_text(sparsellm::cpu::executor& exec,
                                                            model& m,
                                                            const std::vector<window>& windows,
                                                            std::size_t dense_rows);

}  // namespace llama

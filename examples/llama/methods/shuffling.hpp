// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How pruning orders the channels of an activation, wherever the order is searched.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>

#include "sparsellm/core/views.hpp"
#include "sparsellm/permute/channel_order.hpp"
#include "sparsellm/permute/global_shuffle.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace llama {

struct shuffling {
  sparsellm::nm_pattern pattern;
  bool global_shuffle = false, local_shuffle = false;
  std::size_t block = 256;        // channels that the local shuffle moves among
  std::optional<double> seconds;  // the most one local shuffle may take
  sparsellm::dealing deal = sparsellm::dealing::round_robin;
};

// Whether the time of one local shuffle, which begins now, lasts.
class shuffle_clock {
 public:
  explicit shuffle_clock(const shuffling& how) : seconds_(how.seconds) {}
  bool operator()(double) const {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begun_;
    return !seconds_.has_value() || passed.count() < *seconds_;
  }

 private:
  std::optional<double> seconds_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

// An order of the columns of scores [rows, channels].
using order_search = std::function<sparsellm::channel_order(
    sparsellm::matrix_view<const float> scores, const shuffling& how)>;

}  // namespace llama

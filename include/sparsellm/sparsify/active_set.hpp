// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The channels that survived: ascending indices and their activations, compacted.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0 {

// index [count] ascending, value [count]
struct active_view {
  const std::uint32_t* index = nullptr;
  const float* value = nullptr;
  std::size_t count = 0;
};

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Owns room for one input vector; made once, reused for every token.
class active_set {
 public:
  // Throws shape_error for more channels than 32-bit indices reach.
  explicit active_set(std::size_t channels) : index_(channels), value_(channels) {
    require<shape_error>(channels <= 0xffffffffu, "active_set: at most 2^32 - 1 channels, got ",
                         channels);
  }

  [[nodiscard]] std::size_t capacity() const noexcept { return index_.size(); }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] active_view view() const noexcept { return {index_.data(), value_.data(), count_}; }
  [[nodiscard]] vector_view<const std::uint32_t> indices() const noexcept {
    return {index_.data(), count_};
  }
  [[nodiscard]] vector_view<const float> values() const noexcept { return {value_.data(), count_}; }

  // For sparsifiers: start over, then append channels in ascending order.
  void clear() noexcept { count_ = 0; }
  void append(std::uint32_t channel, float x) noexcept {
    index_[count_] = channel;
    value_[count_] = x;
    ++count_;
  }

 private:
  buffer<std::uint32_t> index_;
  buffer<float> value_;
  std::size_t count_ = 0;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

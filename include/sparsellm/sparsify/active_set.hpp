// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The channels that a sparsifier keeps: ascending indices and their activations, compacted. A
// device's own active_set is in cuda/active_set.cuh.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0 {

// What products read of an active set, borrowed.
template <class Space = host_space>
struct active_view;

// index [count] ascending, value [count]
template <>
struct active_view<host_space> {
  const std::uint32_t* index = nullptr;
  const float* value = nullptr;
  std::size_t count = 0;
};

// The same on a device. The count lies there too, so that nobody waits for it.
template <>
struct active_view<device_space> {
  const std::uint32_t* index = nullptr;
  const float* value = nullptr;
  const std::uint32_t* count = nullptr;
};

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Owns room for the channels of one input vector; made once, reused for every token.
// `active_set active(inputs)` makes the host's, `active_set active(exec, inputs)` that of the
// executor's space.
template <class Space = host_space>
class active_set;

template <>
class active_set<host_space> {
 public:
  using space = host_space;

  // Room for `channels` channels. Allocates. Throws shape_error for more than 2^32 - 1.
  explicit active_set(std::size_t channels)
      : channels_(channels), index_(channels + slack), value_(channels + slack) {
    require<shape_error>(channels <= 0xffffffffu, "active_set: at most 2^32 - 1 channels, got ",
                         channels);
  }
  template <class E>
  active_set(E&, std::size_t channels) : active_set(channels) {}

  // How many channels it has room for.
  [[nodiscard]] std::size_t capacity() const noexcept { return channels_; }
  // How many channels are listed.
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] active_view<> view() const noexcept {
    return {index_.data(), value_.data(), count_};
  }
  // [size], ascending
  [[nodiscard]] vector_view<const std::uint32_t> indices() const noexcept {
    return {index_.data(), count_};
  }
  // [size]
  [[nodiscard]] vector_view<const float> values() const noexcept { return {value_.data(), count_}; }

  // For backends, which compact whole vectors at a time: both arrays, with room for `slack` entries
  // more than capacity(); then how many entries are there.
  static constexpr std::size_t slack = 16;
  [[nodiscard]] std::uint32_t* index_storage() noexcept { return index_.data(); }
  [[nodiscard]] float* value_storage() noexcept { return value_.data(); }
  void resize(std::size_t count) noexcept { count_ = count; }

  // For sparsifiers: start over, then append channels in ascending order.
  void clear() noexcept { count_ = 0; }
  void append(std::uint32_t channel, float x) noexcept {
    index_[count_] = channel;
    value_[count_] = x;
    ++count_;
  }

 private:
  std::size_t channels_;
  buffer<std::uint32_t> index_;
  buffer<float> value_;
  std::size_t count_ = 0;
};

active_set(std::size_t) -> active_set<host_space>;
template <class E>
active_set(E&, std::size_t) -> active_set<typename E::space>;

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

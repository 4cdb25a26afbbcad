// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// An order of channels: a permutation, checked once. W·x does not change when the columns of W and
// the elements of x are put in the same order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Places and the channels that stand there; a default one has none.
class channel_order {
 public:
  channel_order() = default;
  // at[i]: the channel that comes to stand at place i. Throws value_error unless every channel of
  // [0, size) occurs once.
  explicit channel_order(std::vector<std::uint32_t> at) : at_(std::move(at)) {
    std::vector<bool> seen(at_.size(), false);
    for (std::size_t i = 0; i < at_.size(); ++i) {
      require<value_error>(at_[i] < at_.size() && !seen[at_[i]], "channel_order: place ", i,
                           " holds channel ", at_[i], ", each of ", at_.size(),
                           " channels expected once");
      seen[at_[i]] = true;
    }
  }
  // Every channel where it is: [channels].
  [[nodiscard]] static channel_order identity(std::size_t channels) {
    channel_order order;
    order.at_.resize(channels);
    for (std::size_t i = 0; i < channels; ++i) order.at_[i] = static_cast<std::uint32_t>(i);
    return order;
  }

  // How many channels.
  [[nodiscard]] std::size_t size() const noexcept { return at_.size(); }
  [[nodiscard]] std::uint32_t operator[](std::size_t place) const noexcept { return at_[place]; }
  // [size]: the channel at each place.
  [[nodiscard]] const std::vector<std::uint32_t>& channels() const noexcept { return at_; }
  [[nodiscard]] bool is_identity() const noexcept {
    for (std::size_t i = 0; i < at_.size(); ++i)
      if (at_[i] != i) return false;
    return true;
  }
  friend bool operator==(const channel_order&, const channel_order&) = default;

  // inverse()[channel]: the place where it stands.
  [[nodiscard]] channel_order inverse() const {
    channel_order order;
    order.at_.resize(size());
    for (std::size_t i = 0; i < size(); ++i) order.at_[at_[i]] = static_cast<std::uint32_t>(i);
    return order;
  }
  // First this order, then `next` of its places. Throws shape_error for another size.
  [[nodiscard]] channel_order then(const channel_order& next) const {
    require<shape_error>(next.size() == size(), "channel_order: ", size(), " channels, then ",
                         next.size());
    channel_order order;
    order.at_.resize(size());
    for (std::size_t i = 0; i < size(); ++i) order.at_[i] = at_[next.at_[i]];
    return order;
  }
  // out[i] = in[at(i)]; the two must not overlap. Throws shape_error for other sizes.
  template <class T>
  void gather(vector_view<const T> in, vector_view<T> out) const {
    require<shape_error>(in.size() == size() && out.size() == size(), "channel_order: ", size(),
                         " channels expected, got ", in.size(), " and ", out.size());
    for (std::size_t i = 0; i < size(); ++i) out[i] = in[at_[i]];
  }

 private:
  std::vector<std::uint32_t> at_;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

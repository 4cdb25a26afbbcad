// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Keys and values of one block, kept in the library's own formats so that attention is two
// products: scores = K q with K [positions, head] a panel, output = Vᵀ p with V [positions, head]
// channel-major.
#pragma once

#include <cstddef>
#include <vector>

#include "files/config.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/panel.hpp"

namespace llama {

class kv_cache {
 public:
  using keys_format = sparsellm::panel<float>;
  using values_format = sparsellm::channel_major<float>;

  kv_cache(const config& c, std::size_t capacity)
      : head_size_(c.head_size),
        key_stride_(keys_format::bytes({capacity, c.head_size}) / sizeof(float)),
        value_stride_(values_format::bytes({c.head_size, capacity}) / sizeof(float)),
        keys_(c.kv_heads * key_stride_, 0.0f),
        values_(c.kv_heads * value_stride_, 0.0f) {}

  [[nodiscard]] std::size_t bytes() const noexcept {
    return (keys_.size() + values_.size()) * sizeof(float);
  }

  // key, value: [head_size]
  void store(std::size_t kv_head, std::size_t position, const float* key,
             const float* value) noexcept {
    constexpr std::size_t lanes = keys_format::rows_at_once;  // positions of a brick
    float* const k = keys_.data() + kv_head * key_stride_ + position / lanes * lanes * head_size_ +
                     position % lanes;
    float* const v = values_.data() + kv_head * value_stride_ + position * value_size();
    for (std::size_t i = 0; i < head_size_; ++i) {
      k[i * lanes] = key[i];
      v[i] = value[i];
    }
  }

  // What store() put there.
  void load(std::size_t kv_head, std::size_t position, float* key, float* value) const noexcept {
    constexpr std::size_t lanes = keys_format::rows_at_once;
    const float* const k = keys_.data() + kv_head * key_stride_ +
                           position / lanes * lanes * head_size_ + position % lanes;
    const float* const v = values_.data() + kv_head * value_stride_ + position * value_size();
    for (std::size_t i = 0; i < head_size_; ++i) {
      key[i] = k[i * lanes];
      value[i] = v[i];
    }
  }

  // How many positions views begin at multiples of.
  static constexpr std::size_t step = keys_format::rows_at_once;

  // K [n, head_size] and Vᵀ [head_size, n] of the positions [first, first + n); first is a multiple
  // of step.
  [[nodiscard]] auto keys(std::size_t kv_head, std::size_t first, std::size_t n) const noexcept {
    return keys_format::make_view(reinterpret_cast<const std::byte*>(
                                      keys_.data() + kv_head * key_stride_ + first * head_size_),
                                  {n, head_size_});
  }
  [[nodiscard]] auto values(std::size_t kv_head, std::size_t first, std::size_t n) const noexcept {
    return values_format::make_view(
        reinterpret_cast<const std::byte*>(values_.data() + kv_head * value_stride_ +
                                           first * value_size()),
        {head_size_, n});
  }

 private:
  // Floats of one position.
  [[nodiscard]] std::size_t value_size() const noexcept {
    return values_format::bytes({head_size_, 1}) / sizeof(float);
  }

  std::size_t head_size_, key_stride_, value_stride_;
  sparsellm::buffer<float> keys_, values_;
};

// One for each block.
[[nodiscard]] inline std::vector<kv_cache> make_caches(const config& c, std::size_t capacity) {
  std::vector<kv_cache> caches;
  for (std::size_t l = 0; l < c.layers; ++l) caches.emplace_back(c, capacity);
  return caches;
}

}  // namespace llama

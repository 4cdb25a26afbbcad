// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// X as the kernels of quantised weights take it, one for each section, in an executor's scratch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/kernels/quantized_table.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/cpu/products/tasks.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

class rounded_input {
 public:
  // Reserves what `layout` will hold. every_channel: a panel reads all channels, active or not.
  rounded_input(scratch_layout& layout, const cover& sections, const token_inputs& x,
                std::size_t tokens, std::size_t inputs, std::size_t block_channels,
                bool every_channel) noexcept
      : sections_(sections),
        x_(x),
        inputs_(inputs),
        block_channels_(block_channels),
        every_channel_(every_channel) {
    const std::size_t blocks = (inputs + block_channels - 1) / block_channels;
    const std::size_t slots = block_channels / 4;
    for (std::size_t s = 0; s < sections.size(); ++s) {
      at_[s] = {layout.reserve<std::uint8_t>(blocks),
                layout.reserve<std::uint8_t>(blocks * block_channels),
                layout.reserve<std::uint32_t>(tokens * blocks * slots * 2),
                layout.reserve<float>(tokens * blocks),
                layout.reserve<std::int32_t>(tokens * blocks)};
      arrays_[s] = {tokens, blocks, slots, nullptr, nullptr, nullptr, nullptr, nullptr};
    }
    kept_at_ = layout.reserve<float>(tokens * inputs);
  }
  void use(std::byte* scratch) noexcept {
    for (std::size_t s = 0; s < sections_.size(); ++s) {
      quantized_activations& a = arrays_[s];
      a.count = at<std::uint8_t>(scratch, at_[s].count);
      a.channel = at<std::uint8_t>(scratch, at_[s].channel);
      a.word = at<std::uint32_t>(scratch, at_[s].word);
      a.scale = at<float>(scratch, at_[s].scale);
      a.sum = at<std::int32_t>(scratch, at_[s].sum);
    }
    kept_ = at<float>(scratch, kept_at_);
  }

  [[nodiscard]] bool every_channel() const noexcept { return every_channel_; }
  [[nodiscard]] const quantized_activations& operator[](std::size_t section) const noexcept {
    return arrays_[section];
  }
  // X [tokens, inputs] with zeros where a section skips, written for the channels of some blocks;
  // ranges that are asked for at the same time must not meet.
  [[nodiscard]] matrix_view<const float> kept(std::size_t section, index_range blocks) const {
    const std::size_t tokens = arrays_[section].tokens, first = blocks.first * block_channels_;
    const std::size_t last = std::min(blocks.last * block_channels_, inputs_);
    for (std::size_t t = 0; t < tokens; ++t)
      sections_.zero(section, x_[t], first, last, kept_ + t * inputs_ + first);
    return {kept_, tokens, inputs_};
  }

 private:
  struct offsets {
    std::size_t count, channel, word, scale, sum;
  };
  const cover& sections_;
  const token_inputs& x_;
  std::size_t inputs_, block_channels_;
  bool every_channel_;
  offsets at_[most_sections];
  quantized_activations arrays_[most_sections];
  std::size_t kept_at_ = 0;
  float* kept_ = nullptr;
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

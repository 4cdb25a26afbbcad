// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Integer weights of 8, 5 or 4 bits as panel and channel_major: blocks of input channels share a
// scale (and, when affine, a minimum) per output, stored along the outputs. q8_0, q4_0, q4_1, q5_0,
// q5_1 and iq4_nl are GGUF's, kept without loss and put in an order in which skipped channels are
// not read.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/element.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/pack/non_linear_levels.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/pack/quantized_weight.hpp"
#include "sparsellm/pack/strip_levels.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// One row of a weight, quantised, b = c / block_channels: w[c] = scale[b] · (level[c] − zero) +
// minimum[b], or, when non-linear, scale[b] · the number that level[c] stands for.
struct quantized_row {
  std::vector<std::uint8_t> level;  // [inputs]
  std::vector<half> scale;          // [blocks]
  std::vector<half> minimum;        // [blocks]; read when affine
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Rounds n weights of a row to the nearest of the block's levels: scale = max|w| / (half the
// levels), or, when affine, (max − min) / (levels − 1).
template <quantized_element Q>
SPARSELLM_HD void quantize_block(const float* w, std::size_t n, std::uint8_t* level, half& scale,
                                 half& minimum) noexcept {
  float low = w[0], high = w[0];
  for (std::size_t c = 1; c < n; ++c) {
    if (w[c] < low) low = w[c];
    if (!(w[c] < high)) high = w[c];
  }
  if constexpr (Q::affine) {
    scale = narrow<half>((high - low) / static_cast<float>(Q::top_level));
    minimum = narrow<half>(low);
  } else {
    const float most = std::fabs(low) > std::fabs(high) ? std::fabs(low) : std::fabs(high);
    scale = narrow<half>(most / static_cast<float>(Q::zero - 1));
  }
  // The rounded scale decides the levels, so that its own error is not added to theirs.
  const float step = widen(scale), from = Q::affine ? widen(minimum) : 0.0f;
  for (std::size_t c = 0; c < n; ++c) {
    const float exact = step > 0.0f ? (w[c] - from) / step : 0.0f;
    const int nearest = static_cast<int>(std::nearbyint(exact)) + Q::zero;
    level[c] = static_cast<std::uint8_t>(nearest < 0              ? 0
                                         : nearest > Q::top_level ? Q::top_level
                                                                  : nearest);
  }
}

// Rounds n weights to the nearest of the table's numbers: the largest in magnitude is to be -127,
// then the scale is that of the least squared error for these levels.
inline void quantize_non_linear(const float* w, std::size_t n, std::uint8_t* level,
                                half& scale) noexcept {
  float most = 0.0f;
  for (std::size_t c = 0; c < n; ++c)
    if (std::fabs(w[c]) > std::fabs(most)) most = w[c];
  const auto round = [&](float to) {
    scale = narrow<half>(to);
    const float step = widen(scale);
    float product = 0.0f, square = 0.0f;
    for (std::size_t c = 0; c < n; ++c) {
      level[c] = nearest_non_linear(step != 0.0f ? w[c] / step : 0.0f);
      const auto number = static_cast<float>(non_linear_levels[level[c]] - 128);
      product += w[c] * number;
      square += number * number;
    }
    return product / square;
  };
  (void)round(round(most / -127.0f));
}

// Self: the format that derives from this.
template <class Self, quantized_element Q, layout_kind Layout>
struct quantized_format {
  using element = Q;
  static constexpr int bits = Q::bits, zero = Q::zero, top_level = Q::top_level;
  static constexpr bool affine = Q::affine, non_linear = Q::non_linear;
  static constexpr std::size_t block_channels = Q::block_channels;

  static constexpr layout_kind layout = Layout;
  static constexpr std::string_view name = sparsellm::name(Layout);
  static constexpr std::size_t rows_at_once = strip_outputs<bits>;
  static constexpr std::size_t slack_bytes = 0;

  template <class Space>
  struct view : quantized_weight<bits, affine, non_linear> {
    using format = Self;
    using space = Space;
  };

  // Weights up to the largest half in magnitude: scales and minima are halfs.
  [[nodiscard]] SPARSELLM_HD static bool stores(float w) noexcept {
    return std::fabs(w) <= 65504.0f;
  }
  [[nodiscard]] static constexpr std::size_t blocks(extents e) noexcept {
    return (e.inputs + block_channels - 1) / block_channels;
  }
  [[nodiscard]] static constexpr std::size_t bytes(extents e) noexcept {
    return Layout == layout_kind::panel
               ? strips(e) * blocks(e) * panel_block
               : blocks(e) *
                     (strips(e) * scale_bytes + block_channels * spread_channels<bits>(strips(e)));
  }
  template <class Space = host_space>
  [[nodiscard]] static view<Space> make_view(const std::byte* storage, extents e) noexcept {
    const std::size_t strip = strip_outputs<bits> * sizeof(half);
    if constexpr (Layout == layout_kind::panel) {
      const std::size_t next = blocks(e) * panel_block;
      return {{storage,
               e,
               block_channels,
               panel_block,
               next,
               strip_bytes,
               next,
               strip,
               scale_bytes,
               {scale_bytes + block_channels * strip_bytes, high_bytes<bits>, next}}};
    } else {
      const std::size_t scales = strips(e) * scale_bytes;
      const std::size_t channel = spread_channels<bits>(strips(e));
      return {{storage,
               e,
               block_channels,
               scales + block_channels * channel,
               strip,
               channel,
               strip_bytes,
               strips(e) * strip,
               scales,
               {scales + strips(e) * strip_bytes, channel, high_bytes<bits>}}};
    }
  }

  static void pack_rows(std::byte* storage, extents e, std::size_t first,
                        matrix_view<const float> rows) {
    const quantized_row blank = blank_row(e);
    std::vector<quantized_row> rounded(rows.rows(), blank);
    for (std::size_t r = 0; r < rows.rows(); ++r)
      for (std::size_t b = 0; b < blocks(e); ++b) {
        const std::size_t c0 = b * block_channels, n = std::min(block_channels, e.inputs - c0);
        std::uint8_t* const level = rounded[r].level.data() + c0;
        if constexpr (non_linear)
          quantize_non_linear(&rows(r, c0), n, level, rounded[r].scale[b]);
        else
          quantize_block<Q>(&rows(r, c0), n, level, rounded[r].scale[b], rounded[r].minimum[b]);
      }
    pack_levels(storage, e, first, rounded, rounded.size());
  }

  // What pack_levels() takes for each row, and whether it can be stored.
  using row = quantized_row;
  [[nodiscard]] static row blank_row(extents e) {
    return {std::vector<std::uint8_t>(e.inputs), std::vector<half>(blocks(e)),
            std::vector<half>(blocks(e))};
  }
  static void check_row(std::size_t r, const row& given) {
    for (std::size_t b = 0; b < given.scale.size(); ++b)
      require<value_error>(is_finite(widen(given.scale[b])) && is_finite(widen(given.minimum[b])),
                           "pack_levels: row ", r, ", block ", b, ": scale ", widen(given.scale[b]),
                           " and minimum ", widen(given.minimum[b]), ", expected finite numbers");
  }

  // Writes rows [first, first + count) of one strip, which are quantised already and kept as they
  // are.
  static void pack_levels(std::byte* storage, extents e, std::size_t first,
                          const std::vector<quantized_row>& rows, std::size_t count) noexcept {
    const view<host_space> to = make_view(storage, e);
    const std::size_t strip = first / strip_outputs<bits>;
    const auto at = [&](const auto* p) {  // views are read-only: this is where they are written
      return storage + (reinterpret_cast<const std::byte*>(p) - to.data);
    };
    // What pads channels belongs to the last strip.
    const std::size_t spare =
        Layout == layout_kind::panel || strip + 1 < strips(e)
            ? 0
            : to.channel_stride - strips(e) * (strip_bytes + high_bytes<bits>);
    for (std::size_t b = 0; b < blocks(e); ++b) {
      auto* const scales = reinterpret_cast<half*>(at(to.scales(strip, b)));
      for (std::size_t o = 0; o < strip_outputs<bits>; ++o) {
        scales[o] = o < count ? rows[o].scale[b] : half{};
        if constexpr (affine)
          scales[to.minimum_at / sizeof(half) + o] = o < count ? rows[o].minimum[b] : half{};
      }
      const std::size_t c0 = b * block_channels;
      write_levels<bits>(
          block_levels<bits>(rows, count, c0), std::min(block_channels, e.inputs - c0),
          block_channels,
          {at(to.levels(strip, b)), to.channel_stride,
           strip_bytes + (high_bytes<bits> == 0 ? spare : 0)},
          {at(to.high_levels(strip, b)), to.high_stride(), high_bytes<bits> + spare});
    }
  }

  static void unpack_row(view<host_space> v, std::size_t r, vector_view<float> out) noexcept {
    const std::size_t s = r / strip_outputs<bits>, o = r % strip_outputs<bits>;
    for (std::size_t c = 0; c < v.shape.inputs; ++c) {
      const std::size_t b = c / block_channels;
      int level = level_at(v, s, b, c % block_channels, o);
      if constexpr (non_linear) level = non_linear_levels[level];
      out[c] = widen(v.scales(s, b)[o]) * static_cast<float>(level - zero);
      if constexpr (affine) out[c] += widen(v.minima(s, b)[o]);
    }
  }

 private:
  static constexpr std::size_t scale_bytes = strip_outputs<bits> * sizeof(half) * (affine ? 2 : 1);
  static constexpr std::size_t panel_block =
      scale_bytes + block_channels * (strip_bytes + high_bytes<bits>);

  [[nodiscard]] static constexpr std::size_t strips(extents e) noexcept {
    return (e.outputs + strip_outputs<bits> - 1) / strip_outputs<bits>;
  }
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

template <quantized_element Q>
struct panel<Q> : detail::quantized_format<panel<Q>, Q, layout_kind::panel> {};
template <quantized_element Q>
struct channel_major<Q>
    : detail::quantized_format<channel_major<Q>, Q, layout_kind::channel_major> {};

static_assert(packed_format<panel<q4_1>>);
static_assert(packed_format<channel_major<q8_0>>);
static_assert(packed_format<channel_major<q5_0>>);
static_assert(packed_format<panel<iq4_nl>>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

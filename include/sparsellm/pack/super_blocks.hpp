// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// GGUF's K-quants as panel and channel_major: q4_k, q5_k and q6_k, kept without loss and put in an
// order in which skipped channels are not read.
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
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/pack/strip_levels.hpp"
#include "sparsellm/pack/super_block_rounding.hpp"
#include "sparsellm/pack/super_block_row.hpp"
#include "sparsellm/pack/super_block_weight.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Self: the format that derives from this.
template <class Self, super_block_element Q, layout_kind Layout>
struct super_block_format {
  using element = Q;
  static constexpr int bits = Q::bits, zero = Q::zero, top_level = Q::top_level;
  static constexpr bool affine = Q::affine;
  static constexpr std::size_t block_channels = Q::block_channels;

  static constexpr layout_kind layout = Layout;
  static constexpr std::string_view name = sparsellm::name(Layout);
  static constexpr std::size_t rows_at_once = strip_outputs<bits>;
  static constexpr std::size_t slack_bytes = 0;

  template <class Space>
  struct view : super_block_weight<bits, affine> {
    using format = Self;
    using space = Space;
  };

  // Weights up to the largest half in magnitude: steps are halfs.
  [[nodiscard]] static bool stores(float w) noexcept { return std::fabs(w) <= 65504.0f; }
  [[nodiscard]] static constexpr std::size_t blocks(extents e) noexcept {
    return (e.inputs + block_channels - 1) / block_channels;
  }
  [[nodiscard]] static constexpr std::size_t super_blocks(extents e) noexcept {
    return (e.inputs + super_block_channels - 1) / super_block_channels;
  }
  // The last super-block has as many blocks as it needs.
  [[nodiscard]] static constexpr std::size_t bytes(extents e) noexcept {
    const std::size_t all =
        super_blocks(e) * step_bytes * strips(e) + blocks(e) * block_bytes(strips(e));
    return Layout == layout_kind::panel
               ? strips(e) * (super_blocks(e) * step_bytes + blocks(e) * block_bytes(1))
               : all;
  }
  template <class Space = host_space>
  [[nodiscard]] static view<Space> make_view(const std::byte* storage, extents e) noexcept {
    view<Space> v;
    v.shape = e;
    const bool panel = Layout == layout_kind::panel;
    const std::size_t together = panel ? 1 : strips(e);
    const std::size_t next = panel ? super_blocks(e) * step_bytes + blocks(e) * block_bytes(1) : 0;
    const std::byte* const block = storage + together * step_bytes;
    const std::byte* const levels = block + together * scale_bytes;
    v.step = {storage, panel ? next : step_bytes};
    v.scale = {block, panel ? next : scale_bytes};
    v.low = {levels, panel ? next : strip_bytes};
    v.high = {levels + (panel ? block_channels * strip_bytes : together * strip_bytes),
              panel ? next : high_bytes<bits>};
    v.channel_stride = panel ? strip_bytes : spread_channels<bits>(strips(e));
    v.high_channel_stride = panel ? high_bytes<bits> : v.channel_stride;
    v.block_stride = block_bytes(together);
    v.super_stride = together * step_bytes + super_block_channels / block_channels * v.block_stride;
    return v;
  }

  static void pack_rows(std::byte* storage, extents e, std::size_t first,
                        matrix_view<const float> rows) {
    const row blank = blank_row(e);
    std::vector<row> rounded(rows.rows(), blank);
    for (std::size_t r = 0; r < rows.rows(); ++r)
      round_row<Q>(vector_view<const float>(&rows(r, 0), e.inputs), rounded[r]);
    pack_levels(storage, e, first, rounded, rounded.size());
  }

  // What pack_levels() takes for each row, and whether it can be stored.
  using row = super_block_row;
  [[nodiscard]] static row blank_row(extents e) {
    return {std::vector<std::uint8_t>(e.inputs), std::vector<std::int8_t>(blocks(e)),
            std::vector<std::int8_t>(blocks(e)), std::vector<half>(super_blocks(e)),
            std::vector<half>(super_blocks(e))};
  }
  static void check_row(std::size_t r, const row& given) {
    for (std::size_t b = 0; b < given.scale_step.size(); ++b)
      require<value_error>(
          is_finite(widen(given.scale_step[b])) && is_finite(widen(given.minimum_step[b])),
          "pack_levels: row ", r, ", super-block ", b, ": scale step ", widen(given.scale_step[b]),
          " and minimum step ", widen(given.minimum_step[b]), ", expected finite numbers");
  }

  // Writes rows [first, first + count) of one strip, which are quantised already and kept as they
  // are.
  static void pack_levels(std::byte* storage, extents e, std::size_t first,
                          const std::vector<row>& rows, std::size_t count) noexcept {
    const view<host_space> to = make_view(storage, e);
    const std::size_t strip = first / outputs;
    const auto at = [&](const auto* p) {  // views are read-only: this is where they are written
      return storage + (reinterpret_cast<const std::byte*>(p) - storage);
    };
    const auto put = [&]<class T>(const T* p, std::vector<T> row::* from, std::size_t i) {
      auto* const out = reinterpret_cast<T*>(at(p));
      for (std::size_t o = 0; o < outputs; ++o) out[o] = o < count ? (rows[o].*from)[i] : T{};
    };
    // What pads channels belongs to the last strip.
    const std::size_t spare =
        Layout == layout_kind::panel || strip + 1 < strips(e)
            ? 0
            : to.channel_stride - strips(e) * (strip_bytes + high_bytes<bits>);
    for (std::size_t b = 0; b < blocks(e); ++b) {
      if (b % to.super_blocks == 0) {
        put(to.scale_steps(strip, b), &row::scale_step, b / to.super_blocks);
        if constexpr (affine)
          put(to.minimum_steps(strip, b), &row::minimum_step, b / to.super_blocks);
      }
      put(to.scales(strip, b), &row::scale, b);
      if constexpr (affine) put(to.minima(strip, b), &row::minimum, b);
      const std::size_t c0 = b * block_channels;
      write_levels<bits>(
          block_levels<bits>(rows, count, c0), std::min(block_channels, e.inputs - c0),
          block_channels,
          {at(to.levels(strip, b)), to.channel_stride, strip_bytes + (bits == 4 ? spare : 0)},
          {at(to.high_levels(strip, b)), to.high_stride(), high_bytes<bits> + spare});
    }
  }

  // As llama.cpp computes them, to the bit.
  static void unpack_row(view<host_space> v, std::size_t r, vector_view<float> out) noexcept {
    const std::size_t s = r / outputs, o = r % outputs;
    for (std::size_t c = 0; c < v.shape.inputs; ++c) {
      const std::size_t b = c / block_channels, in_block = c % block_channels;
      const int level = level_at(v, s, b, in_block, o);
      const float scale = widen(v.scale_steps(s, b)[o]) * static_cast<float>(v.scales(s, b)[o]);
      out[c] = scale * static_cast<float>(level - zero);
      if constexpr (affine)
        out[c] += widen(v.minimum_steps(s, b)[o]) * static_cast<float>(v.minima(s, b)[o]);
    }
  }

 private:
  static constexpr std::size_t outputs = strip_outputs<bits>;
  static constexpr std::size_t step_bytes = outputs * sizeof(half) * (affine ? 2 : 1);
  static constexpr std::size_t scale_bytes = outputs * (affine ? 2 : 1);

  [[nodiscard]] static constexpr std::size_t strips(extents e) noexcept {
    return (e.outputs + outputs - 1) / outputs;
  }
  // Of so many strips, which channel_major has side by side: their lower bits, then the upper ones.
  [[nodiscard]] static constexpr std::size_t block_bytes(std::size_t together) noexcept {
    return together * scale_bytes + block_channels * (Layout == layout_kind::panel
                                                          ? strip_bytes + high_bytes<bits>
                                                          : spread_channels<bits>(together));
  }
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

template <super_block_element Q>
struct panel<Q> : detail::super_block_format<panel<Q>, Q, layout_kind::panel> {};
template <super_block_element Q>
struct channel_major<Q>
    : detail::super_block_format<channel_major<Q>, Q, layout_kind::channel_major> {};

static_assert(packed_format<panel<q4_k>>);
static_assert(packed_format<channel_major<q6_k>>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

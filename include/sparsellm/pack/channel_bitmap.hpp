// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M weights to skip channels in: for each input channel a mask over the outputs and the values it
// keeps. Groups lie along the inputs, as for n_of_m, and channels can be skipped as well: an active
// channel is read as one contiguous run, one bit for each output and about N/M of its values; a
// skipped one is not read. Byte diagrams: docs/formats.md.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/bitmap_weight.hpp"
#include "sparsellm/pack/element.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A format: of every M channels each output keeps N. T: float, half, bfloat16, or std::int8_t for
// levels from -127 to 127 with one scale per output. As packed_format says, all rows in one call.
template <sparse_element T, std::size_t N, std::size_t M>
struct channel_bitmap {
  static_assert(N >= 1 && N < M && M <= detail::longest_group, "N:M: 1 <= N < M <= 32");
  static constexpr nm_pattern pattern{N, M};
  static constexpr bool has_scales = std::same_as<T, std::int8_t>;

  using element = T;
  static constexpr layout_kind layout = layout_kind::channel_bitmap;
  static constexpr std::string_view name = sparsellm::name(layout);
  // How long a channel is depends on all rows: they are packed in one call.
  static constexpr std::size_t rows_at_once = static_cast<std::size_t>(-1);
  static constexpr std::size_t slack_bytes = 64;

  // What products take.
  template <class Space>
  struct view : detail::bitmap_weight<T> {
    using format = channel_bitmap;
    using space = Space;
  };

  // As packed_format says.
  [[nodiscard]] static bool stores(float w) noexcept { return n_of_m<T, N, M>::stores(w); }
  // How channels share the values is known when they are packed; that each is padded to whole lines
  // bounds the sum.
  [[nodiscard]] static constexpr std::size_t bytes(extents e) noexcept {
    return data_at(e) + e.inputs * (words(e) * 8 + 63) / 64 * 64 +
           (e.outputs * pattern.kept(e.inputs) * sizeof(T) + 63) / 64 * 64 + e.inputs * 64;
  }
  template <class Space = host_space>
  [[nodiscard]] static view<Space> make_view(const std::byte* storage, extents e) noexcept {
    return {{storage + data_at(e), e, reinterpret_cast<const std::uint32_t*>(storage),
             has_scales ? reinterpret_cast<const float*>(storage + scales_at(e)) : nullptr,
             reinterpret_cast<const std::uint32_t*>(storage + ends_at(e))}};
  }

  // The N largest magnitudes of every M stay; first is 0 and rows are all of them.
  static void pack_rows(std::byte* storage, extents e, std::size_t first,
                        matrix_view<const float> rows) {
    pack_rows(storage, e, first, rows, {nullptr, first});
  }
  static void pack_rows(std::byte* storage, extents e, std::size_t, matrix_view<const float> rows,
                        detail::kept_bits keep) {
    weight_mask kept(e);
    for (std::size_t r = 0; r < e.outputs; ++r)
      for (std::size_t c = 0; c < e.inputs; c += M)
        for (std::uint32_t bits = keep.group(r, c, std::min(M, e.inputs - c), N, &rows(r, c));
             bits != 0; bits &= bits - 1)
          kept.keep(r, c + static_cast<std::size_t>(std::countr_zero(bits)));

    std::vector<std::uint32_t> counts(e.inputs, 0);
    for (std::size_t r = 0; r < e.outputs; ++r)
      for (std::size_t c = 0; c < e.inputs; ++c) counts[c] += kept.keeps(r, c) ? 1u : 0u;
    std::fill_n(storage, bytes(e), std::byte{});
    std::uint32_t line = 0;
    for (std::size_t c = 0; c <= e.inputs; ++c) {
      std::memcpy(storage + c * sizeof line, &line, sizeof line);
      if (c < e.inputs)
        line += static_cast<std::uint32_t>((words(e) * 8 + counts[c] * sizeof(T) + 63) / 64);
    }
    std::vector<float> scale(e.outputs, 0.0f);
    if constexpr (has_scales)
      for (std::size_t r = 0; r < e.outputs; ++r) {
        for (std::size_t c = 0; c < e.inputs; ++c)
          if (kept.keeps(r, c)) scale[r] = std::max(scale[r], std::fabs(rows(r, c)) / 127.0f);
        std::memcpy(storage + scales_at(e) + r * sizeof(float), &scale[r], sizeof(float));
      }

    // 64 outputs at a time, so that a row's line is read once for its 16 channels.
    const view<host_space> v = make_view(storage, e);
    std::byte* const data = storage + data_at(e);
    std::vector<std::size_t> next(e.inputs);
    for (std::size_t c = 0; c < e.inputs; ++c)
      next[c] = std::size_t{v.begins[c]} * 64 + words(e) * 8;
    for (std::size_t word = 0; word < words(e); ++word)
      for (std::size_t c = 0; c < e.inputs; ++c) {
        std::uint64_t bits = 0;
        const std::size_t r0 = word * detail::bitmap_outputs;
        for (std::size_t r = r0; r < std::min(r0 + detail::bitmap_outputs, e.outputs); ++r) {
          if (!kept.keeps(r, c)) continue;
          bits |= std::uint64_t{1} << (r - r0);
          const T value = detail::sparse_value<T>(rows(r, c), scale[r]);
          std::memcpy(data + next[c], &value, sizeof(T));
          next[c] += sizeof(T);
        }
        std::byte* const mask = data + std::size_t{v.begins[c]} * 64;
        std::memcpy(mask + word * 8, &bits, 8);
        const std::size_t values_at = std::size_t{v.begins[c]} * 64 + words(e) * 8;
        const auto end = static_cast<std::uint32_t>((next[c] - values_at) / sizeof(T));
        std::memcpy(
            storage + ends_at(e) + (word / detail::counted_words * e.inputs + c) * sizeof end, &end,
            sizeof end);  // the last word of 256 outputs has the last word
      }
  }

  // As packed_format says; what is not kept is 0.
  static void unpack_row(view<host_space> v, std::size_t r, vector_view<float> out) noexcept {
    const std::size_t word = r / detail::bitmap_outputs;
    const std::uint64_t bit = std::uint64_t{1} << (r % detail::bitmap_outputs);
    for (std::size_t c = 0; c < v.shape.inputs; ++c) {
      const std::uint64_t* const mask = v.mask(c);
      out[c] = 0.0f;
      if ((mask[word] & bit) == 0) continue;
      const std::size_t before = v.values_before(c, word) +
                                 static_cast<std::size_t>(std::popcount(mask[word] & (bit - 1)));
      if constexpr (has_scales)
        out[c] = v.scales[r] * static_cast<float>(v.values(c)[before]);
      else
        out[c] = widen(v.values(c)[before]);
    }
  }

 private:
  [[nodiscard]] static constexpr std::size_t words(extents e) noexcept {
    return (e.outputs + detail::bitmap_outputs - 1) / detail::bitmap_outputs;
  }
  [[nodiscard]] static constexpr std::size_t scales_at(extents e) noexcept {
    return ((e.inputs + 1) * sizeof(std::uint32_t) + 63) / 64 * 64;
  }
  [[nodiscard]] static constexpr std::size_t ends_at(extents e) noexcept {
    return scales_at(e) + (has_scales ? words(e) * detail::bitmap_outputs * sizeof(float) : 0);
  }
  [[nodiscard]] static constexpr std::size_t data_at(extents e) noexcept {
    const std::size_t counts = (e.outputs + detail::counted_outputs - 1) / detail::counted_outputs;
    return ends_at(e) + (counts * e.inputs * sizeof(std::uint32_t) + 63) / 64 * 64;
  }
};

static_assert(packed_format<channel_bitmap<bfloat16, 2, 4>>);
static_assert(packed_format<channel_bitmap<std::int8_t, 4, 8>>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Integer weights of 8 or 4 bits: blocks of `Group` input channels share a scale (and, when affine,
// a minimum) per output, stored along the outputs. With Group 32 these are GGUF's Q8_0, Q4_0 and
// Q4_1, kept without loss and put in an order in which a skipped channel is memory not read.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout.hpp"
#include "sparsellm/pack/quantized_weight.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// One row of a weight, quantised: w[c] = scale[c / group] · (level[c] − zero) + minimum[c / group].
struct quantized_row {
  std::vector<std::uint8_t> level;  // [inputs]
  std::vector<half> scale;          // [blocks]
  std::vector<half> minimum;        // [blocks]; not read when symmetric
};

enum class levels { symmetric, affine };

template <int Bits, std::size_t Group = 32, levels Kind = levels::symmetric,
          layout Where = layout::channel_major>
struct quantized {
  static_assert(Bits == 8 || Bits == 4);
  // 128 channels of 8 bits times 16-bit activations are the most a 32-bit sum holds.
  static_assert(Group % 32 == 0 && Group >= 32 && Group <= 128);

  static constexpr bool affine = Kind == levels::affine;
  static constexpr std::size_t group = Group;
  static constexpr layout where = Where;
  static constexpr int zero = zero_level<Bits, affine>;
  static constexpr int top_level = (1 << Bits) - 1;

  using value_type = std::byte;
  static constexpr std::string_view name = "quantized";
  static constexpr std::size_t row_block = strip_outputs<Bits>;

  template <class Space>
  struct view : quantized_weight<Bits, affine> {
    using format = quantized;
  };

  [[nodiscard]] static constexpr bool admits(extents) noexcept { return true; }
  // Levels up to the largest half: scales and minima are halfs.
  [[nodiscard]] static bool stores(float w) noexcept { return std::fabs(w) <= 65504.0f; }
  [[nodiscard]] static constexpr std::size_t blocks(extents e) noexcept {
    return (e.inputs + Group - 1) / Group;
  }
  [[nodiscard]] static constexpr std::size_t bytes(extents e) noexcept {
    return Where == layout::panel
               ? strips(e) * blocks(e) * (scale_bytes + Group * strip_bytes)
               : blocks(e) * (strips(e) * scale_bytes + Group * channel_stride(e));
  }
  template <class Space = host_space>
  [[nodiscard]] static view<Space> make_view(const std::byte* storage, extents e) noexcept {
    const std::size_t strip = strip_outputs<Bits> * sizeof(half);
    if constexpr (Where == layout::panel) {
      const std::size_t block = scale_bytes + Group * strip_bytes, next = blocks(e) * block;
      return {{storage, e, Group, block, next, strip_bytes, next, strip, scale_bytes}};
    } else {
      const std::size_t scales = strips(e) * scale_bytes, row = channel_stride(e);
      return {{storage, e, Group, scales + Group * row, strip, row, strip_bytes, strips(e) * strip,
               scales}};
    }
  }

  // Rounds each row's blocks to the nearest level: scale = max|w| / (half the levels), or, when
  // affine, (max − min) / (levels − 1).
  static void pack_rows(std::byte* storage, extents e, std::size_t first,
                        matrix_view<const float> rows) noexcept {
    std::uint8_t level[Group];
    const strip_writer to(storage, e, first);
    for (std::size_t r = 0; r < rows.rows(); ++r)
      for (std::size_t b = 0; b < blocks(e); ++b) {
        const std::size_t c0 = b * Group, n = std::min(Group, e.inputs - c0);
        half scale{}, minimum{};
        quantize_block(&rows(r, c0), n, level, scale, minimum);
        to.write(r, b, level, n, scale, minimum);
      }
  }

  // Rows that are quantised already, kept as they are. Rows [first, first + rows.size()).
  static void pack_levels(std::byte* storage, extents e, std::size_t first,
                          const std::vector<quantized_row>& rows, std::size_t count) noexcept {
    const strip_writer to(storage, e, first);
    for (std::size_t r = 0; r < count; ++r)
      for (std::size_t b = 0; b < blocks(e); ++b)
        to.write(r, b, rows[r].level.data() + b * Group, std::min(Group, e.inputs - b * Group),
                 rows[r].scale[b], affine ? rows[r].minimum[b] : half{});
  }

  static void unpack_row(view<host_space> v, std::size_t r, vector_view<float> out) noexcept {
    const std::size_t s = r / strip_outputs<Bits>, o = r % strip_outputs<Bits>;
    for (std::size_t c = 0; c < v.shape.inputs; ++c) {
      const std::size_t b = c / Group;
      const std::uint8_t byte = v.rows(s, b)[c % Group * v.row_stride + byte_of_output(o % 64)];
      const int level = Bits == 8 ? byte : o < 64 ? byte & 15 : byte >> 4;
      out[c] = widen(v.scales(s, b)[o]) * static_cast<float>(level - zero);
      if constexpr (affine) out[c] += widen(v.minima(s, b)[o]);
    }
  }

 private:
  static constexpr std::size_t scale_bytes = strip_outputs<Bits> * sizeof(half) * (affine ? 2 : 1);

  [[nodiscard]] static constexpr std::size_t strips(extents e) noexcept {
    return (e.outputs + strip_outputs<Bits> - 1) / strip_outputs<Bits>;
  }

  // Rows that are a multiple of 1 KiB apart share few sets of the cache: a line more keeps the four
  // rows that are read together, and what is prefetched for the next four, out of each other's way
  // (8 bits, 4096 outputs: 13 % faster at 50 %, 22 % dense; 8 % for 4 bits).
  [[nodiscard]] static constexpr std::size_t channel_stride(extents e) noexcept {
    return (strips(e) + (strips(e) % 16 == 0 ? 1 : 0)) * strip_bytes;
  }

  static void quantize_block(const float* w, std::size_t n, std::uint8_t* level, half& scale,
                             half& minimum) noexcept {
    const auto [low, high] = std::minmax_element(w, w + n);
    const float most = std::max(std::fabs(*low), std::fabs(*high));
    scale = narrow<half>(affine ? (*high - *low) / static_cast<float>(top_level)
                                : most / static_cast<float>(zero - 1));
    if constexpr (affine) minimum = narrow<half>(*low);
    // The rounded scale decides the levels, so that its own error is not added to theirs.
    const float step = widen(scale), from = affine ? widen(minimum) : 0.0f;
    for (std::size_t c = 0; c < n; ++c) {
      const float exact = step > 0.0f ? (w[c] - from) / step : 0.0f;
      const auto nearest = static_cast<int>(std::nearbyint(exact)) + zero;
      level[c] = static_cast<std::uint8_t>(std::clamp(nearest, 0, top_level));
    }
  }

  // Writes the rows of one strip, which it zeroes first: what pads the last one is zero too.
  class strip_writer {
   public:
    strip_writer(std::byte* storage, extents e, std::size_t first) noexcept
        : view_(make_view(storage, e)), to_(storage), strip_(first / strip_outputs<Bits>) {
      for (std::size_t b = 0; b < blocks(e); ++b) {
        std::fill_n(at(view_.scales(strip_, b)), strip_outputs<Bits> * sizeof(half), std::byte{});
        if constexpr (affine)
          std::fill_n(at(view_.minima(strip_, b)), strip_outputs<Bits> * sizeof(half), std::byte{});
        // The last strip's rows include the line that keeps rows apart.
        const std::size_t n = Where == layout::panel || strip_ + 1 < strips(e)
                                  ? strip_bytes
                                  : view_.row_stride - strip_ * strip_bytes;
        for (std::size_t c = 0; c < Group; ++c)
          std::fill_n(at(view_.rows(strip_, b) + c * view_.row_stride), n, std::byte{});
      }
    }

    // Row r of the strip, block b: n levels.
    void write(std::size_t r, std::size_t b, const std::uint8_t* level, std::size_t n, half scale,
               half minimum) const noexcept {
      *reinterpret_cast<half*>(at(view_.scales(strip_, b) + r)) = scale;
      if constexpr (affine) *reinterpret_cast<half*>(at(view_.minima(strip_, b) + r)) = minimum;
      const unsigned shift = Bits == 4 && r >= 64 ? 4 : 0;
      std::byte* const column = at(view_.rows(strip_, b)) + byte_of_output(r % 64);
      for (std::size_t c = 0; c < n; ++c)
        column[c * view_.row_stride] |= std::byte{level[c]} << shift;
    }

   private:
    // The view is read-only; this is the one place that writes what it points to.
    template <class T>
    [[nodiscard]] std::byte* at(const T* p) const noexcept {
      return to_ + (reinterpret_cast<const std::byte*>(p) - view_.data);
    }

    view<host_space> view_;
    std::byte* to_;
    std::size_t strip_;
  };
};

template <layout Where>
using q8_0 = quantized<8, 32, levels::symmetric, Where>;
template <layout Where>
using q4_0 = quantized<4, 32, levels::symmetric, Where>;
template <layout Where>
using q4_1 = quantized<4, 32, levels::affine, Where>;

static_assert(packed_format<quantized<8>>);
static_assert(packed_format<q4_1<layout::panel>>);

// Packs rows that are quantised already, bit for bit: fill(r, row) sets the levels, scales and
// minima of row r; `row` comes with their sizes. fill is called from the executor's threads.
// Throws value_error for scales or minima that are not finite and levels that do not fit.
template <class F, host_executor E, class Fill>
requires(packed_format<F>&& std::invocable<const Fill&, std::size_t, quantized_row&>)
    [[nodiscard]] packed_matrix<F> pack_levels(E& exec, extents shape, const Fill& fill) {
  packed_matrix<F> packed(shape);
  const std::size_t strips = (shape.outputs + F::row_block - 1) / F::row_block;
  const std::size_t tasks = std::min<std::size_t>(strips, exec.concurrency());
  const std::size_t blocks = F::blocks(shape);
  exec.parallel_for(tasks, [&](std::size_t task) {
    const quantized_row blank{std::vector<std::uint8_t>(shape.inputs), std::vector<half>(blocks),
                              std::vector<half>(blocks)};
    std::vector<quantized_row> rows(F::row_block, blank);
    for (std::size_t s = strips * task / tasks; s < strips * (task + 1) / tasks; ++s) {
      const std::size_t first = s * F::row_block;
      const std::size_t count = std::min<std::size_t>(F::row_block, shape.outputs - first);
      for (std::size_t r = 0; r < count; ++r) {
        fill(first + r, rows[r]);
        for (std::size_t b = 0; b < blocks; ++b)
          require<value_error>(
              is_finite(widen(rows[r].scale[b])) && is_finite(widen(rows[r].minimum[b])),
              "pack_levels: row ", first + r, ", block ", b, ": scale ", widen(rows[r].scale[b]),
              " and minimum ", widen(rows[r].minimum[b]), ", expected finite numbers");
        const std::uint8_t largest = *std::max_element(rows[r].level.begin(), rows[r].level.end());
        require<value_error>(largest <= F::top_level, "pack_levels: row ", first + r,
                             " has the level ", static_cast<int>(largest), ", expected at most ",
                             F::top_level);
      }
      F::pack_levels(packed.storage(), shape, first, rows, count);
    }
  });
  return packed;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M sparse weights: of every M channels each output keeps N, whose values are stored behind a
// mask with one bit for each weight. 2:4 and 4:8 take 0.5625 of dense 16-bit weights, 0.625 of
// dense 8-bit ones (and one scale per output). Byte diagrams: docs/formats.md.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/element.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/pack/nm_weight.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// A weight as it is stored: rounded, or the nearest level of its output's scale.
template <sparse_element T>
[[nodiscard]] T sparse_value(float w, float scale) noexcept {
  if constexpr (std::same_as<T, std::int8_t>)
    return scale > 0.0f ? static_cast<T>(std::clamp(std::nearbyint(w / scale), -127.0f, 127.0f))
                        : T{};
  else
    return narrow<T>(w);
}

// Which weights of the rows from `first` on are kept.
struct kept_bits {
  const weight_mask* mask;  // null: the N largest magnitudes of every M, ties to the lowest channel
  std::size_t first;

  // Bits of channels [c, c + count), count <= 32, of row r whose weights there are w.
  [[nodiscard]] std::uint32_t group(std::size_t r, std::size_t c, std::size_t count, std::size_t n,
                                    const float* w) const noexcept {
    if (mask == nullptr) {
      float magnitude[longest_group];
      for (std::size_t i = 0; i < count; ++i) magnitude[i] = std::fabs(w[i]);
      return largest_of(magnitude, count, n);
    }
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < count; ++i) bits |= (mask->keeps(first + r, c + i) ? 1u : 0u) << i;
    return bits;
  }
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A format: of every M channels each output keeps N. T: float, half, bfloat16, or std::int8_t for
// levels from -127 to 127 with one scale per output. As packed_format says, rows in strips of 8.
template <sparse_element T, std::size_t N, std::size_t M>
struct n_of_m {
  static_assert(N >= 1 && N < M && M <= detail::longest_group, "N:M: 1 <= N < M <= 32");
  static constexpr nm_pattern pattern{N, M};
  static constexpr bool has_scales = std::same_as<T, std::int8_t>;

  using element = T;
  static constexpr layout_kind layout = layout_kind::n_of_m;
  static constexpr std::string_view name = sparsellm::name(layout);
  static constexpr std::size_t rows_at_once = detail::nm_strip_outputs;
  static constexpr std::size_t slack_bytes = 64;  // that kernels may read after the last value

  // Channels of a cell; kept values of each output in a cell; kept values of every 8 lanes, 0 when
  // they differ.
  static constexpr std::size_t span = detail::cell_lanes / M * M;
  static constexpr std::size_t values_per_output = span / M * N;
  static constexpr std::size_t eight_values = 8 % M == 0 ? 8 / M * N : 0;

  // What products take.
  template <class Space>
  struct view : detail::nm_weight<T> {
    using format = n_of_m;
    using space = Space;
  };

  // As packed_format says.
  [[nodiscard]] static bool stores(float w) noexcept {
    if constexpr (has_scales)
      return is_finite(w);
    else
      return detail::finite_as<T>(w);
  }
  [[nodiscard]] static constexpr std::size_t bytes(extents e) noexcept {
    return scales_at(e) + (has_scales ? strips(e) * detail::nm_strip_outputs * sizeof(float) : 0);
  }
  template <class Space = host_space>
  [[nodiscard]] static view<Space> make_view(const std::byte* storage, extents e) noexcept {
    return {{storage, e, span, values_per_output, eight_values,
             has_scales ? reinterpret_cast<const float*>(storage + scales_at(e)) : nullptr}};
  }

  // The N largest magnitudes of every M stay: of all N:M weights the nearest one.
  static void pack_rows(std::byte* storage, extents e, std::size_t first,
                        matrix_view<const float> rows) noexcept {
    pack_rows(storage, e, first, rows, {nullptr, first});
  }
  // What the mask keeps stays. The mask follows the pattern: the caller has checked.
  static void pack_rows(std::byte* storage, extents e, std::size_t first,
                        matrix_view<const float> rows, detail::kept_bits keep) noexcept {
    for (std::size_t r = 0; r < detail::nm_strip_outputs; ++r) {
      if (r >= rows.rows()) {  // pads the strip
        write_output(
            storage, e, first + r, 0.0f,
            [](std::size_t, std::size_t n) { return first_bits(std::min(N, n)); },
            [](std::size_t) { return T{}; });
        continue;
      }
      const float scale = has_scales ? scale_of(rows, r, keep) : 0.0f;
      write_output(
          storage, e, first + r, scale,
          [&](std::size_t c, std::size_t n) { return keep.group(r, c, n, N, &rows(r, c)); },
          [&](std::size_t c) { return detail::sparse_value<T>(rows(r, c), scale); });
    }
  }
  // Writes output r of a weight of shape e, bit for bit: bits(c, n), n <= 32, says which of
  // channels [c, c + n) are kept (bit i is channel c + i), value(c) is asked for those in ascending
  // order. `scale` is stored for levels only. Checks nothing.
  template <class Bits, class Value>
  static void write_output(std::byte* storage, extents e, std::size_t r, float scale,
                           const Bits& bits, const Value& value) noexcept {
    if constexpr (has_scales)
      std::memcpy(storage + scales_at(e) + r * sizeof(float), &scale, sizeof scale);
    const std::size_t in_strip = r % detail::nm_strip_outputs;
    std::byte* cell = storage + r / detail::nm_strip_outputs * cells(e) * cell_bytes;
    for (std::size_t b = 0; b < cells(e); ++b, cell += cell_bytes) {
      T kept[detail::cell_lanes] = {};
      std::uint64_t mask = 0;
      std::size_t count = 0;
      for (std::size_t g = 0; g < span; g += M) {
        const std::size_t c = b * span + g;
        const std::size_t length = c < e.inputs ? std::min(M, e.inputs - c) : 0;
        std::uint32_t group = length != 0 ? bits(c, length) : 0;
        // What pads a short group is kept as zeros, so that every cell has as many values.
        for (std::size_t i = length, n = static_cast<std::size_t>(std::popcount(group)); n < N;
             ++i, ++n)
          group |= std::uint32_t{1} << i;
        mask |= std::uint64_t{group} << g;
        for (; group != 0; group &= group - 1) {
          const auto i = static_cast<std::size_t>(std::countr_zero(group));
          kept[count++] = i < length ? value(c + i) : T{};
        }
      }
      std::memcpy(cell + in_strip * sizeof mask, &mask, sizeof mask);
      std::memcpy(
          cell + detail::nm_strip_outputs * sizeof mask + in_strip * values_per_output * sizeof(T),
          kept, values_per_output * sizeof(T));
    }
  }

  // As packed_format says; what is not kept is 0.
  static void unpack_row(view<host_space> v, std::size_t r, vector_view<float> out) noexcept {
    const std::size_t strip = r / detail::nm_strip_outputs, in_strip = r % detail::nm_strip_outputs;
    for (std::size_t b = 0; b < v.cells(); ++b) {
      const T* value = v.values(strip, b) + in_strip * values_per_output;
      const std::uint64_t bits = v.masks(strip, b)[in_strip];
      for (std::size_t l = 0; l < span && b * span + l < v.shape.inputs; ++l) {
        if (((bits >> l) & 1u) == 0) {
          out[b * span + l] = 0.0f;
        } else if constexpr (has_scales) {
          out[b * span + l] = v.scales[r] * static_cast<float>(*value++);
        } else {
          out[b * span + l] = widen(*value++);
        }
      }
    }
  }

 private:
  static constexpr std::size_t cell_bytes =
      detail::nm_strip_outputs * (sizeof(std::uint64_t) + values_per_output * sizeof(T));

  [[nodiscard]] static constexpr std::size_t strips(extents e) noexcept {
    return (e.outputs + detail::nm_strip_outputs - 1) / detail::nm_strip_outputs;
  }
  [[nodiscard]] static constexpr std::size_t cells(extents e) noexcept {
    return (e.inputs + span - 1) / span;
  }
  [[nodiscard]] static constexpr std::size_t scales_at(extents e) noexcept {
    return strips(e) * cells(e) * cell_bytes;
  }
  [[nodiscard]] static constexpr std::uint32_t first_bits(std::size_t n) noexcept {
    return static_cast<std::uint32_t>((std::uint64_t{1} << n) - 1);
  }
  // The scale with which the largest kept magnitude of row r becomes level 127 or -127.
  [[nodiscard]] static float scale_of(matrix_view<const float> rows, std::size_t r,
                                      detail::kept_bits keep) noexcept {
    float most = 0;
    for (std::size_t c = 0; c < rows.cols(); c += M) {
      const std::size_t length = std::min(M, rows.cols() - c);
      for (std::uint32_t kept = keep.group(r, c, length, N, &rows(r, c)); kept != 0;
           kept &= kept - 1)
        most = std::max(most,
                        std::fabs(rows(r, c + static_cast<std::size_t>(std::countr_zero(kept)))));
    }
    return most / 127.0f;
  }
};

static_assert(packed_format<n_of_m<bfloat16, 2, 4>>);
static_assert(packed_format<n_of_m<std::int8_t, 4, 8>>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M weights as other programs exchange them: the kept values as they are stored, row after row,
// and which they are. Nothing is rounded on the way there and back.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/element.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/prune/mask.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// An N:M weight taken apart.
template <sparse_element T>
struct kept_values {
  weight_mask mask;
  std::vector<T> values;      // of row 0 in ascending order of channels, then of row 1, …
  std::vector<float> scales;  // [outputs] for levels, else empty
};

// Of a packed weight, bit for bit. Allocates what it returns.
template <sparse_element T, std::size_t N, std::size_t M>
[[nodiscard]] kept_values<T> kept_of(const packed_matrix<n_of_m<T, N, M>>& packed) {
  const auto v = packed.view();
  kept_values<T> out{weight_mask(v.shape), {}, {}};
  out.values.reserve(v.shape.outputs * v.values_per_output * v.cells());
  for (std::size_t r = 0; r < v.shape.outputs; ++r) {
    const std::size_t strip = r / detail::nm_strip_outputs, in_strip = r % detail::nm_strip_outputs;
    for (std::size_t b = 0; b < v.cells(); ++b) {
      const T* value = v.values(strip, b) + in_strip * v.values_per_output;
      for (std::uint64_t bits = v.masks(strip, b)[in_strip]; bits != 0; bits &= bits - 1, ++value) {
        const std::size_t c = b * v.span + static_cast<std::size_t>(std::countr_zero(bits));
        if (c >= v.shape.inputs) continue;  // padding
        out.mask.keep(r, c);
        out.values.push_back(*value);
      }
    }
    if (v.scales != nullptr) out.scales.push_back(v.scales[r]);
  }
  return out;
}

// The inverse. Throws value_error when the mask does not follow F's pattern or a value is NaN or
// infinite, shape_error when there are not as many values as bits, or scales as outputs.
template <class F>
[[nodiscard]] packed_matrix<F> pack_kept(const kept_values<typename F::element>& kept) {
  using T = typename F::element;
  const extents e = kept.mask.shape();
  require<value_error>(kept.mask.follows(F::pattern), "pack_kept: the mask does not keep ",
                       F::pattern.n, " of every ", F::pattern.m);
  const std::size_t values_per_output = F::pattern.kept(e.inputs);
  require<shape_error>(kept.values.size() == e.outputs * values_per_output,
                       "pack_kept: ", e.outputs * values_per_output, " values expected, got ",
                       kept.values.size());
  require<shape_error>(kept.scales.size() == (F::has_scales ? e.outputs : 0),
                       "pack_kept: ", F::has_scales ? e.outputs : 0, " scales expected, got ",
                       kept.scales.size());
  if constexpr (!F::has_scales)
    for (std::size_t i = 0; i < kept.values.size(); ++i)
      require<value_error>(F::stores(widen(kept.values[i])), "pack_kept: value ", i, " is ",
                           widen(kept.values[i]), ", a finite number expected");
  packed_matrix<F> packed(e);
  constexpr std::size_t strip = detail::nm_strip_outputs;
  for (std::size_t r = 0; r < (e.outputs + strip - 1) / strip * strip; ++r) {
    const bool there = r < e.outputs;
    const T* next = kept.values.data() + r * values_per_output;
    F::write_output(
        packed.storage(), e, r, F::has_scales && there ? kept.scales[r] : 0.0f,
        [&](std::size_t c, std::size_t n) {
          std::uint32_t bits = 0;
          for (std::size_t i = 0; i < n; ++i)
            bits |=
                (there ? kept.mask.keeps(r, c + i) : i < F::pattern.n) ? std::uint32_t{1} << i : 0u;
          return bits;
        },
        [&](std::size_t) { return there ? *next++ : T{}; });
  }
  return packed;
}

// The bitmask of compressed-tensors' formats sparse-24-bitmask and sparse-bitmask:
// [outputs][(inputs + 7) / 8] bytes, bit c mod 8 of byte c / 8 of a row is channel c. Their tensor
// "compressed" holds what kept_values has as `values`. Allocates what it returns.
[[nodiscard]] inline std::vector<std::uint8_t> to_bitmask(const weight_mask& mask) {
  const extents e = mask.shape();
  std::vector<std::uint8_t> bytes;
  bytes.reserve(e.outputs * ((e.inputs + 7) / 8));
  for (std::size_t r = 0; r < e.outputs; ++r)
    for (std::size_t i = 0; i < (e.inputs + 7) / 8; ++i)
      bytes.push_back(static_cast<std::uint8_t>(mask.row(r)[i / 8] >> (8 * (i % 8))));
  return bytes;
}

// The inverse: the mask of a weight of shape e from bytes [outputs][(inputs + 7) / 8]. Throws
// shape_error for another number of bytes, value_error for bits after the last channel. Allocates
// what it returns.
[[nodiscard]] inline weight_mask from_bitmask(extents e, vector_view<const std::uint8_t> bytes) {
  weight_mask mask(e);
  const std::size_t row = (e.inputs + 7) / 8;
  require<shape_error>(bytes.size() == e.outputs * row, "from_bitmask: ", e.outputs * row,
                       " bytes expected, got ", bytes.size());
  for (std::size_t r = 0; r < e.outputs; ++r)
    for (std::size_t c = 0; c < 8 * row; ++c) {
      if (((bytes[r * row + c / 8] >> (c % 8)) & 1u) == 0) continue;
      require<value_error>(c < e.inputs, "from_bitmask: row ", r, " has bit ", c, " of ", e.inputs);
      mask.keep(r, c);
    }
  return mask;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What an instruction set provides for vectors, whatever the weight is.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0::detail {

// [first, last) of whatever is being counted: strips, parts, words, tokens.
struct index_range {
  std::size_t first;
  std::size_t last;
};

// An input before compaction: x[c], or (x[c] · factor) · gain[c] when there is a gain.
struct activation_input {
  const float* x;
  const float* gain;
  float factor;
};

struct vector_table {
  // Appends the channels [first, last) with !(|x| · scale <= tau) and returns how many; scale may
  // be null for 1. index and value have room for 16 more than can be appended.
  std::size_t (*compact_above)(activation_input x, const float* scale, float tau, std::size_t first,
                               std::size_t last, std::uint32_t* index, float* value) noexcept;

  // out [n] = silu(gate [n]) · up [n]; out may be either.
  void (*silu_mul)(const float* gate, const float* up, std::size_t n, float* out) noexcept;

  // y [n] = part 0 + part 1 + …, in that order; part p starts at parts + p · stride.
  void (*add_parts)(const float* parts, std::size_t stride, std::size_t count, std::size_t n,
                    float* y) noexcept;
};

}  // namespace sparsellm::inline v0::detail

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/levels.hpp"

#include <cstdint>

#include "files/gguf_blocks.hpp"
#include "sparsellm/core/scalar.hpp"

namespace llama {

using sparsellm::element_kind;
using sparsellm::half;
using sparsellm::narrow;

sparsellm::element_kind storage_of(tensor_type t) noexcept {
  switch (t) {
    case tensor_type::f32: return element_kind::f32;
    case tensor_type::f16: return element_kind::f16;
    case tensor_type::bf16: return element_kind::bf16;
    case tensor_type::q4_0: return element_kind::q4_0;
    case tensor_type::q4_1:
    case tensor_type::q4_k: return element_kind::q4_1;
    default: return element_kind::q8_0;
  }
}

bool has_levels(tensor_type t) noexcept {
  return t == tensor_type::q8_0 || t == tensor_type::q4_0 || t == tensor_type::q4_1 ||
         t == tensor_type::q4_k;
}

namespace {

half half_at(const std::uint8_t* p) { return half{static_cast<std::uint16_t>(p[0] | (p[1] << 8))}; }

// 16 bytes: low nibbles are levels 0..15, high ones 16..31.
void nibbles(const std::uint8_t* b, std::uint8_t* level) {
  for (int i = 0; i < 16; ++i) {
    level[i] = b[i] & 15;
    level[16 + i] = static_cast<std::uint8_t>(b[i] >> 4);
  }
}

}  // namespace

void read_levels(const tensor& t, std::size_t r, sparsellm::quantized_row& row) noexcept {
  const tensor_type_info& info = *info_of(static_cast<std::uint32_t>(t.type));
  const std::size_t blocks = t.cols / info.block;
  const auto* b = reinterpret_cast<const std::uint8_t*>(t.data) + r * blocks * info.bytes;
  for (std::size_t i = 0; i < blocks; ++i, b += info.bytes) {
    std::uint8_t* const level = row.level.data() + i * info.block;
    switch (t.type) {
      case tensor_type::q8_0:
        row.scale[i] = half_at(b);
        for (int c = 0; c < 32; ++c) level[c] = static_cast<std::uint8_t>(b[2 + c] ^ 0x80);
        break;
      case tensor_type::q4_0:
        row.scale[i] = half_at(b);
        nibbles(b + 2, level);
        break;
      case tensor_type::q4_1:
        row.scale[i] = half_at(b);
        row.minimum[i] = half_at(b + 2);
        nibbles(b + 4, level);
        break;
      default: {  // Q4_K: 8 blocks of 32, scales and minima in 6 bits
        const float d = widen(half_at(b)), dmin = widen(half_at(b + 2));
        for (int j = 0; j < 8; ++j) {
          const auto [scale, minimum] = k_scale_min(b + 4, j);
          row.scale[8 * i + static_cast<std::size_t>(j)] =
              narrow<half>(d * static_cast<float>(scale));
          row.minimum[8 * i + static_cast<std::size_t>(j)] =
              narrow<half>(-dmin * static_cast<float>(minimum));
          const std::uint8_t* const q = b + 16 + j / 2 * 32;
          for (int c = 0; c < 32; ++c)
            level[32 * j + c] = static_cast<std::uint8_t>(j % 2 == 0 ? q[c] & 15 : q[c] >> 4);
        }
      }
    }
  }
}

}  // namespace llama

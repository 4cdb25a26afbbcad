// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Blocks of quantised tensors as floats, 32 elements a call, on the host and on a device: a block
// of 256 elements has 8 parts. One function per block type; all multiply as ggml does, scale times
// integer, in float.
#pragma once

#include <cstdint>

#include "files/model_file.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"

namespace llama {

inline constexpr int block_part = 32;  // elements

namespace blocks {

struct scale_and_minimum {
  int scale, minimum;
};

// The 6-bit scale and minimum of sub-block j (of 8) from the 12 packed bytes of Q4_K and Q5_K.
SPARSELLM_HD inline scale_and_minimum k_scale_min(const std::uint8_t* s, int j) {
  if (j < 4) return {s[j] & 63, s[j + 4] & 63};
  return {(s[j + 4] & 15) | ((s[j - 4] >> 6) << 4), (s[j + 4] >> 4) | ((s[j] >> 6) << 4)};
}

SPARSELLM_HD inline float read_half(const std::uint8_t* p) {
  return sparsellm::widen(sparsellm::half{static_cast<std::uint16_t>(p[0] | (p[1] << 8))});
}

SPARSELLM_HD inline std::uint32_t read_u32(const std::uint8_t* p) {
  return std::uint32_t{p[0]} | std::uint32_t{p[1]} << 8 | std::uint32_t{p[2]} << 16 |
         std::uint32_t{p[3]} << 24;
}

// 32 elements: d, 16 bytes of nibbles, low nibbles are elements 0..15. q - 8.
SPARSELLM_HD inline void q4_0(const std::uint8_t* b, float* out) {
  const float d = read_half(b);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((b[2 + i] & 15) - 8);
    out[16 + i] = d * static_cast<float>((b[2 + i] >> 4) - 8);
  }
}

// d, m, nibbles: d·q + m
SPARSELLM_HD inline void q4_1(const std::uint8_t* b, float* out) {
  const float d = read_half(b), m = read_half(b + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(b[4 + i] & 15) + m;
    out[16 + i] = d * static_cast<float>(b[4 + i] >> 4) + m;
  }
}

// Fifth bits in 4 bytes, bit i for element i.
SPARSELLM_HD inline int fifth(std::uint32_t bits, int i) {
  return static_cast<int>((bits >> i) & 1u) << 4;
}

SPARSELLM_HD inline void q5_0(const std::uint8_t* b, float* out) {
  const float d = read_half(b);
  const std::uint32_t high = read_u32(b + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(((b[6 + i] & 15) | fifth(high, i)) - 16);
    out[16 + i] = d * static_cast<float>(((b[6 + i] >> 4) | fifth(high, 16 + i)) - 16);
  }
}

SPARSELLM_HD inline void q5_1(const std::uint8_t* b, float* out) {
  const float d = read_half(b), m = read_half(b + 2);
  const std::uint32_t high = read_u32(b + 4);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((b[8 + i] & 15) | fifth(high, i)) + m;
    out[16 + i] = d * static_cast<float>((b[8 + i] >> 4) | fifth(high, 16 + i)) + m;
  }
}

// As Q4_0, each nibble a place in a table.
SPARSELLM_HD inline void iq4_nl(const std::uint8_t* b, float* out) {
  constexpr std::int8_t number[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};
  const float d = read_half(b);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(number[b[2 + i] & 15]);
    out[16 + i] = d * static_cast<float>(number[b[2 + i] >> 4]);
  }
}

SPARSELLM_HD inline void q8_0(const std::uint8_t* b, float* out) {
  const float d = read_half(b);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<std::int8_t>(b[2 + i]));
}

// Sub-block j of 256 elements: d, dmin, 12 bytes of scales, 128 of nibbles; 64 elements share 32
// bytes.
SPARSELLM_HD inline void q4_k(const std::uint8_t* b, int j, float* out) {
  const float d = read_half(b), dmin = read_half(b + 2);
  const auto [scale, min] = k_scale_min(b + 4, j);
  const float ds = d * static_cast<float>(scale), m = dmin * static_cast<float>(min);
  const std::uint8_t* q = b + 16 + j / 2 * 32;
  for (int i = 0; i < 32; ++i)
    out[i] = ds * static_cast<float>(j % 2 == 0 ? q[i] & 15 : q[i] >> 4) - m;
}

// As Q4_K, with 32 bytes of fifth bits between scales and nibbles: bit j of byte i.
SPARSELLM_HD inline void q5_k(const std::uint8_t* b, int j, float* out) {
  const float d = read_half(b), dmin = read_half(b + 2);
  const std::uint8_t* const high = b + 16;
  const auto [scale, min] = k_scale_min(b + 4, j);
  const float ds = d * static_cast<float>(scale), m = dmin * static_cast<float>(min);
  const std::uint8_t* q = b + 48 + j / 2 * 32;
  for (int i = 0; i < 32; ++i) {
    const int low = j % 2 == 0 ? q[i] & 15 : q[i] >> 4;
    out[i] = ds * static_cast<float>(low | (((high[i] >> j) & 1) << 4)) - m;
  }
}

// Quarter j % 4 of half j / 4 of 256 elements: 128 bytes of low nibbles, 64 of high bit pairs, 16
// int8 scales, d. q - 32.
SPARSELLM_HD inline void q6_k(const std::uint8_t* b, int j, float* out) {
  const int half_block = j / 4, quarter = j % 4;
  const std::uint8_t *low = b, *high = b + 128;
  const std::uint8_t* const scales = b + 192;
  const float d = read_half(b + 208);
  for (int i = 0; i < 32; ++i) {
    const std::uint8_t byte = low[64 * half_block + 32 * (quarter % 2) + i];
    const int nibble = quarter < 2 ? byte & 15 : byte >> 4;
    const int top = (high[32 * half_block + i] >> (2 * quarter)) & 3;
    const auto scale = static_cast<std::int8_t>(scales[8 * half_block + 2 * quarter + i / 16]);
    out[i] = d * static_cast<float>(scale) * static_cast<float>((nibble | (top << 4)) - 32);
  }
}

}  // namespace blocks

// out [32] = part `part` of the block at b, of a type with blocks.
SPARSELLM_HD inline void dequantize_part(tensor_type type, const std::uint8_t* b, int part,
                                         float* out) {
  switch (type) {
    case tensor_type::q4_0: return blocks::q4_0(b, out);
    case tensor_type::q4_1: return blocks::q4_1(b, out);
    case tensor_type::q5_0: return blocks::q5_0(b, out);
    case tensor_type::q5_1: return blocks::q5_1(b, out);
    case tensor_type::q8_0: return blocks::q8_0(b, out);
    case tensor_type::iq4_nl: return blocks::iq4_nl(b, out);
    case tensor_type::q4_k: return blocks::q4_k(b, part, out);
    case tensor_type::q5_k: return blocks::q5_k(b, part, out);
    default: return blocks::q6_k(b, part, out);
  }
}

}  // namespace llama

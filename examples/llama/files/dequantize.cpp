// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// One function per block type; all multiply as ggml does, scale times integer, in float.
#include "files/dequantize.hpp"

#include <cstdint>

#include "files/little_endian.hpp"
#include "sparsellm/core/scalar.hpp"

namespace llama {

using sparsellm::bfloat16;
using sparsellm::half;
using sparsellm::widen;

namespace {

struct scale_and_minimum {
  int scale, minimum;
};

// The 6-bit scale and minimum of sub-block j (of 8) from the 12 packed bytes of Q4_K and Q5_K.
scale_and_minimum k_scale_min(const std::uint8_t* s, int j) {
  if (j < 4) return {s[j] & 63, s[j + 4] & 63};
  return {(s[j + 4] & 15) | ((s[j - 4] >> 6) << 4), (s[j + 4] >> 4) | ((s[j] >> 6) << 4)};
}

float read_half(const std::uint8_t* p) {
  return widen(half{static_cast<std::uint16_t>(p[0] | (p[1] << 8))});
}

// 32 elements: d, 16 bytes of nibbles, low nibbles are elements 0..15. q - 8.
void q4_0(const std::uint8_t* b, float* out) {
  const float d = read_half(b);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((b[2 + i] & 15) - 8);
    out[16 + i] = d * static_cast<float>((b[2 + i] >> 4) - 8);
  }
}

// d, m, nibbles: d·q + m
void q4_1(const std::uint8_t* b, float* out) {
  const float d = read_half(b), m = read_half(b + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(b[4 + i] & 15) + m;
    out[16 + i] = d * static_cast<float>(b[4 + i] >> 4) + m;
  }
}

std::uint32_t read_u32(const std::uint8_t* p) {
  return std::uint32_t{p[0]} | std::uint32_t{p[1]} << 8 | std::uint32_t{p[2]} << 16 |
         std::uint32_t{p[3]} << 24;
}

// Fifth bits in 4 bytes, bit i for element i.
int fifth(std::uint32_t bits, int i) { return static_cast<int>((bits >> i) & 1u) << 4; }

void q5_0(const std::uint8_t* b, float* out) {
  const float d = read_half(b);
  const std::uint32_t high = read_u32(b + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(((b[6 + i] & 15) | fifth(high, i)) - 16);
    out[16 + i] = d * static_cast<float>(((b[6 + i] >> 4) | fifth(high, 16 + i)) - 16);
  }
}

void q5_1(const std::uint8_t* b, float* out) {
  const float d = read_half(b), m = read_half(b + 2);
  const std::uint32_t high = read_u32(b + 4);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((b[8 + i] & 15) | fifth(high, i)) + m;
    out[16 + i] = d * static_cast<float>((b[8 + i] >> 4) | fifth(high, 16 + i)) + m;
  }
}

void q8_0(const std::uint8_t* b, float* out) {
  const float d = read_half(b);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<std::int8_t>(b[2 + i]));
}

// 256 elements: d, dmin, 12 bytes of scales, 128 of nibbles; 64 elements share 32 bytes.
void q4_k(const std::uint8_t* b, float* out) {
  const float d = read_half(b), dmin = read_half(b + 2);
  for (int j = 0; j < 8; ++j) {
    const auto [scale, min] = k_scale_min(b + 4, j);
    const float ds = d * static_cast<float>(scale), m = dmin * static_cast<float>(min);
    const std::uint8_t* q = b + 16 + j / 2 * 32;
    for (int i = 0; i < 32; ++i)
      out[32 * j + i] = ds * static_cast<float>(j % 2 == 0 ? q[i] & 15 : q[i] >> 4) - m;
  }
}

// As Q4_K, with 32 bytes of fifth bits between scales and nibbles: bit j of byte i.
void q5_k(const std::uint8_t* b, float* out) {
  const float d = read_half(b), dmin = read_half(b + 2);
  const std::uint8_t* const high = b + 16;
  for (int j = 0; j < 8; ++j) {
    const auto [scale, min] = k_scale_min(b + 4, j);
    const float ds = d * static_cast<float>(scale), m = dmin * static_cast<float>(min);
    const std::uint8_t* q = b + 48 + j / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const int low = j % 2 == 0 ? q[i] & 15 : q[i] >> 4;
      out[32 * j + i] = ds * static_cast<float>(low | (((high[i] >> j) & 1) << 4)) - m;
    }
  }
}

// 256 elements: 128 bytes of low nibbles, 64 of high bit pairs, 16 int8 scales, d. q - 32.
void q6_k(const std::uint8_t* b, float* out) {
  const std::uint8_t *low = b, *high = b + 128;
  const std::uint8_t* const scales = b + 192;
  const float d = read_half(b + 208);
  for (int half_block = 0; half_block < 2; ++half_block)
    for (int quarter = 0; quarter < 4; ++quarter)
      for (int i = 0; i < 32; ++i) {
        const std::uint8_t byte = low[64 * half_block + 32 * (quarter % 2) + i];
        const int nibble = quarter < 2 ? byte & 15 : byte >> 4;
        const int top = (high[32 * half_block + i] >> (2 * quarter)) & 3;
        const auto scale = static_cast<std::int8_t>(scales[8 * half_block + 2 * quarter + i / 16]);
        out[128 * half_block + 32 * quarter + i] =
            d * static_cast<float>(scale) * static_cast<float>((nibble | (top << 4)) - 32);
      }
}

}  // namespace

bool keeps(const tensor& t, std::size_t stored, std::size_t c) noexcept {
  const auto byte = std::to_integer<unsigned>(t.mask[stored * ((t.cols + 7) / 8) + c / 8]);
  return ((byte >> (c % 8)) & 1u) != 0;
}

void dequantize_row(const tensor& t, std::size_t r, sparsellm::vector_view<float> out) noexcept {
  const tensor_type_info& info = *info_of(static_cast<std::uint32_t>(t.type));
  const std::size_t stored = t.stored_row(r);
  const std::size_t first =
      t.mask != nullptr ? static_cast<std::size_t>(t.starts[stored]) : stored * t.cols;
  const auto* row = reinterpret_cast<const std::uint8_t*>(t.data) + first / info.block * info.bytes;
  const std::size_t count =
      t.mask != nullptr ? static_cast<std::size_t>(t.starts[stored + 1]) - first : t.cols;
  bool plain = true;
  switch (t.type) {
    case tensor_type::f32:
      for (std::size_t c = 0; c < count; ++c)
        out[c] = read_little_endian<float>(reinterpret_cast<const std::byte*>(row) + 4 * c);
      break;
    case tensor_type::f16:
      for (std::size_t c = 0; c < count; ++c) out[c] = read_half(row + 2 * c);
      break;
    case tensor_type::bf16:
      for (std::size_t c = 0; c < count; ++c)
        out[c] = widen(bfloat16{static_cast<std::uint16_t>(row[2 * c] | (row[2 * c + 1] << 8))});
      break;
    default: plain = false;
  }
  if (t.mask != nullptr)  // from the back, so that nothing is overwritten before it has moved
    for (std::size_t c = t.cols, left = count; c-- > 0;)
      out[c] = keeps(t, stored, c) ? out[--left] : 0.0f;
  if (plain) return;
  for (std::size_t c = 0; c < t.cols; c += info.block, row += info.bytes) {
    float* const to = out.data() + c;
    switch (t.type) {
      case tensor_type::q4_0: q4_0(row, to); break;
      case tensor_type::q4_1: q4_1(row, to); break;
      case tensor_type::q5_0: q5_0(row, to); break;
      case tensor_type::q5_1: q5_1(row, to); break;
      case tensor_type::q8_0: q8_0(row, to); break;
      case tensor_type::q4_k: q4_k(row, to); break;
      case tensor_type::q5_k: q5_k(row, to); break;
      default: q6_k(row, to); break;
    }
  }
}

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/dequantize.hpp"

#include <cstdint>

#include "files/blocks.hpp"
#include "files/little_endian.hpp"
#include "sparsellm/core/scalar.hpp"

namespace llama {

using sparsellm::bfloat16;
using sparsellm::widen;

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
      for (std::size_t c = 0; c < count; ++c) out[c] = blocks::read_half(row + 2 * c);
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
  const auto parts = static_cast<int>(info.block) / block_part;
  for (std::size_t c = 0; c < t.cols; c += info.block, row += info.bytes)
    for (int part = 0; part < parts; ++part)
      dequantize_part(t.type, row, part, out.data() + c + part * block_part);
}

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/levels.hpp"

#include <cstdint>

namespace llama {

using sparsellm::element_kind;

element_kind storage_of(tensor_type t) noexcept {
  switch (t) {
    case tensor_type::f32: return element_kind::f32;
    case tensor_type::f16: return element_kind::f16;
    case tensor_type::bf16: return element_kind::bf16;
    case tensor_type::q4_0: return element_kind::q4_0;
    case tensor_type::q4_1: return element_kind::q4_1;
    case tensor_type::q5_0: return element_kind::q5_0;
    case tensor_type::q5_1: return element_kind::q5_1;
    case tensor_type::iq4_nl: return element_kind::iq4_nl;
    case tensor_type::q4_k: return element_kind::q4_k;
    case tensor_type::q5_k: return element_kind::q5_k;
    case tensor_type::q6_k: return element_kind::q6_k;
    default: return element_kind::q8_0;
  }
}

bool keeps_rows(const tensor& t) noexcept { return t.mask == nullptr; }

sparsellm::vector_view<const std::byte> row_bytes(const tensor& t, std::size_t r) noexcept {
  const tensor_type_info& info = *info_of(static_cast<std::uint32_t>(t.type));
  const std::size_t bytes = t.cols / info.block * info.bytes;
  return {t.data + t.stored_row(r) * bytes, bytes};
}

}  // namespace llama

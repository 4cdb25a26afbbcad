// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A weight as files store floats: rounded to a type, little-endian.
#pragma once

#include <cstddef>
#include <vector>

#include "files/little_endian.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/pack/element_kind.hpp"

namespace llama {

// type: f32, f16 or bf16. w is finite; Error, which begins with `who`, when it is not as the type.
template <class Error>
void append_weight(std::vector<std::byte>& out, sparsellm::element_kind type, float w,
                   const char* who) {
  const auto put = [&](auto stored) {
    sparsellm::require<Error>(sparsellm::is_finite(sparsellm::widen(stored)), who, ": ", w,
                              " is too large for ", sparsellm::name(type));
    append_number(out, stored);
  };
  if (type == sparsellm::element_kind::f32)
    put(w);
  else if (type == sparsellm::element_kind::f16)
    put(sparsellm::narrow<sparsellm::half>(w));
  else
    put(sparsellm::narrow<sparsellm::bfloat16>(w));
}

}  // namespace llama

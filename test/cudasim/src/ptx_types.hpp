// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// cudasim: integers, the warp, and PTX's scalar types.
#pragma once
#include <cstdint>
#include <string_view>

namespace cudasim {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using s8 = std::int8_t;
using s16 = std::int16_t;
using s32 = std::int32_t;
using s64 = std::int64_t;
using u128 = unsigned __int128;
using s128 = __int128;

inline constexpr int kWarp = 32;
inline constexpr u32 kFull = 0xffffffffu;

/// PTX scalar types.
enum class Ty : u8 {
  None,
  Pred,
  B8,
  B16,
  B32,
  B64,
  B128,
  U8,
  U16,
  U32,
  U64,
  S8,
  S16,
  S32,
  S64,
  F16,
  BF16,
  F16x2,
  BF16x2,
  F32,
  F64,
  TF32,
  F32x2,
  U16x2,
  S16x2,
  E4M3,
  E5M2,
  E4M3x2,
  E5M2x2,
  U4,
  S4,
  B1,
};

inline int type_bits(Ty t) {
  switch (t) {
    case Ty::None: return 0;
    case Ty::Pred: return 1;
    case Ty::B1: return 1;
    case Ty::U4:
    case Ty::S4: return 4;
    case Ty::B8:
    case Ty::U8:
    case Ty::S8:
    case Ty::E4M3:
    case Ty::E5M2: return 8;
    case Ty::B16:
    case Ty::U16:
    case Ty::S16:
    case Ty::F16:
    case Ty::BF16:
    case Ty::E4M3x2:
    case Ty::E5M2x2: return 16;
    case Ty::B32:
    case Ty::U32:
    case Ty::S32:
    case Ty::F32:
    case Ty::TF32:
    case Ty::F16x2:
    case Ty::BF16x2:
    case Ty::U16x2:
    case Ty::S16x2: return 32;
    case Ty::B64:
    case Ty::U64:
    case Ty::S64:
    case Ty::F64:
    case Ty::F32x2: return 64;
    case Ty::B128: return 128;
  }
  return 0;
}
inline int type_bytes(Ty t) { return (type_bits(t) + 7) / 8; }
inline bool is_signed(Ty t) {
  return t == Ty::S8 || t == Ty::S16 || t == Ty::S32 || t == Ty::S64 || t == Ty::S4;
}
inline bool is_float(Ty t) {
  switch (t) {
    case Ty::F16:
    case Ty::BF16:
    case Ty::F16x2:
    case Ty::BF16x2:
    case Ty::F32:
    case Ty::F64:
    case Ty::TF32:
    case Ty::F32x2:
    case Ty::E4M3:
    case Ty::E5M2:
    case Ty::E4M3x2:
    case Ty::E5M2x2: return true;
    default: return false;
  }
}
/// "u32" -> Ty::U32; Ty::None when the token names no type.
Ty parse_type(std::string_view s);

}  // namespace cudasim

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// cudasim: small shared vocabulary — scalar types, float formats, environment, errors.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#ifdef __F16C__
#include <immintrin.h>
#endif

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

// ---- float formats -------------------------------------------------------------------------
template <class To, class From>
inline To bitcast(From f) {
  return std::bit_cast<To>(f);
}

/// Double to float, rounding inexact results to odd: a second rounding to a narrower format is then
/// exact.
inline float d2f_odd(double d) {
  float f = static_cast<float>(d);
  if (std::isfinite(f) && static_cast<double>(f) != d) {
    u32 u = bitcast<u32>(f);
    if (std::fabs(static_cast<double>(f)) > std::fabs(d)) u -= 1;  // truncate toward zero...
    f = bitcast<float>(u | 1);                                     // ...and make it sticky
  }
  return f;
}
#ifdef __F16C__  // the compiler's own _Float16 <-> double conversions are slow library calls
inline float h2f(u16 h) { return _cvtsh_ss(h); }
inline u16 f2h(float f) { return static_cast<u16>(_cvtss_sh(f, _MM_FROUND_TO_NEAREST_INT)); }
#else
inline float h2f(u16 h) { return static_cast<float>(bitcast<_Float16>(h)); }
inline u16 f2h(float f) { return bitcast<u16>(static_cast<_Float16>(f)); }
#endif
inline u16 d2h(double d) { return f2h(d2f_odd(d)); }
inline float bf2f(u16 h) { return bitcast<float>(static_cast<u32>(h) << 16); }
inline u16 f2bf(float f) {
  u32 u = bitcast<u32>(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return static_cast<u16>((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}
inline u16 d2bf(double d) { return f2bf(d2f_odd(d)); }
/// Generic small-float decode/encode (fp8 and friends). e4m3 has no infinity ("fn").
float e4m3_to_f(u8 v);
float e5m2_to_f(u8 v);
u8 f_to_e4m3_sat(float f, bool relu);
u8 f_to_e5m2_sat(float f, bool relu);
inline float f2tf32(float f) {  // round to nearest, ties away (cvt.rna)
  u32 u = bitcast<u32>(f);
  if ((u & 0x7f800000u) == 0x7f800000u) return f;
  return bitcast<float>((u + 0x1000u) & 0xffffe000u);
}
inline float trunc_tf32(float f) { return bitcast<float>(bitcast<u32>(f) & 0xffffe000u); }
inline float ftz(float f) { return std::fabs(f) < 1.17549435e-38f ? std::copysign(0.0f, f) : f; }

// ---- environment ---------------------------------------------------------------------------
inline bool env_flag(const char* name) {
  const char* v = std::getenv(name);
  return v && *v && std::string_view(v) != "0";
}
inline long env_int(const char* name, long fallback) {
  const char* v = std::getenv(name);
  return v && *v ? std::strtol(v, nullptr, 0) : fallback;
}

/// Print a one-line "cudasim: ..." message on stderr.
void message(const char* fmt, ...) __attribute__((format(printf, 1, 2)));
std::string strf(const char* fmt, ...) __attribute__((format(printf, 1, 2)));
std::string demangle(const std::string& name);

}  // namespace cudasim

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// cudasim: 16-bit, 8-bit and tf32 floats from and to float and double.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

#include "ptx_types.hpp"

#ifdef __F16C__
#include <immintrin.h>
#endif

namespace cudasim {

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

}  // namespace cudasim

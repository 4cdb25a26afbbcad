// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "float_formats.hpp"

#include <cmath>

namespace cudasim {

namespace {

float small_to_f(u8 v, int ebits, int mbits, bool has_inf) {
  int sign = v >> 7, exp = (v >> mbits) & ((1 << ebits) - 1), man = v & ((1 << mbits) - 1);
  int bias = (1 << (ebits - 1)) - 1, emax = (1 << ebits) - 1, mmax = (1 << mbits) - 1;
  float r;
  if (has_inf && exp == emax)
    r = man ? NAN : INFINITY;
  else if (!has_inf && exp == emax && man == mmax)
    r = NAN;
  else if (exp == 0)
    r = std::ldexp(static_cast<float>(man), 1 - bias - mbits);
  else
    r = std::ldexp(static_cast<float>(man + (1 << mbits)), exp - bias - mbits);
  return sign ? -r : r;
}

u8 f_to_small(float f, int ebits, int mbits, bool has_inf, bool relu) {
  if (relu && !(f > 0)) f = std::isnan(f) ? f : 0.0f;
  int bias = (1 << (ebits - 1)) - 1, emax = (1 << ebits) - 1, mmax = (1 << mbits) - 1;
  if (std::isnan(f)) return static_cast<u8>(has_inf ? ((emax << mbits) | mmax) : 0x7f);
  u8 sign = std::signbit(f) ? 0x80 : 0;
  double a = std::fabs(static_cast<double>(f));
  int top_e = has_inf ? emax - 1 : emax, top_m = has_inf ? mmax : mmax - 1;
  double top = std::ldexp(static_cast<double>(top_m + (1 << mbits)), top_e - bias - mbits);
  u8 max_code = static_cast<u8>((top_e << mbits) | top_m);
  if (a >= top) return sign | max_code;  // satfinite
  int e = a > 0 ? std::ilogb(a) : -1000;
  if (e < 1 - bias) e = 1 - bias;
  double q = std::nearbyint(std::ldexp(a, mbits - e));  // ties to even
  int m = static_cast<int>(q);
  int code = m < (1 << mbits) ? m : ((e + bias) << mbits) + (m - (1 << mbits));
  if (m == (2 << mbits)) code = (e + 1 + bias) << mbits;
  if (code > max_code) code = max_code;
  return sign | static_cast<u8>(code);
}

}  // namespace

float e4m3_to_f(u8 v) { return small_to_f(v, 4, 3, false); }
float e5m2_to_f(u8 v) { return small_to_f(v, 5, 2, true); }
u8 f_to_e4m3_sat(float f, bool relu) { return f_to_small(f, 4, 3, false, relu); }
u8 f_to_e5m2_sat(float f, bool relu) { return f_to_small(f, 5, 2, true, relu); }

}  // namespace cudasim

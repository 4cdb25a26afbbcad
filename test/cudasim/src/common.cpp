// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "common.hpp"

#include <cstdarg>
#include <cstdio>
#include <cxxabi.h>
#include <unordered_map>

namespace cudasim {

Ty parse_type(std::string_view s) {
  static const std::unordered_map<std::string_view, Ty> map = {
      {"pred", Ty::Pred},   {"b8", Ty::B8},         {"b16", Ty::B16},       {"b32", Ty::B32},
      {"b64", Ty::B64},     {"b128", Ty::B128},     {"u8", Ty::U8},         {"u16", Ty::U16},
      {"u32", Ty::U32},     {"u64", Ty::U64},       {"s8", Ty::S8},         {"s16", Ty::S16},
      {"s32", Ty::S32},     {"s64", Ty::S64},       {"f16", Ty::F16},       {"bf16", Ty::BF16},
      {"f16x2", Ty::F16x2}, {"bf16x2", Ty::BF16x2}, {"f32", Ty::F32},       {"f64", Ty::F64},
      {"tf32", Ty::TF32},   {"f32x2", Ty::F32x2},   {"u16x2", Ty::U16x2},   {"s16x2", Ty::S16x2},
      {"e4m3", Ty::E4M3},   {"e5m2", Ty::E5M2},     {"e4m3x2", Ty::E4M3x2}, {"e5m2x2", Ty::E5M2x2},
      {"u4", Ty::U4},       {"s4", Ty::S4},         {"b1", Ty::B1},
  };
  auto it = map.find(s);
  return it == map.end() ? Ty::None : it->second;
}

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

void message(const char* fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  std::fflush(stdout);
  std::fputs("cudasim: ", stderr);
  std::vfprintf(stderr, fmt, ap);
  std::fputc('\n', stderr);
  va_end(ap);
}

std::string strf(const char* fmt, ...) {
  va_list ap, ap2;
  va_start(ap, fmt);
  va_copy(ap2, ap);
  int n = std::vsnprintf(nullptr, 0, fmt, ap);
  std::string s(static_cast<size_t>(n), '\0');
  std::vsnprintf(s.data(), s.size() + 1, fmt, ap2);
  va_end(ap);
  va_end(ap2);
  return s;
}

std::string demangle(const std::string& name) {
  int status = 0;
  char* d = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  if (!d) return name;
  std::string s = d;
  std::free(d);
  return s;
}

}  // namespace cudasim

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// One kernel per PTX instruction, compared with an independent host computation.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <algorithm>
#include <cfenv>
#include <climits>
#include <functional>
#include <type_traits>

#include "check.hpp"

constexpr int N = 512;
Rng rng;

template <class T>
T interesting() {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    switch (rng.u32() % 12) {
      case 0: return T(0);
      case 1: return -T(0);
      case 2: return T(INFINITY);
      case 3: return T(NAN);
      case 4: return T(1);
      case 5: return T(std::ldexp(1.0, int(rng.u32() % 60) - 30));
      case 6: return T(-2.5);
      case 7: return T(1e-40);
      default: return T((rng.uniform() - 0.5) * std::ldexp(1.0, int(rng.u32() % 40) - 10));
    }
  } else {
    switch (rng.u32() % 8) {
      case 0: return T(0);
      case 1: return T(~T(0));
      case 2: return T(T(1) << (sizeof(T) * 8 - 1));
      case 3: return T((T(1) << (sizeof(T) * 8 - 2)) - 1);
      case 4: return T(rng.u32() % 70);
      default: return T(rng.next() ^ rng.next() << 31);
    }
  }
}
template <class T>
bool same(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return (a != a && b != b) || std::memcmp(&a, &b, sizeof(T)) == 0;
  else
    return std::memcmp(&a, &b, sizeof(T)) == 0;
}

template <class D, class A, class B, class C, class F>
__global__ void apply(D* d, const A* a, const B* b, const C* c, F f) {
  int i = threadIdx.x + blockIdx.x * blockDim.x;
  if (i < N) d[i] = f(a[i], b[i], c[i]);
}
template <class D, class A, class B, class C, class F, class H>
void run(const char* name, F f, H host) {
  std::vector<A> a(N);
  std::vector<B> b(N);
  std::vector<C> c(N);
  for (auto& x : a) x = interesting<A>();
  for (auto& x : b) x = interesting<B>();
  for (auto& x : c) x = interesting<C>();
  Dev<A> da(a);
  Dev<B> db(b);
  Dev<C> dc(c);
  Dev<D> dd(N);
  apply<<<(N + 95) / 96, 96>>>(dd.p, da.p, db.p, dc.p, f);
  CUDA(cudaDeviceSynchronize());
  auto got = dd.get();
  int bad = 0;
  for (int i = 0; i < N; ++i) {
    D want = host(a[i], b[i], c[i]);
    if (!same(got[i], want) && bad++ == 0)
      std::printf("%s: element %d: got %.9g want %.9g (a %.9g b %.9g c %.9g)\n", name, i,
                  double(got[i]), double(want), double(a[i]), double(b[i]), double(c[i]));
  }
  CHECK(bad == 0);
}

#define HOST(expr)             \
  [](auto a, auto b, auto c) { \
    (void)a, (void)b, (void)c; \
    return expr;               \
  }
// r: 32-bit, l: 64-bit, h: 16-bit, f: float, d: double
#define OP3(asmtext, D, dc, A, ac, B, bc, C, cc, ...)                               \
  run<D, A, B, C>(                                                                  \
      asmtext,                                                                      \
      [] __device__(A a, B b, C c) {                                                \
        D r;                                                                        \
        asm volatile(asmtext " %0, %1, %2, %3;" : "=" dc(r) : ac(a), bc(b), cc(c)); \
        return r;                                                                   \
      },                                                                            \
      __VA_ARGS__)
#define OP2(asmtext, D, dc, A, ac, B, bc, ...)                           \
  run<D, A, B, int>(                                                     \
      asmtext,                                                           \
      [] __device__(A a, B b, int) {                                     \
        D r;                                                             \
        asm volatile(asmtext " %0, %1, %2;" : "=" dc(r) : ac(a), bc(b)); \
        return r;                                                        \
      },                                                                 \
      __VA_ARGS__)
#define OP1(asmtext, D, dc, A, ac, ...)                       \
  run<D, A, int, int>(                                        \
      asmtext,                                                \
      [] __device__(A a, int, int) {                          \
        D r;                                                  \
        asm volatile(asmtext " %0, %1;" : "=" dc(r) : ac(a)); \
        return r;                                             \
      },                                                      \
      __VA_ARGS__)

using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using s16 = int16_t;
using s32 = int32_t;
using s64 = int64_t;
using i128 = __int128;

template <class F>
auto rounded(int mode, F f) {
  std::fesetround(mode);
  auto r = f();
  std::fesetround(FE_TONEAREST);
  return r;
}
template <class T>
T to_int(double x, int mode) {
  if (std::isnan(x)) return sizeof(T) == 8 ? T(1ull << 63) : T(0);
  double y = mode == 0   ? std::rint(x)
             : mode == 1 ? std::trunc(x)
             : mode == 2 ? std::floor(x)
                         : std::ceil(x);
  if (y < double(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  if (y >= std::ldexp(1.0, std::numeric_limits<T>::digits)) return std::numeric_limits<T>::max();
  return T(y);
}

void integers() {
  OP2("add.u32", u32, "r", u32, "r", u32, "r", HOST(a + b));
  OP2("sub.s64", s64, "l", s64, "l", s64, "l", HOST(s64(u64(a) - u64(b))));
  OP2("add.sat.s32", s32, "r", s32, "r", s32, "r",
      HOST(s32(std::min<s64>(INT_MAX, std::max<s64>(INT_MIN, s64(a) + b)))));
  OP2("add.s16", s16, "h", s16, "h", s16, "h", HOST(s16(a + b)));
  OP2("mul.lo.s32", s32, "r", s32, "r", s32, "r", HOST(s32(u32(a) * u32(b))));
  OP2("mul.hi.u32", u32, "r", u32, "r", u32, "r", HOST(u32(u64(a) * b >> 32)));
  OP2("mul.hi.s32", s32, "r", s32, "r", s32, "r", HOST(s32(s64(a) * b >> 32)));
  OP2("mul.hi.u64", u64, "l", u64, "l", u64, "l", HOST(u64((unsigned __int128)(a)*b >> 64)));
  OP2("mul.hi.s64", s64, "l", s64, "l", s64, "l", HOST(s64(i128(a) * b >> 64)));
  OP2("mul.wide.s32", s64, "l", s32, "r", s32, "r", HOST(s64(a) * b));
  OP2("mul.wide.u16", u32, "r", u16, "h", u16, "h", HOST(u32(a) * b));
  OP2("mul24.lo.u32", u32, "r", u32, "r", u32, "r", HOST(u32(u64(a & 0xffffff) * (b & 0xffffff))));
  OP3("mad.lo.u32", u32, "r", u32, "r", u32, "r", u32, "r", HOST(a * b + c));
  OP3("mad.hi.s32", s32, "r", s32, "r", s32, "r", s32, "r",
      HOST(s32(u32(s64(a) * b >> 32) + u32(c))));
  OP3("mad.wide.u32", u64, "l", u32, "r", u32, "r", u64, "l", HOST(u64(a) * b + c));
  OP3("sad.s32", s32, "r", s32, "r", s32, "r", s32, "r",
      HOST(s32(u32(c) + u32(std::max<s64>(s64(a) - b, s64(b) - a)))));
  OP2("div.s32", s32, "r", s32, "r", s32, "r", HOST(b == 0 ? -1 : s32(s64(a) / b)));
  OP2("rem.u64", u64, "l", u64, "l", u64, "l", HOST(b == 0 ? a : a % b));
  OP2("min.s32", s32, "r", s32, "r", s32, "r", HOST(std::min(a, b)));
  OP2("max.u16", u16, "h", u16, "h", u16, "h", HOST(std::max(a, b)));
  OP1("abs.s32", s32, "r", s32, "r", HOST(a == INT_MIN ? a : std::abs(a)));
  OP1("neg.s64", s64, "l", s64, "l", HOST(s64(0 - u64(a))));
  OP1("popc.b64", u32, "r", u64, "l", HOST(u32(__builtin_popcountll(a))));
  OP1("clz.b32", u32, "r", u32, "r", HOST(a ? u32(__builtin_clz(a)) : 32u));
  OP1("clz.b64", u32, "r", u64, "l", HOST(a ? u32(__builtin_clzll(a)) : 64u));
  OP1("brev.b32", u32, "r", u32, "r", [](u32 a, int, int) {
    u32 r = 0;
    for (int i = 0; i < 32; ++i) r |= (a >> i & 1) << (31 - i);
    return r;
  });
  OP1("bfind.u32", u32, "r", u32, "r", HOST(a ? 31u - u32(__builtin_clz(a)) : ~0u));
  OP1("bfind.shiftamt.u32", u32, "r", u32, "r", HOST(a ? u32(__builtin_clz(a)) : ~0u));
  OP1("bfind.s32", u32, "r", s32, "r", [](s32 a, int, int) {
    u32 v = a < 0 ? ~u32(a) : u32(a);
    return v ? 31u - u32(__builtin_clz(v)) : ~0u;
  });
  OP2("shl.b32", u32, "r", u32, "r", u32, "r", HOST(b > 31 ? 0u : a << b));
  OP2("shr.u32", u32, "r", u32, "r", u32, "r", HOST(b > 31 ? 0u : a >> b));
  OP2("shr.s64", s64, "l", s64, "l", u32, "r", HOST(a >> std::min(b, 63u)));
  OP3("shf.l.wrap.b32", u32, "r", u32, "r", u32, "r", u32, "r",
      HOST(u32(((u64(b) << 32 | a) << (c & 31)) >> 32)));
  OP3("shf.r.clamp.b32", u32, "r", u32, "r", u32, "r", u32, "r",
      HOST(c >= 32 ? b : u32((u64(b) << 32 | a) >> c)));
  // Bit fields: positions and lengths mostly in range, sometimes beyond (only the low byte counts).
#define FIELD(asmtext, T, host)                                                                \
  run<T, T, u32, u32>(                                                                         \
      asmtext,                                                                                 \
      [] __device__(T a, u32 b, u32 c) {                                                       \
        T r;                                                                                   \
        asm volatile(asmtext " %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b % 37), "r"(c % 37)); \
        return r;                                                                              \
      },                                                                                       \
      host)
  FIELD("bfe.u32", u32, ([](u32 a, u32 b, u32 c) {
          u32 r = 0, p = b % 37, l = c % 37;
          for (u32 i = 0; i < l && p + i < 32; ++i) r |= (a >> (p + i) & 1) << i;
          return r;
        }));
  FIELD("bfe.s32", s32, ([](s32 a, u32 b, u32 c) {
          u32 r = 0, p = b % 37, l = c % 37, sign = l ? u32(a) >> std::min(p + l - 1, 31u) & 1 : 0;
          for (u32 i = 0; i < 32; ++i)
            r |= (i < l && p + i < 32 ? u32(a) >> (p + i) & 1 : sign) << i;
          return s32(r);
        }));
  run<s64, s64, u32, u32>(
      "bfe.s64",
      [] __device__(s64 a, u32 b, u32 c) {
        s64 r;
        asm volatile("bfe.s64 %0, %1, %2, %3;" : "=l"(r) : "l"(a), "r"(b % 70), "r"(c % 70));
        return r;
      },
      [](s64 a, u32 b, u32 c) {
        u64 r = 0, sign;
        u32 p = b % 70, l = c % 70;
        sign = l ? u64(a) >> std::min(p + l - 1, 63u) & 1 : 0;
        for (u32 i = 0; i < 64; ++i) r |= (i < l && p + i < 64 ? u64(a) >> (p + i) & 1 : sign) << i;
        return s64(r);
      });
  run<u32, u32, u32, u32>(
      "bfi.b32",
      [] __device__(u32 a, u32 b, u32 c) {
        u32 r;
        asm volatile("bfi.b32 %0, %1, %2, %3, %4;"
                     : "=r"(r)
                     : "r"(a), "r"(b), "r"(c % 37), "r"((c >> 8) % 37));
        return r;
      },
      [](u32 a, u32 b, u32 c) {
        u32 r = b, p = c % 37, l = (c >> 8) % 37;
        for (u32 i = 0; i < l && p + i < 32; ++i)
          r = (r & ~(1u << (p + i))) | (a >> i & 1) << (p + i);
        return r;
      });
  OP3("prmt.b32", u32, "r", u32, "r", u32, "r", u32, "r", [](u32 a, u32 b, u32 c) {
    u32 r = 0;
    for (int i = 0; i < 4; ++i) {
      u32 s = c >> 4 * i & 15, byte = u32((u64(b) << 32 | a) >> 8 * (s & 7)) & 255;
      if (s & 8) byte = byte & 128 ? 255 : 0;
      r |= byte << 8 * i;
    }
    return r;
  });
  run<u32, u32, u32, u32>(
      "lop3.b32",
      [] __device__(u32 a, u32 b, u32 c) {
        u32 r;
        asm volatile("lop3.b32 %0, %1, %2, %3, 0xca;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
        return r;
      },
      HOST((a & b) | (~a & c)));
  OP2("bmsk.clamp.b32", u32, "r", u32, "r", u32, "r",
      HOST(a > 31    ? 0u
           : b >= 32 ? ~0u << a
                     : u32(((1ull << b) - 1) << a)));
  OP2("szext.wrap.s32", s32, "r", s32, "r", u32, "r",
      HOST((b & 31) ? s32(u32(a) << (32 - (b & 31))) >> (32 - (b & 31)) : 0));
  OP3("dp4a.s32.u32", s32, "r", u32, "r", u32, "r", s32, "r", [](u32 a, u32 b, s32 c) {
    u32 r = u32(c);
    for (int i = 0; i < 4; ++i) r += u32(int8_t(a >> 8 * i) * int(uint8_t(b >> 8 * i)));
    return s32(r);
  });
  OP3("dp2a.lo.s32.s32", s32, "r", u32, "r", u32, "r", s32, "r", [](u32 a, u32 b, s32 c) {
    u32 r = u32(c);
    for (int i = 0; i < 2; ++i) r += u32(s16(a >> 16 * i) * int(int8_t(b >> 8 * i)));
    return s32(r);
  });
  OP3("dp2a.hi.u32.u32", u32, "r", u32, "r", u32, "r", u32, "r", [](u32 a, u32 b, u32 c) {
    for (int i = 0; i < 2; ++i) c += u32(u16(a >> 16 * i)) * uint8_t(b >> 8 * (i + 2));
    return c;
  });
  run<u64, u64, u64, int>(
      "add.cc/addc",
      [] __device__(u64 a, u64 b, int) {
        u32 lo, hi;
        asm volatile("add.cc.u32 %0, %2, %4; addc.u32 %1, %3, %5;"
                     : "=&r"(lo), "=r"(hi)
                     : "r"(u32(a)), "r"(u32(a >> 32)), "r"(u32(b)), "r"(u32(b >> 32)));
        return u64(hi) << 32 | lo;
      },
      HOST(a + b));
  run<u64, u64, u64, int>(
      "sub.cc/subc",
      [] __device__(u64 a, u64 b, int) {
        u32 lo, hi;
        asm volatile("sub.cc.u32 %0, %2, %4; subc.u32 %1, %3, %5;"
                     : "=&r"(lo), "=r"(hi)
                     : "r"(u32(a)), "r"(u32(a >> 32)), "r"(u32(b)), "r"(u32(b >> 32)));
        return u64(hi) << 32 | lo;
      },
      HOST(a - b));
  run<u64, u32, u32, u64>(
      "mad.lo.cc/madc.hi",
      [] __device__(u32 a, u32 b, u64 c) {
        u32 lo, hi;
        asm volatile("mad.lo.cc.u32 %0, %2, %3, %4; madc.hi.u32 %1, %2, %3, %5;"
                     : "=&r"(lo), "=r"(hi)
                     : "r"(a), "r"(b), "r"(u32(c)), "r"(u32(c >> 32)));
        return u64(hi) << 32 | lo;
      },
      HOST(u64(a) * b + c));
  OP3("slct.s32.s32", s32, "r", s32, "r", s32, "r", s32, "r", HOST(c >= 0 ? a : b));
  OP2("set.lt.u32.s32", u32, "r", s32, "r", s32, "r", HOST(a < b ? ~0u : 0u));
}

void floats() {
  OP2("add.rn.f32", float, "f", float, "f", float, "f", HOST(a + b));
  OP2("add.rz.f32", float, "f", float, "f", float, "f", [](float a, float b, int) {
    return rounded(FE_TOWARDZERO, [&] {
      volatile float x = a, y = b;
      volatile float r = x + y;
      return float(r);
    });
  });
  OP2("mul.rp.f32", float, "f", float, "f", float, "f", [](float a, float b, int) {
    return rounded(FE_UPWARD, [&] {
      volatile float x = a, y = b;
      volatile float r = x * y;
      return float(r);
    });
  });
  OP2("sub.rm.f64", double, "d", double, "d", double, "d", [](double a, double b, int) {
    return rounded(FE_DOWNWARD, [&] {
      volatile double x = a, y = b;
      volatile double r = x - y;
      return double(r);
    });
  });
  OP3("fma.rn.f32", float, "f", float, "f", float, "f", float, "f", HOST(std::fma(a, b, c)));
  OP3("fma.rn.f64", double, "d", double, "d", double, "d", double, "d", HOST(std::fma(a, b, c)));
  OP2("div.rn.f32", float, "f", float, "f", float, "f", HOST(a / b));
  OP2("div.rn.f64", double, "d", double, "d", double, "d", HOST(a / b));
  OP1("sqrt.rn.f32", float, "f", float, "f", HOST(std::sqrt(a)));
  OP1("rcp.rn.f64", double, "d", double, "d", HOST(1.0 / a));
  OP1("neg.f32", float, "f", float, "f", HOST(a != a ? a : -a));
  OP1("abs.f64", double, "d", double, "d", HOST(std::fabs(a)));
  auto mn = [](float a, float b, int) {
    return a != a ? b : b != b ? a : a < b ? a : b < a ? b : std::signbit(a) ? a : b;
  };
  auto mx = [](float a, float b, int) {
    return a != a ? b : b != b ? a : a > b ? a : b > a ? b : std::signbit(a) ? b : a;
  };
  OP2("min.f32", float, "f", float, "f", float, "f", mn);
  OP2("max.f32", float, "f", float, "f", float, "f", mx);
  OP2("max.NaN.f32", float, "f", float, "f", float, "f",
      [=](float a, float b, int) { return a != a || b != b ? float(NAN) : mx(a, b, 0); });
  OP2("copysign.f32", float, "f", float, "f", float, "f", HOST(b != b ? b : std::copysign(b, a)));
  auto fz = [](float x) { return std::fabs(x) < 1.17549435e-38f ? std::copysign(0.0f, x) : x; };
  OP2("mul.ftz.f32", float, "f", float, "f", float, "f",
      [=](float a, float b, int) { return fz(fz(a) * fz(b)); });
  OP2("add.sat.f32", float, "f", float, "f", float, "f", [](float a, float b, int) {
    float r = a + b;
    return r != r ? 0.0f : r <= 0 ? 0.0f : r > 1 ? 1.0f : r;
  });
  OP2("set.gtu.u32.f32", u32, "r", float, "f", float, "f", HOST(!(a <= b) ? ~0u : 0u));
  OP2("set.ne.f32.f32", float, "f", float, "f", float, "f",
      HOST(a == a && b == b && a != b ? 1.0f : 0.0f));
  OP2("set.num.u32.f64", u32, "r", double, "d", double, "d", HOST(a == a && b == b ? ~0u : 0u));
  // approximations: within a small relative error of the exact function
  auto close = [](const char* name, auto device, auto host, float lo, float hi) {
    std::vector<float> a(N);
    for (auto& x : a) x = lo + rng.uniform() * (hi - lo);
    Dev<float> da(a), db(a), dc(a), dd(N);
    apply<<<4, 128>>>(dd.p, da.p, db.p, dc.p, device);
    auto got = dd.get();
    int bad = 0;
    for (int i = 0; i < N; ++i)
      bad +=
          !(std::fabs(got[i] - host(a[i])) <= 2e-6 * std::max(1.0, std::fabs(double(host(a[i])))));
    if (bad) std::printf("%s: %d bad\n", name, bad);
    CHECK(bad == 0);
  };
#define APPROX(op, host, lo, hi)                        \
  close(                                                \
      op,                                               \
      [] __device__(float a, float, float) {            \
        float r;                                        \
        asm volatile(op " %0, %1;" : "=f"(r) : "f"(a)); \
        return r;                                       \
      },                                                \
      [](double a) { return host; }, lo, hi)
  APPROX("ex2.approx.f32", std::exp2(a), -10, 10);
  APPROX("lg2.approx.f32", std::log2(a), 0.01f, 100);
  APPROX("sin.approx.f32", std::sin(a), -3, 3);
  APPROX("cos.approx.f32", std::cos(a), -3, 3);
  APPROX("tanh.approx.f32", std::tanh(a), -3, 3);
  APPROX("rsqrt.approx.f32", 1 / std::sqrt(a), 0.1f, 50);
  APPROX("rcp.approx.ftz.f32", 1 / a, 0.1f, 50);
}

void conversions() {
  OP1("cvt.s64.s32", s64, "l", s32, "r", HOST(s64(a)));
  OP1("cvt.u16.u32", u16, "h", u32, "r", HOST(u16(a)));
  OP1("cvt.s32.s8", s32, "r", s32, "r", HOST(s32(int8_t(a))));
  OP1("cvt.u32.u8", u32, "r", u32, "r", HOST(u32(uint8_t(a))));
  OP1("cvt.sat.s8.s32", s32, "r", s32, "r", HOST(std::min(127, std::max(-128, a))));
  OP1("cvt.sat.u16.s64", u16, "h", s64, "l", HOST(u16(std::min<s64>(65535, std::max<s64>(0, a)))));
  OP1("cvt.rn.f32.s32", float, "f", s32, "r", HOST(float(a)));
  OP1("cvt.rz.f32.u64", float, "f", u64, "l", [](u64 a, int, int) {
    return rounded(FE_TOWARDZERO, [&] {
      volatile u64 x = a;
      volatile float r = float(x);
      return float(r);
    });
  });
  OP1("cvt.rn.f64.u64", double, "d", u64, "l", HOST(double(a)));
  OP1("cvt.rni.s32.f32", s32, "r", float, "f", HOST(to_int<s32>(a, 0)));
  OP1("cvt.rzi.u32.f32", u32, "r", float, "f", HOST(to_int<u32>(a, 1)));
  OP1("cvt.rmi.s64.f64", s64, "l", double, "d", HOST(to_int<s64>(a, 2)));
  OP1("cvt.rpi.s32.f64", s32, "r", double, "d", HOST(to_int<s32>(a, 3)));
  OP1("cvt.rn.f32.f64", float, "f", double, "d", HOST(float(a)));
  OP1("cvt.rp.f32.f64", float, "f", double, "d", [](double a, int, int) {
    return rounded(FE_UPWARD, [&] {
      volatile double x = a;
      volatile float r = float(x);
      return float(r);
    });
  });
  OP1("cvt.f64.f32", double, "d", float, "f", HOST(double(a)));
  OP1("cvt.rzi.f32.f32", float, "f", float, "f", HOST(std::trunc(a)));
  OP1("cvt.rni.f64.f64", double, "d", double, "d", HOST(std::rint(a)));
  OP1("cvt.rna.tf32.f32", u32, "r", float, "f", [](float a, int, int) {
    u32 u;
    memcpy(&u, &a, 4);
    return a != a || std::isinf(a) ? u : (u + 0x1000) & ~0x1fffu;
  });
  OP1("cvt.f32.f16", float, "f", u16, "h", [](u16 a, int, int) {
    __half h;
    memcpy(&h, &a, 2);
    return __half2float(h);
  });
  OP1("cvt.rn.f16.f32", u16, "h", float, "f", [](float a, int, int) {
    u16 r;
    __half h = __float2half_rn(a);
    memcpy(&r, &h, 2);
    return a != a ? u16(0x7fff) : r;
  });
  OP1("cvt.rz.f16.f32", u16, "h", float, "f", [](float a, int, int) {
    u16 r;
    __half h = __float2half_rz(a);
    memcpy(&r, &h, 2);
    return a != a ? u16(0x7fff) : r;
  });
  OP1("cvt.rn.bf16.f32", u16, "h", float, "f", [](float a, int, int) {
    u16 r;
    __nv_bfloat16 h = __float2bfloat16_rn(a);
    memcpy(&r, &h, 2);
    return a != a ? u16(0x7fff) : r;
  });
  OP2("cvt.rn.f16x2.f32", u32, "r", float, "f", float, "f", [](float a, float b, int) {
    auto h = [](float x) {
      u16 r;
      __half v = __float2half_rn(x);
      memcpy(&r, &v, 2);
      return u32(x != x ? 0x7fff : r);
    };
    return h(a) << 16 | h(b);
  });
  OP2("cvt.rn.relu.bf16x2.f32", u32, "r", float, "f", float, "f", [](float a, float b, int) {
    auto h = [](float x) {
      if (x < 0) x = 0;
      u16 r;
      __nv_bfloat16 v = __float2bfloat16_rn(x);
      memcpy(&r, &v, 2);
      return u32(x != x ? 0x7fff : r);
    };
    return h(a) << 16 | h(b);
  });
}

void halves() {
  // Random finite operands through the header's host implementation (computed in float, rounded
  // once).
  auto h2 = [](const char* name, auto device, auto host) {
    std::vector<u32> a(N), b(N), c(N);
    for (auto* v : {&a, &b, &c})
      for (auto& x : *v) {
        auto one = [] {
          u16 r;
          __half h = __float2half_rn((rng.uniform() - 0.5f) * 64);
          memcpy(&r, &h, 2);
          return u32(r);
        };
        x = one() << 16 | one();
      }
    Dev<u32> da(a), db(b), dc(c), dd(N);
    apply<<<4, 128>>>(dd.p, da.p, db.p, dc.p, device);
    CUDA(cudaDeviceSynchronize());
    auto got = dd.get();
    int bad = 0;
    for (int i = 0; i < N; ++i) {
      u32 want = 0;
      for (int k = 0; k < 2; ++k) {
        auto f = [&](u32 v) {
          u16 x = u16(v >> 16 * k);
          __half h;
          memcpy(&h, &x, 2);
          return double(__half2float(h));
        };
        __half h = __double2half(host(f(a[i]), f(b[i]), f(c[i])));
        u16 r;
        memcpy(&r, &h, 2);
        want |= u32(r) << 16 * k;
      }
      if (got[i] != want && bad++ == 0) std::printf("%s: got %08x want %08x\n", name, got[i], want);
    }
    CHECK(bad == 0);
  };
#define H2(op, n, host)                                        \
  h2(                                                          \
      op,                                                      \
      [] __device__(u32 a, u32 b, u32 c) {                     \
        u32 r;                                                 \
        (void)c;                                               \
        asm volatile(op n : "=r"(r) : "r"(a), "r"(b), "r"(c)); \
        return r;                                              \
      },                                                       \
      [](double a, double b, double c) {                       \
        (void)b, (void)c;                                      \
        return host;                                           \
      })
  H2("add.f16x2", " %0, %1, %2;", a + b);
  H2("sub.rn.f16x2", " %0, %1, %2;", a - b);
  H2("mul.rn.f16x2", " %0, %1, %2;", a * b);
  H2("fma.rn.f16x2", " %0, %1, %2, %3;", a * b + c);
  H2("fma.rn.relu.f16x2", " %0, %1, %2, %3;", std::max(0.0, a * b + c));
  H2("min.f16x2", " %0, %1, %2;", std::min(a, b));
  H2("max.f16x2", " %0, %1, %2;", std::max(a, b));
  H2("neg.f16x2", " %0, %1;", -a);
  H2("abs.f16x2", " %0, %1;", std::fabs(a));
  run<u16, float, float, float>(
      "fma.rn.bf16",
      [] __device__(float a, float b, float c) {
        u16 r;
        __nv_bfloat16 x = __float2bfloat16_rn(a), y = __float2bfloat16_rn(b),
                      z = __float2bfloat16_rn(c);
        asm volatile("fma.rn.bf16 %0, %1, %2, %3;"
                     : "=h"(r)
                     : "h"(*(u16*)&x), "h"(*(u16*)&y), "h"(*(u16*)&z));
        return r;
      },
      [](float a, float b, float c) {
        auto q = [](float v) { return double(__bfloat162float(__float2bfloat16_rn(v))); };
        double v = std::fma(q(a), q(b), q(c));
        __nv_bfloat16 h = __double2bfloat16(v);
        u16 r;
        memcpy(&r, &h, 2);
        return v != v ? u16(0x7fff) : r;
      });
}

// ---- warp-level -----------------------------------------------------------------------------
__global__ void warp_ops(u32* out) {
  u32 lane = threadIdx.x, v = lane * 3 + 1, base = 0;
  auto put = [&](u32 x) { out[base++ * 32 + lane] = x; };
  put(__shfl_up_sync(~0u, v, 5));
  put(__shfl_down_sync(~0u, v, 3, 8));
  put(__shfl_xor_sync(~0u, v, 7));
  put(__shfl_sync(~0u, v, 9, 16));
  put(__ballot_sync(~0u, lane % 3 == 0));
  put(__any_sync(~0u, lane == 31));
  put(__all_sync(~0u, lane < 31));
  put(__match_any_sync(~0u, lane / 4));
  int p;
  put(__match_all_sync(~0u, 7, &p));
  put(u32(p));
  put(__reduce_add_sync(~0u, v));
  put(__reduce_min_sync(~0u, int(lane) - 16));
  put(__reduce_xor_sync(~0u, v));
  put(__reduce_or_sync(lane < 16 ? 0xffffu : 0xffff0000u,
                       lane));  // two halves, each with its own mask
  u32 m = 0;
  if (lane & 1) m = __activemask();
  put(m);
  put(__fns(0xaaaaaaaau, 0, 3));
  u32 lt;
  asm("mov.u32 %0, %%lanemask_lt;" : "=r"(lt));
  put(lt);
}

// ---- divergence, calls, switch tables -------------------------------------------------------
__device__ __noinline__ int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
__device__ __noinline__ int twice(int x) { return 2 * x; }
__device__ __noinline__ int square(int x) { return x * x; }
__device__ int (*const kTable[2])(int) = {twice, square};
__global__ void control(int* out, int which) {
  int t = threadIdx.x, acc = 0;
  for (int i = 0; i < t; ++i) {
    if (i % 3 == 0)
      acc += i;
    else if (i % 3 == 1) {
      for (int k = 0; k < i % 5; ++k) acc ^= k;
      continue;
    }
    if (acc > 300) break;
  }
  out[t] = acc;
  out[64 + t] = fib(t % 10);
  out[128 + t] = kTable[(t + which) & 1](t);
  int s;
  switch (t % 9) {
    case 0: s = 5; break;
    case 1: s = t * 2; break;
    case 2: s = t - 7; break;
    case 3: s = t ^ 0x55; break;
    case 4: s = fib(3); break;
    case 5: s = -t; break;
    case 6: s = t << 3; break;
    default: s = 99;
  }
  out[192 + t] = s;
}
// A lock taken by lanes of one warp: needs forward progress of diverged lanes.
__global__ void spin_lock(int* lock, int* counter) {
  bool mine = false;
  while (!mine) {
    if (atomicCAS(lock, 0, 1) == 0) {
      *counter += 1;
      __threadfence();
      atomicExch(lock, 0);
      mine = true;
    }
  }
}
// Block b waits for block b + 1: needs the later block to become resident.
__global__ void wait_for_later(volatile int* flags) {
  if (blockIdx.x + 1 < gridDim.x)
    while (flags[blockIdx.x + 1] == 0) {
    }
  __threadfence();
  flags[blockIdx.x] = 1;
}

__global__ void atomics(int* i, u64* l, float* f, double* d, __half2* h) {
  int t = threadIdx.x;
  atomicAdd(i + 0, t);
  atomicMax(i + 1, t * 7 % 100);
  atomicMin(i + 2, -t);
  atomicAnd(i + 3, ~(1 << (t & 31)));
  atomicOr(i + 4, 1 << (t & 31));
  atomicXor(i + 5, t);
  atomicInc((u32*)i + 6, 10);
  atomicDec((u32*)i + 7, 10);
  atomicAdd((unsigned long long*)l, (unsigned long long)t << 33);
  atomicMax((unsigned long long*)l + 1, (unsigned long long)t * t);
  atomicAdd(f, 0.5f);
  atomicAdd(d, 0.25);
  atomicAdd(h, __half2(__half(1.0f), __half(2.0f)));
  int old = i[8], seen;
  do seen = old, old = atomicCAS(i + 8, seen, seen + 2);
  while (old != seen);
  __shared__ int s[2];
  if (t < 2) s[t] = 0;
  __syncthreads();
  atomicAdd(&s[t & 1], 1);
  __syncthreads();
  if (t < 2) i[9 + t] = s[t];
  int parity = __syncthreads_count(t % 3 == 0);
  if (t == 0) i[11] = parity, i[12] = 0;
  if (__syncthreads_or(t == 77)) {
    if (t == 0) i[12] += 1;
  }
  if (!__syncthreads_and(t < 5)) {
    if (t == 0) i[12] += 2;
  }
}

__global__ void memory(const char* in, char* out) {  // widths, vectors, local arrays, 8-bit types
  int t = threadIdx.x;
  reinterpret_cast<int4*>(out)[t] = reinterpret_cast<const int4*>(in)[t];
  reinterpret_cast<double2*>(out + 1024)[t] = __ldg(reinterpret_cast<const double2*>(in) + t);
  volatile signed char local[40];
  for (int i = 0; i < 40; ++i) local[i] = static_cast<signed char>(in[i] - t);
  int sum = 0;
  for (int i = 0; i < 40; ++i) sum += local[(i * 7 + t) % 40];
  reinterpret_cast<int*>(out + 2048)[t] = sum;
  extern __shared__ unsigned short dyn[];
  dyn[t] = static_cast<unsigned short>(in[t] * 257);
  __syncthreads();
  reinterpret_cast<unsigned short*>(out + 2304)[t] = dyn[63 - t];
}

int main() {
  integers();
  floats();
  conversions();
  halves();
  {
    Dev<u32> d(32 * 20);
    warp_ops<<<1, 32>>>(d.p);
    CUDA(cudaDeviceSynchronize());
    auto o = d.get();
    for (u32 l = 0; l < 32; ++l) {
      auto v = [](u32 lane) { return lane * 3 + 1; };
      auto at = [&](int k) { return o[k * 32 + l]; };
      CHECK(at(0) == v(l >= 5 ? l - 5 : l));
      CHECK(at(1) == v(l % 8 + 3 < 8 ? l + 3 : l));
      CHECK(at(2) == v(l ^ 7));
      CHECK(at(3) == v(l / 16 * 16 + 9));
      CHECK(at(4) == 0x49249249u);
      CHECK(at(5) == 1 && at(6) == 0);
      CHECK(at(7) == 0xfu << (l / 4 * 4));
      CHECK(at(8) == ~0u && at(9) == 1);
      CHECK(at(10) == 31 * 32 / 2 * 3 + 32);
      CHECK(at(11) == u32(-16));
      u32 x = 0;
      for (u32 k = 0; k < 32; ++k) x ^= v(k);
      CHECK(at(12) == x);
      CHECK(at(13) == (l < 16 ? 15u : 31u));
      CHECK(at(14) == (l & 1 ? 0xaaaaaaaau : 0u));
      CHECK(at(15) == 5);
      CHECK(at(16) == (1u << l) - 1);
    }
  }
  for (int which = 0; which < 2; ++which) {
    Dev<int> d(256);
    control<<<1, 64>>>(d.p, which);
    CUDA(cudaDeviceSynchronize());
    auto o = d.get();
    std::function<int(int)> f = [&](int n) { return n < 2 ? n : f(n - 1) + f(n - 2); };
    for (int t = 0; t < 64; ++t) {
      int acc = 0;
      for (int i = 0; i < t; ++i) {
        if (i % 3 == 0)
          acc += i;
        else if (i % 3 == 1) {
          for (int k = 0; k < i % 5; ++k) acc ^= k;
          continue;
        }
        if (acc > 300) break;
      }
      CHECK(o[t] == acc);
      CHECK(o[64 + t] == f(t % 10));
      CHECK(o[128 + t] == ((t + which) & 1 ? t * t : 2 * t));
      int c[9] = {5, t * 2, t - 7, t ^ 0x55, 2, -t, t << 3, 99, 99};
      CHECK(o[192 + t] == c[t % 9]);
    }
  }
  {
    Dev<int> lock(1), counter(1), flags(6);
    spin_lock<<<3, 64>>>(lock.p, counter.p);
    CUDA(cudaDeviceSynchronize());
    CHECK(counter.get()[0] == 192);
    wait_for_later<<<6, 1>>>(flags.p);
    CUDA(cudaDeviceSynchronize());
    CHECK(flags.get()[0] == 1);
  }
  {
    Dev<int> i(std::vector<int>{0, 0, 0, -1, 0, 0, 0, 50, 0, 0, 0, 0, 0});
    Dev<u64> l(2);
    Dev<float> f(1);
    Dev<double> d(1);
    Dev<__half2> h(1);
    atomics<<<1, 128>>>(i.p, l.p, f.p, d.p, h.p);
    CUDA(cudaDeviceSynchronize());
    auto v = i.get();
    CHECK(v[0] == 127 * 64 && v[1] == 99 && v[2] == -127 && v[3] == 0 && v[4] == -1 && v[5] == 0);
    CHECK(v[6] == 128 % 11);
    CHECK(v[7] == (11 - 128 % 11) % 11);
    CHECK(v[8] == 256 && v[9] == 64 && v[10] == 64 && v[11] == 43 && v[12] == 3);
    CHECK(l.get()[0] == u64(127 * 64) << 33 && l.get()[1] == 127 * 127);
    CHECK(f.get()[0] == 64.0f && d.get()[0] == 32.0);
    CHECK(__low2float(h.get()[0]) == 128.0f && __high2float(h.get()[0]) == 256.0f);
  }
  {
    std::vector<char> in(1024);
    for (auto& x : in) x = static_cast<char>(rng.u32());
    Dev<char> di(in), out(4096);
    memory<<<1, 64, 128>>>(di.p, out.p);
    CUDA(cudaDeviceSynchronize());
    auto o = out.get();
    CHECK(std::memcmp(o.data(), in.data(), 1024) == 0 &&
          std::memcmp(o.data() + 1024, in.data(), 1024) == 0);
    for (int t = 0; t < 64; ++t) {
      int sum = 0, got;
      for (int i = 0; i < 40; ++i) sum += static_cast<signed char>(in[(i * 7 + t) % 40] - t);
      memcpy(&got, &o[2048 + 4 * t], 4);
      CHECK(got == sum);
      u16 g;
      memcpy(&g, &o[2304 + 2 * t], 2);
      CHECK(g == u16(in[63 - t] * 257));
    }
  }
  return REPORT();
}

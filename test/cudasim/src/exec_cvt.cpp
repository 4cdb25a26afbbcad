// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Conversions: cvt in every combination nvcc emits, cvt.pack, cvta.
#include <cfenv>
#include <limits>

#include "decode.hpp"
#include "float_formats.hpp"

namespace cudasim {
namespace {

enum Round : u8 { kRn, kRz, kRm, kRp, kRna, kIntFlag = 8 };  // +8: the ".rXi" integer form

// ---- integer <-> integer --------------------------------------------------------------------
template <class D, class S, bool kSaturate>
void int_int(Warp& w, const Insn& I, u32 m) {
  map1<D, S>(w, I, m, [](S x) {
    if constexpr (kSaturate) {
      s128 v = static_cast<s128>(x), lo = std::numeric_limits<D>::min(),
           hi = std::numeric_limits<D>::max();
      return static_cast<D>(v < lo ? lo : v > hi ? hi : v);
    } else
      return static_cast<D>(x);
  });
}

// ---- rounding helpers -----------------------------------------------------------------------
double round_int(double x, int mode) {
  switch (mode & 7) {
    case kRz: return std::trunc(x);
    case kRm: return std::floor(x);
    case kRp: return std::ceil(x);
    default: return std::nearbyint(x);
  }
}
template <class D, class S>
void float_int(Warp& w, const Insn& I, u32 m) {
  int mode = I.op;
  bool flush = I.flags & kFtz;
  auto convert = [=](S raw) {
    double x;
    if constexpr (sizeof(S) == 4)
      x = static_cast<double>(flush ? ftz(raw) : raw);
    else
      x = raw;
    if (std::isnan(x)) return sizeof(D) == 8 ? static_cast<D>(1ull << 63) : D{0};
    x = round_int(x, mode);
    constexpr double lo = static_cast<double>(std::numeric_limits<D>::min());
    double hi = std::ldexp(1.0, std::numeric_limits<D>::digits);
    if (x < lo) return std::numeric_limits<D>::min();
    if (x >= hi) return std::numeric_limits<D>::max();
    return static_cast<D>(x);
  };
  map1<D, S>(w, I, m, convert);
}
/// f16/bf16 source, integer result.
template <class D, bool kBf>
void half_int(Warp& w, const Insn& I, u32 m) {
  int mode = I.op;
  map1<D, u16>(w, I, m, [=](u16 h) {
    double x = kBf ? bf2f(h) : h2f(h);
    if (std::isnan(x)) return sizeof(D) == 8 ? static_cast<D>(1ull << 63) : D{0};
    x = round_int(x, mode);
    constexpr double lo = static_cast<double>(std::numeric_limits<D>::min());
    if (x < lo) return std::numeric_limits<D>::min();
    if (x >= std::ldexp(1.0, std::numeric_limits<D>::digits)) return std::numeric_limits<D>::max();
    return static_cast<D>(x);
  });
}

struct RoundScope {
  explicit RoundScope(int mode) {
    static constexpr int modes[4] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    if (mode & 3) std::fesetround(modes[mode & 3]);
  }
  ~RoundScope() { std::fesetround(FE_TONEAREST); }
};
template <class D, class S>
[[gnu::noinline]] D convert_rounded(S x) {
  volatile S v = x;
  volatile D r = static_cast<D>(v);
  return r;
}
template <class D, class S>
void int_float(Warp& w, const Insn& I, u32 m) {
  if ((I.op & 7) == kRn) {
    map1<D, S>(w, I, m, [](S x) { return static_cast<D>(x); });
    return;
  }
  RoundScope scope(I.op);
  map1<D, S>(w, I, m, [](S x) { return convert_rounded<D, S>(x); });
}

/// Round a double to a 16-bit float with the given mode (one rounding from the exact value).
template <bool kBf>
u16 to_half(double x, int mode) {
  u16 v = kBf ? d2bf(x) : d2h(x);
  if (std::isnan(x)) return 0x7fff;
  int r = mode & 7;
  if (r == kRn || r == kRna) return v;
  auto value = [](u16 h) { return static_cast<double>(kBf ? bf2f(h) : h2f(h)); };
  auto step = [](u16 h, bool up) -> u16 {  // next representable value up or down
    bool neg = h & 0x8000;
    if ((h & 0x7fff) == 0) return up ? 0x0001 : 0x8001;
    return static_cast<u16>(neg == up ? h - 1 : h + 1);
  };
  double y = value(v);
  bool down = r == kRm || (r == kRz && x > 0), up = r == kRp || (r == kRz && x < 0);
  if (down && y > x)
    v = step(v, false);
  else if (up && y < x)
    v = step(v, true);
  return v;
}
template <class S, bool kBf>
void int_half(Warp& w, const Insn& I, u32 m) {
  int mode = I.op;
  map1<u16, S>(w, I, m, [=](S x) { return to_half<kBf>(static_cast<double>(x), mode); });
}
/// Float source to f16/bf16 with relu / sat.
template <class S, bool kBf>
void float_half(Warp& w, const Insn& I, u32 m) {
  int mode = I.op;
  u16 flags = I.flags;
  map1<u16, S>(w, I, m, [=](S s) {
    double x = static_cast<double>(s);
    if (flags & kSat) x = x > 1 ? 1 : x > 0 ? x : 0;
    if ((flags & kRelu) && x < 0) x = 0;
    return to_half<kBf>(x, mode);
  });
}
template <class D, bool kBf>
void half_float(Warp& w, const Insn& I, u32 m) {
  bool sat = I.flags & kSat;
  map1<D, u16>(w, I, m, [=](u16 h) {
    D x = static_cast<D>(kBf ? bf2f(h) : h2f(h));
    if (sat) x = x > 1 ? 1 : x > 0 ? x : 0;
    return x;
  });
}
template <bool kFromBf, bool kToBf>
void half_half(Warp& w, const Insn& I, u32 m) {
  int mode = I.op;
  u16 flags = I.flags;
  map1<u16, u16>(w, I, m, [=](u16 h) {
    double x = kFromBf ? bf2f(h) : h2f(h);
    if (mode & kIntFlag) x = std::isfinite(x) ? std::copysign(round_int(x, mode), x) : x;
    if (flags & kSat) x = x > 1 ? 1 : x > 0 ? x : 0;
    if ((flags & kRelu) && x < 0) x = 0;
    return to_half<kToBf>(x, mode & kIntFlag ? 0 : mode);
  });
}
/// {f16x2,bf16x2} from two floats: the first source goes to the upper half.
template <bool kBf>
void pack_halves(Warp& w, const Insn& I, u32 m) {
  int mode = I.op;
  u16 flags = I.flags;
  map2<u32, float, float>(w, I, m, [=](float hi, float lo) {
    auto one = [&](float f) -> u32 {
      if ((flags & kRelu) && f < 0) f = 0;
      if (flags & kSat)
        f = std::isnan(f) ? f
                          : std::fmin(std::fmax(f, kBf ? -3.38953139e38f : -65504.0f),
                                      kBf ? 3.38953139e38f : 65504.0f);
      return to_half<kBf>(f, mode);
    };
    return one(hi) << 16 | one(lo);
  });
}
/// float -> float: sizes may differ; ".rXi" rounds to an integral value.
template <class D, class S>
void float_float(Warp& w, const Insn& I, u32 m) {
  int mode = I.op;
  u16 flags = I.flags;
  auto body = [=](S s) {
    if constexpr (sizeof(S) == 4)
      if (flags & kFtz) s = ftz(s);
    D r;
    if (mode & kIntFlag)
      r = static_cast<D>(std::isfinite(s) ? std::copysign(round_int(static_cast<double>(s), mode),
                                                          static_cast<double>(s))
                                          : s);
    else
      r = convert_rounded<D, S>(s);
    if constexpr (sizeof(D) == 4)
      if (flags & kFtz) r = ftz(r);
    if (flags & kSat) r = r > 1 ? 1 : r > 0 ? r : 0;
    return r;
  };
  RoundScope scope(mode & kIntFlag ? 0 : mode);
  map1<D, S>(w, I, m, body);
}
void widen_f32(Warp& w, const Insn& I, u32 m) {
  map1<double, float>(w, I, m, [](float x) { return static_cast<double>(x); });
}
void to_tf32(Warp& w, const Insn& I, u32 m) {
  bool rn = (I.op & 7) == kRn, relu = I.flags & kRelu;
  map1<float, float>(w, I, m, [=](float x) {
    if (relu && x < 0) x = 0;
    if (!rn) return f2tf32(x);
    u32 u = bitcast<u32>(x);
    if ((u & 0x7f800000u) == 0x7f800000u) return x;
    return bitcast<float>((u + 0xfffu + ((u >> 13) & 1)) & 0xffffe000u);
  });
}

// ---- fp8 ------------------------------------------------------------------------------------
template <bool kE4>
u8 to_fp8(float f, bool relu) {
  return kE4 ? f_to_e4m3_sat(f, relu) : f_to_e5m2_sat(f, relu);
}
template <bool kE4>
float from_fp8(u8 v) {
  return kE4 ? e4m3_to_f(v) : e5m2_to_f(v);
}
template <bool kE4>
void f32_to_fp8x2(Warp& w, const Insn& I, u32 m) {
  bool relu = I.flags & kRelu;
  map2<u16, float, float>(w, I, m, [=](float hi, float lo) {
    return static_cast<u16>(to_fp8<kE4>(hi, relu) << 8 | to_fp8<kE4>(lo, relu));
  });
}
template <bool kE4>
void f16x2_to_fp8x2(Warp& w, const Insn& I, u32 m) {
  bool relu = I.flags & kRelu;
  map1<u16, u32>(w, I, m, [=](u32 v) {
    return static_cast<u16>(to_fp8<kE4>(h2f(static_cast<u16>(v >> 16)), relu) << 8 |
                            to_fp8<kE4>(h2f(static_cast<u16>(v)), relu));
  });
}
template <bool kE4>
void fp8x2_to_f16x2(Warp& w, const Insn& I, u32 m) {
  bool relu = I.flags & kRelu;
  map1<u32, u16>(w, I, m, [=](u16 v) {
    float hi = from_fp8<kE4>(static_cast<u8>(v >> 8)), lo = from_fp8<kE4>(static_cast<u8>(v));
    if (relu) hi = hi < 0 ? 0 : hi, lo = lo < 0 ? 0 : lo;
    return static_cast<u32>(f2h(hi)) << 16 | f2h(lo);
  });
}

/// cvt.pack.sat.dst.src.b32 d, a, b, c: two saturated integers packed, the rest of d from c.
void cvt_pack(Warp& w, const Insn& I, u32 m) {
  int bits = I.size;
  bool sg = I.sext, has_c = I.rsize == 1;
  u32* d = w.r<u32>(I.d);
  const s32 *a = w.r<s32>(I.a), *b = w.r<s32>(I.b);
  const u32* c = has_c ? w.r<u32>(I.c) : nullptr;
  lanes(m, [&](int i) {
    auto sat = [&](s32 x) {
      s64 lo = sg ? -(1ll << (bits - 1)) : 0, hi = sg ? (1ll << (bits - 1)) - 1 : (1ll << bits) - 1;
      return static_cast<u32>(x < lo ? lo : x > hi ? hi : x) & ((1u << bits) - 1);
    };
    u32 v = sat(a[i]) << bits | sat(b[i]);
    d[i] = c ? (c[i] << (2 * bits)) | v : v;
  });
}

// ---- selection ------------------------------------------------------------------------------
template <class D, bool kSat>
ExecFn int_src(Ty s) {
  switch (s) {
    case Ty::U8:
    case Ty::B8: return int_int<D, u8, kSat>;
    case Ty::S8: return int_int<D, s8, kSat>;
    case Ty::U16:
    case Ty::B16: return int_int<D, u16, kSat>;
    case Ty::S16: return int_int<D, s16, kSat>;
    case Ty::U32:
    case Ty::B32: return int_int<D, u32, kSat>;
    case Ty::S32: return int_int<D, s32, kSat>;
    case Ty::U64:
    case Ty::B64: return int_int<D, u64, kSat>;
    case Ty::S64: return int_int<D, s64, kSat>;
    default: return nullptr;
  }
}
template <class D>
ExecFn flt_src(Ty s) {
  switch (s) {
    case Ty::F32: return float_int<D, float>;
    case Ty::F64: return float_int<D, double>;
    case Ty::F16: return half_int<D, false>;
    case Ty::BF16: return half_int<D, true>;
    default: return nullptr;
  }
}
template <class D>
ExecFn to_int(Ty s, bool sat) {
  return is_float(s) ? flt_src<D>(s) : sat ? int_src<D, true>(s) : int_src<D, false>(s);
}

template <class S>
ExecFn from_int(Ty dt) {
  switch (dt) {
    case Ty::F32: return int_float<float, S>;
    case Ty::F64: return int_float<double, S>;
    case Ty::F16: return int_half<S, false>;
    case Ty::BF16: return int_half<S, true>;
    default: return nullptr;
  }
}

ExecFn pick(Ty dt, Ty st, bool sat, int round, u16 flags) {
  switch (dt) {
    case Ty::U8: return to_int<u8>(st, sat);
    case Ty::S8: return to_int<s8>(st, sat);
    case Ty::U16: return to_int<u16>(st, sat);
    case Ty::S16: return to_int<s16>(st, sat);
    case Ty::U32: return to_int<u32>(st, sat);
    case Ty::S32: return to_int<s32>(st, sat);
    case Ty::U64: return to_int<u64>(st, sat);
    case Ty::S64: return to_int<s64>(st, sat);
    default: break;
  }
  switch (st) {
    case Ty::U8: return from_int<u8>(dt);
    case Ty::S8: return from_int<s8>(dt);
    case Ty::U16: return from_int<u16>(dt);
    case Ty::S16: return from_int<s16>(dt);
    case Ty::U32: return from_int<u32>(dt);
    case Ty::S32: return from_int<s32>(dt);
    case Ty::U64: return from_int<u64>(dt);
    case Ty::S64: return from_int<s64>(dt);
    case Ty::F16:
      return dt == Ty::F32    ? half_float<float, false>
             : dt == Ty::F64  ? half_float<double, false>
             : dt == Ty::F16  ? half_half<false, false>
             : dt == Ty::BF16 ? half_half<false, true>
                              : nullptr;
    case Ty::BF16:
      return dt == Ty::F32    ? half_float<float, true>
             : dt == Ty::F64  ? half_float<double, true>
             : dt == Ty::F16  ? half_half<true, false>
             : dt == Ty::BF16 ? half_half<true, true>
                              : nullptr;
    case Ty::F32:
      if (dt == Ty::F64 && !round && !flags) return widen_f32;
      return dt == Ty::F32    ? float_float<float, float>
             : dt == Ty::F64  ? float_float<double, float>
             : dt == Ty::F16  ? float_half<float, false>
             : dt == Ty::BF16 ? float_half<float, true>
             : dt == Ty::TF32 ? to_tf32
                              : nullptr;
    case Ty::F64:
      return dt == Ty::F32    ? float_float<float, double>
             : dt == Ty::F64  ? float_float<double, double>
             : dt == Ty::F16  ? float_half<double, false>
             : dt == Ty::BF16 ? float_half<double, true>
                              : nullptr;
    default: return nullptr;
  }
}

// ---- cvta / isspacep ------------------------------------------------------------------------
template <class T>
void add_window(Warp& w, const Insn& I, u32 m) {
  u64 off = static_cast<u64>(I.imm);
  map1<T, T>(w, I, m, [=](T a) { return static_cast<T>(a + off); });
}
void isspacep(Warp& w, const Insn& I, u32 m) {
  const u64* a = w.r<u64>(I.a);
  set_pred(w, I.d, m, ballot(m, [&](int i) {
             u64 win = a[i] & window::kMask;
             switch (I.space) {
               case ptx::Space::Shared: return win == window::kShared;
               case ptx::Space::Local: return win == window::kLocal;
               case ptx::Space::Param: return win == window::kParam;
               case ptx::Space::Const: {
                 auto* al = Memory::get().find(a[i]);
                 return al && al->kind == MemKind::Constant;
               }
               default: return win == 0;
             }
           }));
}

}  // namespace

bool decode_cvt(Dec& d) {
  auto op = d.op();
  if (op == "cvta") {
    bool to = d.has("to");
    int sp = d.one_of({"global", "shared", "local", "const", "param", "shared::cta",
                       "shared::cluster", "param::entry", "param::func"});
    Ty t = d.type();
    u64 win = sp == 1 || sp == 5 || sp == 6 ? window::kShared : sp == 2 ? window::kLocal : 0;
    if (sp < 0) d.unsupported();
    Insn I = d.make(type_bits(t) == 64 ? add_window<u64> : add_window<u32>, Cls::Int);
    I.imm = static_cast<s64>(to ? 0 - win : win);
    I.a = d.src(1, t), I.d = d.dst(0, t);
    d.emit(I);
    return true;
  }
  if (op == "isspacep") {
    int sp =
        d.one_of({"global", "shared", "local", "const", "param", "shared::cta", "shared::cluster"});
    Insn I = d.make(isspacep, Cls::Int);
    I.space = sp == 0              ? ptx::Space::Global
              : sp == 1 || sp >= 5 ? ptx::Space::Shared
              : sp == 2            ? ptx::Space::Local
              : sp == 3            ? ptx::Space::Const
                                   : ptx::Space::Param;
    I.a = d.src(1, Ty::B64), I.d = d.pdst(0);
    d.emit(I);
    return true;
  }
  if (op != "cvt") return false;

  if (d.has("pack")) {
    d.has("sat");
    Insn I = d.make(cvt_pack, Cls::Int);
    Ty dt = d.types[0];
    I.size = static_cast<u8>(type_bits(dt)), I.sext = is_signed(dt);
    I.a = d.src(1, Ty::S32), I.b = d.src(2, Ty::S32);
    I.rsize = d.nargs() > 3;
    if (I.rsize) I.c = d.src(3, Ty::B32);
    I.d = d.dst(0, Ty::B32);
    d.emit(I);
    return true;
  }
  if (d.types.size() != 2) d.unsupported();
  Ty dt = d.types[0], st = d.types[1];
  u16 flags = 0;
  if (d.has("ftz")) flags |= kFtz;
  bool satf = d.has("satfinite"), sat = d.has("sat");
  if (d.has("relu")) flags |= kRelu;
  int round = d.one_of({"rn", "rz", "rm", "rp", "rna"});
  int iround = d.one_of({"rni", "rzi", "rmi", "rpi"});
  u8 mode = static_cast<u8>(iround >= 0 ? iround | kIntFlag : round >= 0 ? round : 0);
  auto two = [&](ExecFn f, Ty rt) {
    Insn I = d.make(f, Cls::Fp16);
    I.a = d.src(1, Ty::F32), I.b = d.src(2, Ty::F32), I.d = d.dst(0, rt);
    I.op = mode, I.flags = flags;
    d.emit(I);
    return true;
  };
  if (dt == Ty::F16x2 && st == Ty::F32) {
    if (satf) flags |= kSat;
    return two(pack_halves<false>, Ty::B32);
  }
  if (dt == Ty::BF16x2 && st == Ty::F32) {
    if (satf) flags |= kSat;
    return two(pack_halves<true>, Ty::B32);
  }
  if ((dt == Ty::E4M3x2 || dt == Ty::E5M2x2) && st == Ty::F32)
    return two(dt == Ty::E4M3x2 ? f32_to_fp8x2<true> : f32_to_fp8x2<false>, Ty::B16);
  ExecFn f = nullptr;
  if ((dt == Ty::E4M3x2 || dt == Ty::E5M2x2) && st == Ty::F16x2)
    f = dt == Ty::E4M3x2 ? f16x2_to_fp8x2<true> : f16x2_to_fp8x2<false>;
  else if (dt == Ty::F16x2 && (st == Ty::E4M3x2 || st == Ty::E5M2x2))
    f = st == Ty::E4M3x2 ? fp8x2_to_f16x2<true> : fp8x2_to_f16x2<false>;
  else {
    if (sat && is_float(dt)) flags |= kSat;
    f = pick(dt, st, sat, mode, flags);
  }
  if (!f) d.unsupported();
  Insn I = d.make(f, type_bits(dt) == 16 && is_float(dt) ? Cls::Fp16
                     : is_float(dt) || is_float(st)      ? Cls::Fp32
                                                         : Cls::Int);
  I.a = d.src(1, st), I.d = d.dst(0, dt);
  I.op = mode, I.flags = flags;
  d.emit(I);
  return true;
}

}  // namespace cudasim

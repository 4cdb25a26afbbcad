// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// f32 and f64 arithmetic and the approximate special functions.
#include <cfenv>

#include "decode.hpp"
#include "float_formats.hpp"

namespace cudasim {
namespace {

// Fast path: round to nearest, no flush, no saturation. Everything else goes through `general`.
#define FBIN(Name, expr)   \
  struct Name {            \
    template <class T>     \
    static T f(T a, T b) { \
      return expr;         \
    }                      \
  }
FBIN(Add, a + b);
FBIN(Sub, a - b);
FBIN(Mul, a* b);
FBIN(Div, a / b);
FBIN(Min, a != a ? b : b != b ? a : a < b ? a : b < a ? b : (std::signbit(a) ? a : b));
FBIN(Max, a != a ? b : b != b ? a : a > b ? a : b > a ? b : (std::signbit(a) ? b : a));
FBIN(CopySign, std::copysign(b, a));
#undef FBIN
#define FUNA(Name, expr) \
  struct Name {          \
    template <class T>   \
    static T f(T a) {    \
      return expr;       \
    }                    \
  }
FUNA(Neg, -a);
FUNA(Abs, std::fabs(a));
FUNA(Sqrt, std::sqrt(a));
FUNA(Rcp, T{1} / a);
FUNA(Rsqrt, T{1} / std::sqrt(a));
FUNA(Ex2, std::exp2(a));
FUNA(Lg2, std::log2(a));
FUNA(Sin, std::sin(a));
FUNA(Cos, std::cos(a));
FUNA(Tanh, std::tanh(a));
#undef FUNA
struct Fma {
  template <class T>
  static T f(T a, T b, T c) {
    return std::fma(a, b, c);
  }
};

template <class T, class Op>
void fast1(Warp& w, const Insn& I, u32 m) {
  map1<T, T>(w, I, m, [](T a) { return Op::template f<T>(a); });
}
template <class T, class Op>
void fast2(Warp& w, const Insn& I, u32 m) {
  map2<T, T, T>(w, I, m, [](T a, T b) { return Op::template f<T>(a, b); });
}
template <class T, class Op>
void fast3(Warp& w, const Insn& I, u32 m) {
  map3<T, T, T, T>(w, I, m, [](T a, T b, T c) { return Op::template f<T>(a, b, c); });
}

/// Directed rounding for the duration of a scope.
struct Rounding {
  explicit Rounding(u16 flags) {
    static constexpr int modes[4] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    int r = flags >> kRoundShift & 3;
    if (r) std::fesetround(modes[r]), changed = true;
  }
  ~Rounding() {
    if (changed) std::fesetround(FE_TONEAREST);
  }
  bool changed = false;
};

template <class T>
T pre(T x, u16 flags) {
  if constexpr (sizeof(T) == 4)
    if (flags & kFtz) return ftz(x);
  return x;
}
template <class T>
T post(T x, u16 flags) {
  if constexpr (sizeof(T) == 4)
    if (flags & kFtz) x = ftz(x);
  if (flags & kSat) x = x > T{1} ? T{1} : x > T{0} ? x : T{0};
  return x;
}
template <class T>
T nan_rule(T r, T a, T b, u16 flags) {
  return (flags & kNanProp) && (a != a || b != b) ? std::numeric_limits<T>::quiet_NaN() : r;
}

/// One lane at a time, opaque to the optimiser so that the rounding mode is honoured.
template <class T, class Op>
[[gnu::noinline]] T call2(T a, T b) {
  volatile T x = a, y = b;
  volatile T r = Op::template f<T>(x, y);
  return r;
}
template <class T, class Op>
[[gnu::noinline]] T call1(T a) {
  volatile T x = a;
  volatile T r = Op::template f<T>(x);
  return r;
}
template <class T, class Op>
void general2(Warp& w, const Insn& I, u32 m) {
  Rounding round(I.flags);
  T* d = w.r<T>(I.d);
  const T *a = w.r<T>(I.a), *b = w.r<T>(I.b);
  for (u32 k = m; k; k &= k - 1) {
    int i = std::countr_zero(k);
    T x = pre(a[i], I.flags), y = pre(b[i], I.flags);
    T v = post(nan_rule(call2<T, Op>(x, y), x, y, I.flags), I.flags);
    if (I.flags & kXorSign) v = std::copysign(v, std::signbit(x) != std::signbit(y) ? T{-1} : T{1});
    d[i] = v;
  }
}
template <class T, class Op>
void general1(Warp& w, const Insn& I, u32 m) {
  Rounding round(I.flags);
  T* d = w.r<T>(I.d);
  const T* a = w.r<T>(I.a);
  for (u32 k = m; k; k &= k - 1) {
    int i = std::countr_zero(k);
    d[i] = post(call1<T, Op>(pre(a[i], I.flags)), I.flags);
  }
}
template <class T>
[[gnu::noinline]] T call_fma(T a, T b, T c) {
  volatile T x = a, y = b, z = c;
  volatile T r = std::fma(x, y, z);
  return r;
}
template <class T>
void general_fma(Warp& w, const Insn& I, u32 m) {
  T* d = w.r<T>(I.d);
  const T *a = w.r<T>(I.a), *b = w.r<T>(I.b), *c = w.r<T>(I.c);
  Rounding round(I.flags);
  for (u32 k = m; k; k &= k - 1) {
    int i = std::countr_zero(k);
    d[i] = post(call_fma(pre(a[i], I.flags), pre(b[i], I.flags), pre(c[i], I.flags)), I.flags);
  }
}
template <class T, bool kMax>
void minmax3(Warp& w, const Insn& I, u32 m) {
  T* d = w.r<T>(I.d);
  const T *a = w.r<T>(I.a), *b = w.r<T>(I.b), *c = w.r<T>(I.c);
  lanes(m, [&](int i) {
    auto f = [&](T x, T y) { return nan_rule(kMax ? Max::f(x, y) : Min::f(x, y), x, y, I.flags); };
    d[i] = f(f(a[i], b[i]), c[i]);
  });
}
template <class T>
void testp(Warp& w, const Insn& I, u32 m) {
  const T* a = w.r<T>(I.a);
  int what = I.op;
  set_pred(w, I.d, m, ballot(m, [&](int i) {
             T x = a[i];
             int c = std::fpclassify(x);
             switch (what) {
               case 0: return c != FP_NAN && c != FP_INFINITE;
               case 1: return c == FP_INFINITE;
               case 2: return c != FP_NAN;
               case 3: return c == FP_NAN;
               case 4: return c == FP_NORMAL;
               default: return c == FP_SUBNORMAL;
             }
           }));
}

struct Mods {
  u16 flags = 0;
  bool plain() const { return flags == 0; }
};

/// Rounding, flush and saturation modifiers.
Mods modifiers(Dec& d) {
  Mods m;
  int r = d.one_of({"rn", "rz", "rm", "rp"});
  if (r > 0) m.flags |= static_cast<u16>(r << kRoundShift);
  if (d.has("ftz")) m.flags |= kFtz;
  if (d.has("sat")) m.flags |= kSat;
  if (d.has("NaN")) m.flags |= kNanProp;
  if (d.has("xorsign")) {
    m.flags |= kXorSign;
    d.has("abs");
  }
  return m;
}

template <class Op>
void two(Dec& d, Ty t, Mods m) {
  ExecFn f = t == Ty::F64 ? (m.plain() ? fast2<double, Op> : general2<double, Op>)
                          : (m.plain() ? fast2<float, Op> : general2<float, Op>);
  s32 a = d.src(1, t), b = d.src(2, t);
  d.emit(f, t == Ty::F64 ? Cls::Fp64 : Cls::Fp32, d.dst(0, t), a, b, 0, m.flags);
}
template <class Op>
void one(Dec& d, Ty t, Mods m, Cls cls = Cls::Count) {
  ExecFn f = t == Ty::F64 ? (m.plain() ? fast1<double, Op> : general1<double, Op>)
                          : (m.plain() ? fast1<float, Op> : general1<float, Op>);
  s32 a = d.src(1, t);
  d.emit(f,
         cls != Cls::Count ? cls
         : t == Ty::F64    ? Cls::Fp64
                           : Cls::Fp32,
         d.dst(0, t), a, 0, 0, m.flags);
}

struct AbsMin {
  template <class T>
  static T f(T a, T b) {
    return Min::f(std::fabs(a), std::fabs(b));
  }
};
struct AbsMax {
  template <class T>
  static T f(T a, T b) {
    return Max::f(std::fabs(a), std::fabs(b));
  }
};

}  // namespace

bool decode_float(Dec& d) {
  Ty t = d.type();
  if (t != Ty::F32 && t != Ty::F64) return false;
  auto op = d.op();
  if (op != "add" && op != "sub" && op != "mul" && op != "fma" && op != "mad" && op != "div" &&
      op != "min" && op != "max" && op != "neg" && op != "abs" && op != "sqrt" && op != "rcp" &&
      op != "rsqrt" && op != "ex2" && op != "lg2" && op != "sin" && op != "cos" && op != "tanh" &&
      op != "copysign" && op != "testp")
    return false;
  if (d.types.size() > 1) d.unsupported("mixed types");
  if (op == "testp") {
    Insn I = d.make(t == Ty::F64 ? testp<double> : testp<float>, Cls::Fp32);
    I.op = static_cast<u8>(
        d.one_of({"finite", "infinite", "number", "notanumber", "normal", "subnormal"}));
    I.a = d.src(1, t), I.d = d.pdst(0);
    d.emit(I);
    return true;
  }
  Mods m = modifiers(d);
  if (op == "add")
    two<Add>(d, t, m);
  else if (op == "sub")
    two<Sub>(d, t, m);
  else if (op == "mul")
    two<Mul>(d, t, m);
  else if (op == "div")
    d.one_of({"approx", "full"}), two<Div>(d, t, m);
  else if (op == "copysign")
    two<CopySign>(d, t, m);
  else if (op == "min" || op == "max") {
    bool mx = op == "max";
    if (d.nargs() == 4) {
      Insn I = d.make(mx ? minmax3<float, true> : minmax3<float, false>, Cls::Fp32);
      I.a = d.src(1, t), I.b = d.src(2, t), I.c = d.src(3, t), I.d = d.dst(0, t), I.flags = m.flags;
      d.emit(I);
    } else if (m.flags & kXorSign)
      mx ? two<AbsMax>(d, t, m) : two<AbsMin>(d, t, m);
    else
      mx ? two<Max>(d, t, m) : two<Min>(d, t, m);
  } else if (op == "fma" || op == "mad") {
    ExecFn f = t == Ty::F64 ? (m.plain() ? fast3<double, Fma> : general_fma<double>)
                            : (m.plain() ? fast3<float, Fma> : general_fma<float>);
    s32 a = d.src(1, t), b = d.src(2, t), c = d.src(3, t);
    d.emit(f, t == Ty::F64 ? Cls::Fp64 : Cls::Fp32, d.dst(0, t), a, b, c, m.flags);
  } else {
    d.has("approx");
    if (op == "neg")
      one<Neg>(d, t, m);
    else if (op == "abs")
      one<Abs>(d, t, m);
    else if (op == "sqrt")
      one<Sqrt>(d, t, m, Cls::Special);
    else if (op == "rcp")
      one<Rcp>(d, t, m, Cls::Special);
    else if (op == "rsqrt")
      one<Rsqrt>(d, t, m, Cls::Special);
    else if (op == "ex2")
      one<Ex2>(d, t, m, Cls::Special);
    else if (op == "lg2")
      one<Lg2>(d, t, m, Cls::Special);
    else if (op == "sin")
      one<Sin>(d, t, m, Cls::Special);
    else if (op == "cos")
      one<Cos>(d, t, m, Cls::Special);
    else
      one<Tanh>(d, t, m, Cls::Special);
  }
  return true;
}

}  // namespace cudasim

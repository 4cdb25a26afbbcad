// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Integer arithmetic, logic, shifts and bit manipulation.
#include "decode.hpp"

namespace cudasim {
namespace {

template <class T>
using Wider = std::conditional_t<
    sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, s32, u32>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, s64, u64>,
                       std::conditional_t<std::is_signed_v<T>, s128, u128>>>;
template <class T>
using Uns = std::make_unsigned_t<T>;

// ---- operations: static T f(...) ------------------------------------------------------------
#define BINOP(Name, expr)                \
  struct Name {                          \
    template <class T>                   \
    static T f(T a, T b) {               \
      using U [[maybe_unused]] = Uns<T>; \
      return static_cast<T>(expr);       \
    }                                    \
  }
BINOP(Add, static_cast<U>(a) + static_cast<U>(b));
BINOP(Sub, static_cast<U>(a) - static_cast<U>(b));
BINOP(MulLo, static_cast<Wider<U>>(static_cast<U>(a)) * static_cast<U>(b));
BINOP(MulHi, (static_cast<Wider<T>>(a) * static_cast<Wider<T>>(b)) >> (8 * sizeof(T)));
BINOP(Div, b == 0 ? static_cast<T>(-1)
           : (std::is_signed_v<T> && b == static_cast<T>(-1))
               ? static_cast<T>(U{0} - static_cast<U>(a))
               : a / b);
BINOP(Rem, b == 0 ? a : (std::is_signed_v<T> && b == static_cast<T>(-1)) ? T{0} : a % b);
BINOP(Min, a < b ? a : b);
BINOP(Max, a > b ? a : b);
BINOP(And, a& b);
BINOP(Or, a | b);
BINOP(Xor, a ^ b);
#undef BINOP
struct AddSat {
  template <class T>
  static T f(T a, T b) {
    s64 v = static_cast<s64>(a) + b;
    return static_cast<T>(v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v);
  }
};
struct SubSat {
  template <class T>
  static T f(T a, T b) {
    s64 v = static_cast<s64>(a) - b;
    return static_cast<T>(v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v);
  }
};
struct Mul24Lo {
  template <class T>
  static T f(T a, T b) {
    return static_cast<T>(prod(a, b));
  }
  template <class T>
  static s64 prod(T a, T b) {
    if constexpr (std::is_signed_v<T>)
      return (static_cast<s64>(static_cast<s32>(static_cast<u32>(a) << 8)) >> 8) *
             (static_cast<s64>(static_cast<s32>(static_cast<u32>(b) << 8)) >> 8);
    else
      return static_cast<s64>(static_cast<u64>(a & 0xffffff) * (b & 0xffffff));
  }
};
struct Mul24Hi {
  template <class T>
  static T f(T a, T b) {
    return static_cast<T>(Mul24Lo::prod(a, b) >> 16);
  }
};

template <class T, class Op>
void bin(Warp& w, const Insn& I, u32 m) {
  map2<T, T, T>(w, I, m, [](T a, T b) { return Op::template f<T>(a, b); });
}
template <class T>
void mul_wide(Warp& w, const Insn& I, u32 m) {
  map2<Wider<T>, T, T>(
      w, I, m, [](T a, T b) { return static_cast<Wider<T>>(a) * static_cast<Wider<T>>(b); });
}
template <class T>
void mad_wide(Warp& w, const Insn& I, u32 m) {
  using W = Wider<T>;
  map3<W, T, T, W>(w, I, m, [](T a, T b, W c) {
    return static_cast<W>(static_cast<Uns<W>>(static_cast<W>(a) * static_cast<W>(b)) +
                          static_cast<Uns<W>>(c));
  });
}
template <class T, class Mul>
void mad(Warp& w, const Insn& I, u32 m) {
  map3<T, T, T, T>(w, I, m, [](T a, T b, T c) {
    return static_cast<T>(static_cast<Uns<T>>(Mul::template f<T>(a, b)) + static_cast<Uns<T>>(c));
  });
}
template <class T>
void sad(Warp& w, const Insn& I, u32 m) {
  map3<T, T, T, T>(w, I, m, [](T a, T b, T c) {
    Uns<T> d = a < b ? static_cast<Uns<T>>(static_cast<Uns<T>>(b) - static_cast<Uns<T>>(a))
                     : static_cast<Uns<T>>(static_cast<Uns<T>>(a) - static_cast<Uns<T>>(b));
    return static_cast<T>(static_cast<Uns<T>>(c) + d);
  });
}

struct Neg {
  template <class T>
  static T f(T a) {
    return static_cast<T>(Uns<T>{0} - static_cast<Uns<T>>(a));
  }
};
struct Abs {
  template <class T>
  static T f(T a) {
    return a < 0 ? Neg::f(a) : a;
  }
};
struct Not {
  template <class T>
  static T f(T a) {
    return static_cast<T>(~a);
  }
};
struct Cnot {
  template <class T>
  static T f(T a) {
    return a == 0;
  }
};
struct Brev {
  template <class T>
  static T f(T a) {
    T r = 0;
    for (size_t i = 0; i < sizeof(T) * 8; ++i)
      r = static_cast<T>(r | (((a >> i) & 1) << (sizeof(T) * 8 - 1 - i)));
    return r;
  }
};
template <class T, class Op>
void una(Warp& w, const Insn& I, u32 m) {
  map1<T, T>(w, I, m, [](T a) { return Op::template f<T>(a); });
}
template <class T>
void popc(Warp& w, const Insn& I, u32 m) {
  map1<u32, T>(w, I, m, [](T a) { return static_cast<u32>(std::popcount(a)); });
}
template <class T>
void clz(Warp& w, const Insn& I, u32 m) {
  map1<u32, T>(w, I, m, [](T a) { return static_cast<u32>(std::countl_zero(a)); });
}
template <class T>
void bfind(Warp& w, const Insn& I, u32 m) {
  bool shift = I.op;
  map1<u32, T>(w, I, m, [=](T a) {
    Uns<T> v = static_cast<Uns<T>>(std::is_signed_v<T> && a < 0 ? ~a : a);
    if (!v) return 0xffffffffu;
    u32 pos = static_cast<u32>(sizeof(T) * 8 - 1 - static_cast<size_t>(std::countl_zero(v)));
    return shift ? static_cast<u32>(sizeof(T) * 8 - 1) - pos : pos;
  });
}

// Shifts clamp the amount (32-bit unsigned) at the width.
template <class T>
void shl(Warp& w, const Insn& I, u32 m) {
  map2<T, T, u32>(w, I, m, [](T a, u32 b) {
    return b >= sizeof(T) * 8 ? T{0} : static_cast<T>(static_cast<u64>(a) << b);
  });
}
template <class T>
void shr(Warp& w, const Insn& I, u32 m) {
  map2<T, T, u32>(w, I, m, [](T a, u32 b) {
    u32 top = sizeof(T) * 8 - 1;
    if constexpr (std::is_signed_v<T>)
      return static_cast<T>(a >> (b > top ? top : b));
    else
      return b > top ? T{0} : static_cast<T>(a >> b);
  });
}
void shf(Warp& w, const Insn& I, u32 m) {
  bool left = I.op & 1, clamp = I.op & 2;
  map3<u32, u32, u32, u32>(w, I, m, [=](u32 a, u32 b, u32 c) {
    u32 n = clamp ? (c > 32 ? 32 : c) : (c & 31);
    u64 v = (static_cast<u64>(b) << 32) | a;
    return left ? static_cast<u32>((v << n) >> 32) : static_cast<u32>(n == 32 ? b : (v >> n));
  });
}

template <class T>
void bfe(Warp& w, const Insn& I, u32 m) {
  map3<T, T, u32, u32>(w, I, m, [](T a, u32 b, u32 c) {
    u32 msb = sizeof(T) * 8 - 1, pos = b & 0xff, len = c & 0xff;
    using U = Uns<T>;
    bool sign = false;
    if constexpr (std::is_signed_v<T>) {
      u32 sp = pos + len - 1 < msb ? pos + len - 1 : msb;
      sign = len && ((static_cast<U>(a) >> sp) & 1);
    }
    U v = pos > msb ? U{0} : static_cast<U>(static_cast<U>(a) >> pos);
    if (pos > msb) v = 0;
    u32 avail = pos > msb ? 0 : msb + 1 - pos, n = len < avail ? len : avail;
    U mask = n > msb ? static_cast<U>(~U{0}) : static_cast<U>((U{1} << n) - 1);
    v &= mask;
    if (sign) v |= static_cast<U>(~mask);
    return static_cast<T>(v);
  });
}
template <class T>
void bfi(Warp& w, const Insn& I, u32 m) {
  T* d = w.r<T>(I.d);
  const T *a = w.r<T>(I.a), *b = w.r<T>(I.b);
  const u32 *c = w.r<u32>(I.c), *e = w.r<u32>(I.e);
  lanes(m, [&](int i) {
    u32 msb = sizeof(T) * 8 - 1, pos = c[i] & 0xff, len = e[i] & 0xff;
    T r = b[i];
    if (pos <= msb && len) {
      u32 n = len < msb + 1 - pos ? len : msb + 1 - pos;
      T mask = static_cast<T>((n > msb ? ~T{0} : static_cast<T>((T{1} << n) - 1)) << pos);
      r = static_cast<T>((r & ~mask) | ((a[i] << pos) & mask));
    }
    d[i] = r;
  });
}
void bmsk(Warp& w, const Insn& I, u32 m) {
  bool clamp = I.op;
  map2<u32, u32, u32>(w, I, m, [=](u32 a, u32 b) {
    if (!clamp) a &= 31, b &= 31;
    if (a >= 32) return 0u;
    u32 n = b >= 32 ? 32 : b;
    u64 mask = ((1ull << n) - 1) << a;
    return static_cast<u32>(mask);
  });
}
void szext(Warp& w, const Insn& I, u32 m) {
  bool clamp = I.op & 1, sign = I.op & 2;
  map2<u32, u32, u32>(w, I, m, [=](u32 a, u32 b) {
    u32 n = clamp ? (b > 32 ? 32 : b) : (b & 31);
    if (n == 0) return 0u;
    if (n >= 32) return a;
    u32 mask = (1u << n) - 1, v = a & mask;
    return sign && (v >> (n - 1) & 1) ? v | ~mask : v;
  });
}

void prmt(Warp& w, const Insn& I, u32 m) {
  int mode = I.op;
  map3<u32, u32, u32, u32>(w, I, m, [=](u32 a, u32 b, u32 c) {
    u64 v = (static_cast<u64>(b) << 32) | a;
    auto byte = [&](u32 i) { return static_cast<u32>(v >> (8 * (i & 7))) & 0xff; };
    u32 s = c & 3, r = 0;
    for (u32 i = 0; i < 4; ++i) {
      u32 x;
      switch (mode) {
        case 1: x = byte(s + i); break;                      // f4e
        case 2: x = byte((s - i) & 7); break;                // b4e
        case 3: x = byte(s); break;                          // rc8
        case 4: x = byte(i > s ? i : s); break;              // ecl
        case 5: x = byte(i < s ? i : s); break;              // ecr
        case 6: x = byte((s & 1 ? 2 : 0) + (i & 1)); break;  // rc16
        default: {
          u32 sel = c >> (4 * i);
          x = byte(sel);
          if (sel & 8) x = x & 0x80 ? 0xff : 0;
        }
      }
      r |= x << (8 * i);
    }
    return r;
  });
}

void lop3(Warp& w, const Insn& I, u32 m) {
  u32 lut = static_cast<u32>(I.imm);
  u32 k[8];
  for (u32 i = 0; i < 8; ++i) k[i] = lut >> i & 1 ? ~0u : 0u;
  map3<u32, u32, u32, u32>(w, I, m, [=](u32 a, u32 b, u32 c) {
    return (~a & ~b & ~c & k[0]) | (~a & ~b & c & k[1]) | (~a & b & ~c & k[2]) |
           (~a & b & c & k[3]) | (a & ~b & ~c & k[4]) | (a & ~b & c & k[5]) | (a & b & ~c & k[6]) |
           (a & b & c & k[7]);
  });
}

// Extended precision: the carry flag lives in the warp, one bit per lane.
template <class T, bool kSub>
void addsub_cc(Warp& w, const Insn& I, u32 m) {
  bool in = I.op & 1, out = I.op & 2;
  T* d = w.r<T>(I.d);
  const T *a = w.r<T>(I.a), *b = w.r<T>(I.b);
  for (u32 k = m; k; k &= k - 1) {
    int i = std::countr_zero(k);
    u32 cin = in ? w.cc_carry >> i & 1 : 0;
    u128 r = kSub ? static_cast<u128>(a[i]) - b[i] - cin : static_cast<u128>(a[i]) + b[i] + cin;
    d[i] = static_cast<T>(r);
    if (out)
      w.cc_carry = (w.cc_carry & ~(1u << i)) | (static_cast<u32>(r >> (sizeof(T) * 8) & 1) << i);
  }
}
template <class T>
void mad_cc(Warp& w, const Insn& I, u32 m) {
  bool in = I.op & 1, out = I.op & 2, hi = I.op & 4;
  using U = Uns<T>;
  T* d = w.r<T>(I.d);
  const T *a = w.r<T>(I.a), *b = w.r<T>(I.b), *c = w.r<T>(I.c);
  for (u32 k = m; k; k &= k - 1) {
    int i = std::countr_zero(k);
    Wider<T> p = static_cast<Wider<T>>(a[i]) * b[i];
    U part = static_cast<U>(hi ? p >> (sizeof(T) * 8) : p);
    u128 r = static_cast<u128>(part) + static_cast<U>(c[i]) + (in ? w.cc_carry >> i & 1 : 0);
    d[i] = static_cast<T>(r);
    if (out)
      w.cc_carry = (w.cc_carry & ~(1u << i)) | (static_cast<u32>(r >> (sizeof(T) * 8) & 1) << i);
  }
}

void dp4a(Warp& w, const Insn& I, u32 m) {
  bool sa = I.op & 1, sb = I.op & 2;
  map3<u32, u32, u32, u32>(w, I, m, [=](u32 a, u32 b, u32 c) {
    for (int k = 0; k < 4; ++k) {
      s32 x = sa ? static_cast<s8>(a >> 8 * k) : static_cast<s32>(static_cast<u8>(a >> 8 * k));
      s32 y = sb ? static_cast<s8>(b >> 8 * k) : static_cast<s32>(static_cast<u8>(b >> 8 * k));
      c += static_cast<u32>(x * y);
    }
    return c;
  });
}
void dp2a(Warp& w, const Insn& I, u32 m) {
  bool sa = I.op & 1, sb = I.op & 2, hi = I.op & 4;
  map3<u32, u32, u32, u32>(w, I, m, [=](u32 a, u32 b, u32 c) {
    for (int k = 0; k < 2; ++k) {
      s32 x = sa ? static_cast<s16>(a >> 16 * k) : static_cast<s32>(static_cast<u16>(a >> 16 * k));
      int sh = 8 * (k + (hi ? 2 : 0));
      s32 y = sb ? static_cast<s8>(b >> sh) : static_cast<s32>(static_cast<u8>(b >> sh));
      c += static_cast<u32>(x * y);
    }
    return c;
  });
}
void fns(Warp& w, const Insn& I, u32 m) {
  map3<u32, u32, u32, s32>(w, I, m, [](u32 mask, u32 base, s32 off) {
    if (off == 0) return mask >> (base & 31) & 1 ? base : 0xffffffffu;
    int n = off < 0 ? -off : off, step = off < 0 ? -1 : 1;
    for (int i = static_cast<int>(base); i >= 0 && i < 32; i += step)
      if (mask >> i & 1 && --n == 0) return static_cast<u32>(i);
    return 0xffffffffu;
  });
}

// 16x2 integers (add, min, max)
template <class T, class Op>
void bin_x2(Warp& w, const Insn& I, u32 m) {
  map2<u32, u32, u32>(w, I, m, [](u32 a, u32 b) {
    u16 lo = static_cast<u16>(Op::template f<T>(static_cast<T>(a), static_cast<T>(b)));
    u16 hi = static_cast<u16>(Op::template f<T>(static_cast<T>(a >> 16), static_cast<T>(b >> 16)));
    return static_cast<u32>(hi) << 16 | lo;
  });
}

// ---- selection by type ----------------------------------------------------------------------
template <class Op>
ExecFn pick_bin(Ty t) {
  switch (t) {
    case Ty::U16:
    case Ty::B16: return bin<u16, Op>;
    case Ty::U32:
    case Ty::B32: return bin<u32, Op>;
    case Ty::U64:
    case Ty::B64: return bin<u64, Op>;
    case Ty::S16: return bin<s16, Op>;
    case Ty::S32: return bin<s32, Op>;
    case Ty::S64: return bin<s64, Op>;
    case Ty::U16x2: return bin_x2<u16, Op>;
    case Ty::S16x2: return bin_x2<s16, Op>;
    default: return nullptr;
  }
}
template <class Op>
ExecFn pick_una(Ty t) {
  switch (t) {
    case Ty::U16:
    case Ty::B16: return una<u16, Op>;
    case Ty::U32:
    case Ty::B32: return una<u32, Op>;
    case Ty::U64:
    case Ty::B64: return una<u64, Op>;
    case Ty::S16: return una<s16, Op>;
    case Ty::S32: return una<s32, Op>;
    case Ty::S64: return una<s64, Op>;
    default: return nullptr;
  }
}
template <class Mul>
ExecFn pick_mad(Ty t) {
  switch (t) {
    case Ty::U16: return mad<u16, Mul>;
    case Ty::U32: return mad<u32, Mul>;
    case Ty::U64: return mad<u64, Mul>;
    case Ty::S16: return mad<s16, Mul>;
    case Ty::S32: return mad<s32, Mul>;
    case Ty::S64: return mad<s64, Mul>;
    default: return nullptr;
  }
}

Ty widened(Ty t) {
  switch (t) {
    case Ty::U16: return Ty::U32;
    case Ty::S16: return Ty::S32;
    case Ty::U32: return Ty::U64;
    case Ty::S32: return Ty::S64;
    default: return Ty::None;
  }
}

bool int_type(Ty t) {
  switch (t) {
    case Ty::B16:
    case Ty::B32:
    case Ty::B64:
    case Ty::U16:
    case Ty::U32:
    case Ty::U64:
    case Ty::S16:
    case Ty::S32:
    case Ty::S64:
    case Ty::U16x2:
    case Ty::S16x2: return true;
    default: return false;
  }
}

void emit_bin(Dec& d, ExecFn f, Ty t) {
  if (!f) d.unsupported();
  s32 a = d.src(1, t), b = d.src(2, t), dst = d.dst(0, t);
  d.emit(f, Cls::Int, dst, a, b);
}
void emit_una(Dec& d, ExecFn f, Ty t, Ty result) {
  if (!f) d.unsupported();
  s32 a = d.src(1, t), dst = d.dst(0, result);
  d.emit(f, Cls::Int, dst, a);
}
void emit3(Dec& d, ExecFn f, Ty rd, Ty ra, Ty rb, Ty rc, u8 op = 0, s64 imm = 0) {
  Insn I = d.make(f, Cls::Int);
  I.a = d.src(1, ra), I.b = d.src(2, rb), I.c = d.src(3, rc), I.d = d.dst(0, rd);
  I.op = op, I.imm = imm;
  d.emit(I);
}

}  // namespace

bool decode_int(Dec& d) {
  auto op = d.op();
  Ty t = d.type();
  if (op == "dp4a" || op == "dp2a") {
    if (d.types.size() != 2) d.unsupported();
    u8 f = static_cast<u8>((is_signed(d.types[0]) ? 1 : 0) | (is_signed(d.types[1]) ? 2 : 0));
    if (op == "dp2a" && d.one_of({"lo", "hi"}) == 1) f |= 4;
    emit3(d, op == "dp4a" ? dp4a : dp2a, Ty::B32, Ty::B32, Ty::B32, Ty::B32, f);
    return true;
  }
  if (op == "fns") return emit3(d, fns, Ty::B32, Ty::B32, Ty::B32, Ty::S32), true;
  if (!int_type(t)) return false;

  if (op == "add" || op == "sub" || op == "addc" || op == "subc") {
    bool sub = op[0] == 's', carry_in = op.size() == 4, cc = d.has("cc");
    if (carry_in || cc) {
      bool wide = type_bits(t) == 64;
      Insn I = d.make(sub ? (wide ? addsub_cc<u64, true> : addsub_cc<u32, true>)
                          : (wide ? addsub_cc<u64, false> : addsub_cc<u32, false>),
                      Cls::Int, Kind::Mem);
      I.a = d.src(1, t), I.b = d.src(2, t), I.d = d.dst(0, t);
      I.op = static_cast<u8>(carry_in | cc << 1);
      d.emit(I);
    } else if (d.has("sat")) {
      if (t != Ty::S32) d.unsupported();
      emit_bin(d, sub ? bin<s32, SubSat> : bin<s32, AddSat>, t);
    } else {
      emit_bin(d, sub ? pick_bin<Sub>(t) : pick_bin<Add>(t), t);
    }
    return true;
  }
  if (op == "mul") {
    int part = d.one_of({"lo", "hi", "wide"});
    if (part == 2) {
      ExecFn f = t == Ty::U16   ? mul_wide<u16>
                 : t == Ty::S16 ? mul_wide<s16>
                 : t == Ty::U32 ? mul_wide<u32>
                 : t == Ty::S32 ? mul_wide<s32>
                                : nullptr;
      if (!f) d.unsupported();
      s32 a = d.src(1, t), b = d.src(2, t), dst = d.dst(0, widened(t));
      d.emit(f, Cls::Int, dst, a, b);
    } else
      emit_bin(d, part == 1 ? pick_bin<MulHi>(t) : pick_bin<MulLo>(t), t);
    return true;
  }
  if (op == "mad" || op == "madc") {
    int part = d.one_of({"lo", "hi", "wide"});
    bool cc = d.has("cc"), carry_in = op == "madc";
    if (cc || carry_in) {
      if (part == 2) d.unsupported();
      ExecFn f = t == Ty::U32   ? mad_cc<u32>
                 : t == Ty::S32 ? mad_cc<s32>
                 : t == Ty::U64 ? mad_cc<u64>
                                : mad_cc<s64>;
      Insn I = d.make(f, Cls::Int, Kind::Mem);
      I.a = d.src(1, t), I.b = d.src(2, t), I.c = d.src(3, t), I.d = d.dst(0, t);
      I.op = static_cast<u8>(carry_in | cc << 1 | (part == 1) << 2);
      d.emit(I);
    } else if (part == 2) {
      ExecFn f = t == Ty::U16   ? mad_wide<u16>
                 : t == Ty::S16 ? mad_wide<s16>
                 : t == Ty::U32 ? mad_wide<u32>
                 : t == Ty::S32 ? mad_wide<s32>
                                : nullptr;
      if (!f) d.unsupported();
      emit3(d, f, widened(t), t, t, widened(t));
    } else {
      ExecFn f = part == 1 ? pick_mad<MulHi>(t) : pick_mad<MulLo>(t);
      if (!f || d.has("sat")) d.unsupported();
      emit3(d, f, t, t, t, t);
    }
    return true;
  }
  if (op == "mul24" || op == "mad24") {
    bool hi = d.one_of({"lo", "hi"}) == 1, sg = t == Ty::S32;
    if (op == "mul24")
      emit_bin(d,
               hi ? (sg ? bin<s32, Mul24Hi> : bin<u32, Mul24Hi>)
                  : (sg ? bin<s32, Mul24Lo> : bin<u32, Mul24Lo>),
               t);
    else
      emit3(d,
            hi ? (sg ? mad<s32, Mul24Hi> : mad<u32, Mul24Hi>)
               : (sg ? mad<s32, Mul24Lo> : mad<u32, Mul24Lo>),
            t, t, t, t);
    return true;
  }
  if (op == "sad") {
    ExecFn f = t == Ty::U16   ? sad<u16>
               : t == Ty::S16 ? sad<s16>
               : t == Ty::U32 ? sad<u32>
               : t == Ty::S32 ? sad<s32>
               : t == Ty::U64 ? sad<u64>
                              : sad<s64>;
    return emit3(d, f, t, t, t, t), true;
  }
  if (op == "div") return emit_bin(d, pick_bin<Div>(t), t), true;
  if (op == "rem") return emit_bin(d, pick_bin<Rem>(t), t), true;
  if (op == "min" || op == "max") {
    bool relu = d.has("relu");
    emit_bin(d, op == "min" ? pick_bin<Min>(t) : pick_bin<Max>(t), t);
    if (relu) d.unsupported("relu");
    return true;
  }
  if (op == "and") return emit_bin(d, pick_bin<And>(t), t), true;
  if (op == "or") return emit_bin(d, pick_bin<Or>(t), t), true;
  if (op == "xor") return emit_bin(d, pick_bin<Xor>(t), t), true;
  if (op == "not") return emit_una(d, pick_una<Not>(t), t, t), true;
  if (op == "cnot") return emit_una(d, pick_una<Cnot>(t), t, t), true;
  if (op == "neg") return emit_una(d, pick_una<Neg>(t), t, t), true;
  if (op == "abs") return emit_una(d, pick_una<Abs>(t), t, t), true;
  if (op == "brev")
    return emit_una(d, type_bits(t) == 64 ? una<u64, Brev> : una<u32, Brev>, t, t), true;
  if (op == "popc")
    return emit_una(d, type_bits(t) == 64 ? popc<u64> : popc<u32>, t, Ty::U32), true;
  if (op == "clz") return emit_una(d, type_bits(t) == 64 ? clz<u64> : clz<u32>, t, Ty::U32), true;
  if (op == "bfind") {
    ExecFn f = t == Ty::U32   ? bfind<u32>
               : t == Ty::S32 ? bfind<s32>
               : t == Ty::U64 ? bfind<u64>
                              : bfind<s64>;
    Insn I = d.make(f, Cls::Int);
    I.a = d.src(1, t), I.d = d.dst(0, Ty::U32);
    I.op = d.has("shiftamt");
    d.emit(I);
    return true;
  }
  if (op == "shl" || op == "shr") {
    int bits = type_bits(t);
    ExecFn f = op == "shl"    ? (bits == 16   ? shl<u16>
                                 : bits == 32 ? shl<u32>
                                              : shl<u64>)
               : is_signed(t) ? (bits == 16   ? shr<s16>
                                 : bits == 32 ? shr<s32>
                                              : shr<s64>)
                              : (bits == 16   ? shr<u16>
                                 : bits == 32 ? shr<u32>
                                              : shr<u64>);
    s32 a = d.src(1, t), b = d.src(2, Ty::U32), dst = d.dst(0, t);
    d.emit(f, Cls::Int, dst, a, b);
    return true;
  }
  if (op == "shf") {
    u8 f = static_cast<u8>((d.one_of({"l", "r"}) == 0 ? 1 : 0) |
                           (d.one_of({"clamp", "wrap"}) == 0 ? 2 : 0));
    return emit3(d, shf, Ty::B32, Ty::B32, Ty::B32, Ty::B32, f), true;
  }
  if (op == "bfe") {
    ExecFn f = t == Ty::U32   ? bfe<u32>
               : t == Ty::S32 ? bfe<s32>
               : t == Ty::U64 ? bfe<u64>
               : t == Ty::S64 ? bfe<s64>
                              : nullptr;
    if (!f) d.unsupported();
    return emit3(d, f, t, t, Ty::U32, Ty::U32), true;
  }
  if (op == "bfi") {
    Insn I = d.make(type_bits(t) == 64 ? bfi<u64> : bfi<u32>, Cls::Int);
    I.a = d.src(1, t), I.b = d.src(2, t), I.c = d.src(3, Ty::U32), I.e = d.src(4, Ty::U32),
    I.d = d.dst(0, t);
    d.emit(I);
    return true;
  }
  if (op == "bmsk" || op == "szext") {
    Insn I = d.make(op == "bmsk" ? bmsk : szext, Cls::Int);
    I.op = static_cast<u8>((d.one_of({"clamp", "wrap"}) == 0 ? 1 : 0) |
                           (op == "szext" && is_signed(t) ? 2 : 0));
    I.a = d.src(1, Ty::B32), I.b = d.src(2, Ty::B32), I.d = d.dst(0, Ty::B32);
    d.emit(I);
    return true;
  }
  if (op == "prmt") {
    int mode = d.one_of({"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"});
    return emit3(d, prmt, Ty::B32, Ty::B32, Ty::B32, Ty::B32, static_cast<u8>(mode + 1)), true;
  }
  if (op == "lop3") {
    if (d.one_of({"or", "and"}) >= 0) d.unsupported("BoolOp form");
    return emit3(d, lop3, Ty::B32, Ty::B32, Ty::B32, Ty::B32, 0, d.arg(4).imm), true;
  }
  return false;
}

}  // namespace cudasim

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Moves, comparisons, selection and predicate logic.
#include <cstring>

#include "decode.hpp"
#include "float_formats.hpp"

namespace cudasim {
namespace {

enum Cmp : u8 {
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kLo,
  kLs,
  kHi,
  kHs,
  kEqu,
  kNeu,
  kLtu,
  kLeu,
  kGtu,
  kGeu,
  kNum,
  kNan
};
const std::initializer_list<std::string_view> kCmpNames = {
    "eq", "ne",  "lt",  "le",  "gt",  "ge",  "lo",  "ls",  "hi",
    "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};

template <class T>
bool is_nan(T x) {
  if constexpr (std::is_floating_point_v<T>)
    return x != x;
  else
    return false;
}
template <Cmp C, class T>
bool cmp(T a, T b) {
  if constexpr (C == kEq)
    return a == b;
  else if constexpr (C == kNe)
    return !(a == b) && !is_nan(a) && !is_nan(b);
  else if constexpr (C == kLt || C == kLo)
    return a < b;
  else if constexpr (C == kLe || C == kLs)
    return a <= b;
  else if constexpr (C == kGt || C == kHi)
    return a > b;
  else if constexpr (C == kGe || C == kHs)
    return a >= b;
  else if constexpr (C == kEqu)
    return a == b || is_nan(a) || is_nan(b);
  else if constexpr (C == kNeu)
    return !(a == b);
  else if constexpr (C == kLtu)
    return !(a >= b);
  else if constexpr (C == kLeu)
    return !(a > b);
  else if constexpr (C == kGtu)
    return !(a <= b);
  else if constexpr (C == kGeu)
    return !(a < b);
  else if constexpr (C == kNum)
    return !is_nan(a) && !is_nan(b);
  else
    return is_nan(a) || is_nan(b);
}

// 16-bit floats are compared through these wrappers.
struct HalfRead {
  using Raw = u16;
  static float get(u16 v) { return h2f(v); }
};
struct BfRead {
  using Raw = u16;
  static float get(u16 v) { return bf2f(v); }
};
template <class T>
struct Plain {
  using Raw = T;
  static T get(T v) { return v; }
};
struct FtzRead {
  using Raw = float;
  static float get(float v) { return ftz(v); }
};

template <class R, Cmp C>
u32 compare(Warp& w, const Insn& I, u32 m) {
  auto* a = w.r<typename R::Raw>(I.a);
  auto* b = w.r<typename R::Raw>(I.b);
  return ballot(m, [&](int i) { return cmp<C>(R::get(a[i]), R::get(b[i])); });
}
/// setp p, a, b
template <class R, Cmp C>
void setp(Warp& w, const Insn& I, u32 m) {
  set_pred(w, I.d, m, compare<R, C>(w, I, m));
}
/// setp p|q, a, b [, c with boolean op]
template <class R, Cmp C>
void setp_full(Warp& w, const Insn& I, u32 m) {
  u32 t = compare<R, C>(w, I, m), f = ~t;
  if (I.op) {
    u32 c = w.pred(I.c);
    auto comb = [&](u32 x) { return I.op == 1 ? x & c : I.op == 2 ? x | c : x ^ c; };
    t = comb(t), f = comb(f);
  }
  set_pred(w, I.d, m, t);
  if (I.e) set_pred(w, I.e, m, f);
}
/// set: a register result, all ones / 1.0 when true
template <class R, Cmp C>
void set_reg(Warp& w, const Insn& I, u32 m) {
  u32 t = compare<R, C>(w, I, m);
  if (I.op) {
    u32 c = w.pred(I.c);
    t = I.op == 1 ? t & c : I.op == 2 ? t | c : t ^ c;
  }
  if (I.rsize == 2) {
    u16* d = w.r<u16>(I.d);
    lanes(m, [&](int i) { d[i] = t >> i & 1 ? static_cast<u16>(I.imm) : u16{0}; });
  } else {
    u32* d = w.r<u32>(I.d);
    lanes(m, [&](int i) { d[i] = t >> i & 1 ? static_cast<u32>(I.imm) : 0u; });
  }
}

enum Form { kSetp, kSetpFull, kSet };
template <class R, Cmp C>
ExecFn form(Form f) {
  return f == kSetp ? setp<R, C> : f == kSetpFull ? setp_full<R, C> : set_reg<R, C>;
}
template <class R>
ExecFn pick_int(Cmp c, Form f) {
  switch (c) {
    case kEq: return form<R, kEq>(f);
    case kNe: return form<R, kNeu>(f);
    case kLt:
    case kLo: return form<R, kLt>(f);
    case kLe:
    case kLs: return form<R, kLe>(f);
    case kGt:
    case kHi: return form<R, kGt>(f);
    case kGe:
    case kHs: return form<R, kGe>(f);
    default: return nullptr;
  }
}
template <class R>
ExecFn pick_flt(Cmp c, Form f) {
  switch (c) {
    case kEq: return form<R, kEq>(f);
    case kNe: return form<R, kNe>(f);
    case kLt: return form<R, kLt>(f);
    case kLe: return form<R, kLe>(f);
    case kGt: return form<R, kGt>(f);
    case kGe: return form<R, kGe>(f);
    case kEqu: return form<R, kEqu>(f);
    case kNeu: return form<R, kNeu>(f);
    case kLtu: return form<R, kLtu>(f);
    case kLeu: return form<R, kLeu>(f);
    case kGtu: return form<R, kGtu>(f);
    case kGeu: return form<R, kGeu>(f);
    case kNum: return form<R, kNum>(f);
    case kNan: return form<R, kNan>(f);
    default: return nullptr;
  }
}
ExecFn pick_cmp(Ty t, Cmp c, Form f, bool flush) {
  switch (t) {
    case Ty::B16:
    case Ty::U16: return pick_int<Plain<u16>>(c, f);
    case Ty::B32:
    case Ty::U32: return pick_int<Plain<u32>>(c, f);
    case Ty::B64:
    case Ty::U64: return pick_int<Plain<u64>>(c, f);
    case Ty::S16: return pick_int<Plain<s16>>(c, f);
    case Ty::S32: return pick_int<Plain<s32>>(c, f);
    case Ty::S64: return pick_int<Plain<s64>>(c, f);
    case Ty::F32: return flush ? pick_flt<FtzRead>(c, f) : pick_flt<Plain<float>>(c, f);
    case Ty::F64: return pick_flt<Plain<double>>(c, f);
    case Ty::F16: return pick_flt<HalfRead>(c, f);
    case Ty::BF16: return pick_flt<BfRead>(c, f);
    default: return nullptr;
  }
}

/// Packed comparison: set.cmp.{f16x2,bf16x2}.{f16x2,bf16x2} and setp.cmp.f16x2 p|q.
template <bool kBf>
void packed_compare(Warp& w, const Insn& I, u32 m) {
  const u32 *a = w.r<u32>(I.a), *b = w.r<u32>(I.b);
  auto get = [](u32 v, int h) {
    u16 x = static_cast<u16>(v >> (16 * h));
    return kBf ? bf2f(x) : h2f(x);
  };
  auto test = [&](float x, float y) {
    switch (static_cast<Cmp>(I.op)) {
      case kEq: return cmp<kEq>(x, y);
      case kNe: return cmp<kNe>(x, y);
      case kLt: return cmp<kLt>(x, y);
      case kLe: return cmp<kLe>(x, y);
      case kGt: return cmp<kGt>(x, y);
      case kGe: return cmp<kGe>(x, y);
      case kEqu: return cmp<kEqu>(x, y);
      case kNeu: return cmp<kNeu>(x, y);
      case kLtu: return cmp<kLtu>(x, y);
      case kLeu: return cmp<kLeu>(x, y);
      case kGtu: return cmp<kGtu>(x, y);
      case kGeu: return cmp<kGeu>(x, y);
      case kNum: return cmp<kNum>(x, y);
      default: return cmp<kNan>(x, y);
    }
  };
  u32 lo = ballot(m, [&](int i) { return test(get(a[i], 0), get(b[i], 0)); });
  u32 hi = ballot(m, [&](int i) { return test(get(a[i], 1), get(b[i], 1)); });
  if (I.vec == 2) {  // setp
    set_pred(w, I.d, m, lo);
    set_pred(w, I.e, m, hi);
    return;
  }
  u32* d = w.r<u32>(I.d);
  u32 one = static_cast<u32>(I.imm);
  for (u32 k = m; k; k &= k - 1) {
    int i = std::countr_zero(k);
    d[i] = (lo >> i & 1 ? one : 0) | (hi >> i & 1 ? one << 16 : 0);
  }
}

// ---- mov and friends ------------------------------------------------------------------------
template <class T>
void mov(Warp& w, const Insn& I, u32 m) {
  T* d = w.r<T>(I.d);
  const T* a = w.r<T>(I.a);
  if (m == kFull)
    std::memmove(d, a, sizeof(T) * kWarp);
  else
    lanes(m, [&](int i) { d[i] = a[i]; });
}
void mov_pred(Warp& w, const Insn& I, u32 m) { set_pred(w, I.d, m, w.pred(I.a)); }
template <class T>
void selp(Warp& w, const Insn& I, u32 m) {
  u32 p = w.pred(I.c);
  T* d = w.r<T>(I.d);
  const T *a = w.r<T>(I.a), *b = w.r<T>(I.b);
  lanes(m, [&](int i) { d[i] = p >> i & 1 ? a[i] : b[i]; });
}
template <class T, class C>
void slct(Warp& w, const Insn& I, u32 m) {
  map3<T, T, T, C>(w, I, m, [](T a, T b, C c) { return c >= 0 ? a : b; });
}
enum PredOp : u8 { kAnd, kOr, kXor, kNot };
void pred_op(Warp& w, const Insn& I, u32 m) {
  u32 a = w.pred(I.a), b = I.op == kNot ? 0 : w.pred(I.b);
  set_pred(w, I.d, m, I.op == kAnd ? a & b : I.op == kOr ? a | b : I.op == kXor ? a ^ b : ~a);
}
/// Pack `nlist` pieces of I.size bytes into one register of I.rsize bytes, and the reverse.
void pack(Warp& w, const Insn& I, u32 m) {
  char* d = w.r<char>(I.d);
  for (int e = 0; e < I.nlist; ++e) {
    const char* s = w.r<char>(w.prog->lists[I.list + static_cast<u32>(e)]);
    for (u32 k = m; k; k &= k - 1) {
      int i = std::countr_zero(k);
      std::memcpy(d + i * I.rsize + e * I.size, s + i * I.size, I.size);
    }
  }
}
void unpack(Warp& w, const Insn& I, u32 m) {
  const char* a = w.r<char>(I.a);
  u64 copy[kWarp * 2];  // a destination may overlap the source
  std::memcpy(copy, a, static_cast<size_t>(I.rsize) * kWarp);
  const char* s = reinterpret_cast<const char*>(copy);
  for (int e = 0; e < I.nlist; ++e) {
    char* d = w.r<char>(w.prog->lists[I.list + static_cast<u32>(e)]);
    for (u32 k = m; k; k &= k - 1) {
      int i = std::countr_zero(k);
      std::memcpy(d + i * I.size, s + i * I.rsize + e * I.size, I.size);
    }
  }
}

Ty bits_type(int bytes) {
  return bytes == 1   ? Ty::B8
         : bytes == 2 ? Ty::B16
         : bytes == 4 ? Ty::B32
         : bytes == 8 ? Ty::B64
                      : Ty::B128;
}

struct Pair {
  u64 v[2];
};
ExecFn mov_fn(int bytes) {
  return bytes == 16  ? mov<Pair>
         : bytes == 8 ? mov<u64>
         : bytes == 4 ? mov<u32>
         : bytes == 2 ? mov<u16>
                      : mov<u8>;
}

bool decode_mov(Dec& d) {
  Ty t = d.type();
  const auto &dst = d.arg(0), &src = d.arg(1);
  if (t == Ty::Pred) {
    s32 a = d.psrc(src);
    d.emit(mov_pred, Cls::Move, d.pdst(dst), a);
    return true;
  }
  int bytes = type_bytes(t);
  if (dst.kind == ptx::Operand::Vec) {
    int n = static_cast<int>(dst.sub.size()), piece = bytes / n;
    Insn I = d.make(unpack, Cls::Move);
    I.a = d.src(src, t);
    std::vector<s32> l;
    for (auto& o : dst.sub) l.push_back(d.dst(o, bits_type(piece), false));
    I.list = d.list(l), I.nlist = static_cast<u8>(n), I.size = static_cast<u8>(piece),
    I.rsize = static_cast<u8>(bytes);
    d.emit(I);
    return true;
  }
  if (src.kind == ptx::Operand::Vec) {
    int n = static_cast<int>(src.sub.size()), piece = bytes / n;
    std::vector<s32> l;
    for (auto& o : src.sub) l.push_back(d.src(o, bits_type(piece)));
    Insn I = d.make(pack, Cls::Move);
    // Build in a temporary: the destination may be one of the pieces.
    s32 tmp = d.temp(bytes);
    I.d = tmp;
    I.list = d.list(l), I.nlist = static_cast<u8>(n), I.size = static_cast<u8>(piece),
    I.rsize = static_cast<u8>(bytes);
    d.emit(I);
    d.emit(mov_fn(bytes), Cls::Move, d.dst(dst, t, false), tmp);
    return true;
  }
  s32 a = d.src(src, t);
  d.emit(mov_fn(bytes), Cls::Move, d.dst(dst, t, false), a);
  return true;
}

bool decode_setp(Dec& d) {
  bool is_set = d.op() == "set";
  Ty t = d.type();  // source type (last); set: d.types[0] is the destination
  int c = d.one_of(kCmpNames);
  if (c < 0) d.unsupported();
  bool flush = d.has("ftz");
  int boolop = d.one_of({"and", "or", "xor"});
  if (t == Ty::F16x2 || t == Ty::BF16x2) {
    if (boolop >= 0) d.unsupported("boolean operand");
    Insn I = d.make(t == Ty::BF16x2 ? packed_compare<true> : packed_compare<false>, Cls::Fp16);
    I.op = static_cast<u8>(c);
    I.a = d.src(1, t), I.b = d.src(2, t);
    if (is_set) {
      I.d = d.dst(0, Ty::B32);
      Ty rt = d.types[0];
      I.imm = rt == Ty::F16x2 ? 0x3c00 : rt == Ty::BF16x2 ? 0x3f80 : 0xffff;
    } else {
      I.vec = 2;
      I.d = d.pdst(0);
      I.e = d.arg(0).sub.empty() ? d.temp(0) : d.pdst(d.arg(0).sub[0]);
    }
    d.emit(I);
    return true;
  }
  bool full = boolop >= 0 || !d.arg(0).sub.empty();
  ExecFn f = pick_cmp(t, static_cast<Cmp>(c), is_set ? kSet : full ? kSetpFull : kSetp, flush);
  if (!f) d.unsupported();
  Insn I = d.make(f, is_float(t) ? (t == Ty::F64         ? Cls::Fp64
                                    : type_bits(t) == 16 ? Cls::Fp16
                                                         : Cls::Fp32)
                                 : Cls::Int);
  I.a = d.src(1, t), I.b = d.src(2, t);
  if (boolop >= 0) I.op = static_cast<u8>(boolop + 1), I.c = d.psrc(3);
  if (is_set) {
    Ty rt = d.types[0];
    I.rsize = static_cast<u8>(type_bytes(rt));
    I.imm = rt == Ty::F32    ? 0x3f800000
            : rt == Ty::F16  ? 0x3c00
            : rt == Ty::BF16 ? 0x3f80
            : I.rsize == 2   ? 0xffff
                             : 0xffffffffll;
    I.d = d.dst(0, rt);
  } else {
    I.d = d.pdst(0);
    if (!d.arg(0).sub.empty()) I.e = d.pdst(d.arg(0).sub[0]);
  }
  d.emit(I);
  return true;
}

}  // namespace

bool decode_logic(Dec& d) {
  auto op = d.op();
  Ty t = d.type();
  if (op == "mov") return decode_mov(d);
  if (op == "setp" || op == "set") return decode_setp(d);
  if (op == "selp") {
    s32 p = d.psrc(3), a = d.src(1, t), b = d.src(2, t);
    int n = type_bytes(t);
    d.emit(n == 8   ? selp<u64>
           : n == 4 ? selp<u32>
                    : selp<u16>,
           Cls::Int, d.dst(d.arg(0), t, false), a, b, p);
    return true;
  }
  if (op == "slct") {
    Ty ct = d.types.back();
    t = d.types.front();
    d.has("ftz");
    bool fc = ct == Ty::F32;
    int n = type_bytes(t);
    s32 a = d.src(1, t), b = d.src(2, t), c = d.src(3, ct);
    d.emit(n == 8   ? (fc ? slct<u64, float> : slct<u64, s32>)
           : n == 4 ? (fc ? slct<u32, float> : slct<u32, s32>)
                    : (fc ? slct<u16, float> : slct<u16, s32>),
           Cls::Int, d.dst(d.arg(0), t, false), a, b, c);
    return true;
  }
  if (t == Ty::Pred && (op == "and" || op == "or" || op == "xor" || op == "not")) {
    Insn I = d.make(pred_op, Cls::Int);
    I.op = op == "and" ? kAnd : op == "or" ? kOr : op == "xor" ? kXor : kNot;
    I.a = d.psrc(1);
    if (I.op != kNot) I.b = d.psrc(2);
    I.d = d.pdst(0);
    d.emit(I);
    return true;
  }
  return false;
}

}  // namespace cudasim

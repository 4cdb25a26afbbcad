// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// f16, bf16 and their packed forms. Arithmetic is done in float (double for fma) and rounded once.
#include <limits>

#include "decode.hpp"
#include "float_formats.hpp"

namespace cudasim {
namespace {

struct F16 {
  static float get(u16 v) { return h2f(v); }
  static u16 put(double v) { return d2h(v); }
  static constexpr u16 nan = 0x7fff;
};
struct BF16 {
  static float get(u16 v) { return bf2f(v); }
  static u16 put(double v) { return d2bf(v); }
  static constexpr u16 nan = 0x7fff;
};

enum Op : u8 { kAdd, kSub, kMul, kFma, kMin, kMax, kNeg, kAbs_, kEx2, kTanh, kCount };

template <class H>
u16 compute(Op op, u16 flags, u16 a, u16 b, u16 c) {
  if (op == kNeg) return a ^ 0x8000;
  if (op == kAbs_) return a & 0x7fff;
  float x = H::get(a), y = H::get(b), z = H::get(c);
  auto flush = [&](float v) {
    return (flags & kFtz) && std::fabs(v) < 6.103515625e-05f ? std::copysign(0.0f, v) : v;
  };
  if (flags & kFtz) x = flush(x), y = flush(y), z = flush(z);
  double r = 0;
  switch (op) {
    case kAdd: r = static_cast<double>(x) + y; break;
    case kSub: r = static_cast<double>(x) - y; break;
    case kMul: r = static_cast<double>(x) * y; break;
    case kFma:
      r = std::fma(static_cast<double>(x), static_cast<double>(y), static_cast<double>(z));
      break;
    case kEx2: r = std::exp2(static_cast<double>(x)); break;
    case kTanh: r = std::tanh(static_cast<double>(x)); break;
    case kMin:
    case kMax: {
      if (std::isnan(x) || std::isnan(y)) {
        if ((flags & kNanProp) || (std::isnan(x) && std::isnan(y))) return H::nan;
        return std::isnan(x) ? b : a;
      }
      bool first = op == kMin ? (x < y || (x == y && std::signbit(x)))
                              : (x > y || (x == y && !std::signbit(x)));
      u16 v = first ? a : b;
      if (flags & kXorSign) v = static_cast<u16>((v & 0x7fff) | ((a ^ b) & 0x8000));
      return v;
    }
    default: break;
  }
  if (std::isnan(r)) return H::nan;
  if (flags & kSat) r = r > 1 ? 1 : r > 0 ? r : 0;
  if ((flags & kRelu) && r < 0) r = 0;
  u16 v = H::put(r);
  if (flags & kFtz) v = std::fabs(H::get(v)) < 6.103515625e-05f ? v & 0x8000 : v;
  return v;
}

template <class H, Op op>
void scalar(Warp& w, const Insn& I, u32 m) {
  u16* d = w.r<u16>(I.d);
  const u16 *a = w.r<u16>(I.a), *b = w.r<u16>(I.b), *c = w.r<u16>(I.c);
  u16 flags = I.flags;
  lanes(m, [&](int i) { d[i] = compute<H>(op, flags, a[i], b[i], c[i]); });
}
template <class H, Op op>
void packed(Warp& w, const Insn& I, u32 m) {
  u32* d = w.r<u32>(I.d);
  const u32 *a = w.r<u32>(I.a), *b = w.r<u32>(I.b), *c = w.r<u32>(I.c);
  u16 flags = I.flags;
  lanes(m, [&](int i) {
    u32 lo = compute<H>(op, flags, static_cast<u16>(a[i]), static_cast<u16>(b[i]),
                        static_cast<u16>(c[i]));
    u32 hi = compute<H>(op, flags, static_cast<u16>(a[i] >> 16), static_cast<u16>(b[i] >> 16),
                        static_cast<u16>(c[i] >> 16));
    d[i] = lo | hi << 16;
  });
}
template <Op op>
ExecFn pick(Ty t) {
  switch (t) {
    case Ty::F16: return scalar<F16, op>;
    case Ty::BF16: return scalar<BF16, op>;
    case Ty::F16x2: return packed<F16, op>;
    case Ty::BF16x2: return packed<BF16, op>;
    default: return nullptr;
  }
}

}  // namespace

bool decode_half(Dec& d) {
  Ty t = d.type();
  if (t != Ty::F16 && t != Ty::BF16 && t != Ty::F16x2 && t != Ty::BF16x2) return false;
  if (d.types.size() != 1) return false;
  auto op = d.op();
  ExecFn f;
  int n;
  if (op == "add")
    f = pick<kAdd>(t), n = 2;
  else if (op == "sub")
    f = pick<kSub>(t), n = 2;
  else if (op == "mul")
    f = pick<kMul>(t), n = 2;
  else if (op == "fma")
    f = pick<kFma>(t), n = 3;
  else if (op == "min")
    f = pick<kMin>(t), n = 2;
  else if (op == "max")
    f = pick<kMax>(t), n = 2;
  else if (op == "neg")
    f = pick<kNeg>(t), n = 1;
  else if (op == "abs")
    f = pick<kAbs_>(t), n = 1;
  else if (op == "ex2")
    f = pick<kEx2>(t), n = 1;
  else if (op == "tanh")
    f = pick<kTanh>(t), n = 1;
  else
    return false;
  Insn I = d.make(f, Cls::Fp16);
  if (d.has("xorsign")) d.has("abs"), I.flags |= kXorSign;
  d.one_of({"rn"});
  d.has("approx");
  if (d.has("ftz") && (t == Ty::F16 || t == Ty::F16x2)) I.flags |= kFtz;
  if (d.has("sat")) I.flags |= kSat;
  if (d.has("relu")) I.flags |= kRelu;
  if (d.has("NaN")) I.flags |= kNanProp;
  if (d.nargs() != static_cast<size_t>(n) + 1) d.unsupported("operand count");
  I.a = I.b = I.c = d.src(1, t);
  if (n > 1) I.b = d.src(2, t);
  if (n > 2) I.c = d.src(3, t);
  I.d = d.dst(0, t);
  d.emit(I);
  return true;
}

}  // namespace cudasim

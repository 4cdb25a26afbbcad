// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// atom and red: every operation and type. Lanes are served in ascending order.
#include <cstring>

#include "decode.hpp"
#include "float_formats.hpp"
#include "stats.hpp"

namespace cudasim {
namespace {

enum Op : u8 { kAnd, kOr, kXor, kExch, kAdd, kInc, kDec, kMin, kMax, kCas };

template <class T>
T apply(Op op, T old, T b, T c) {
  switch (op) {
    case kExch: return b;
    case kCas: return old == b ? c : old;
    default: break;
  }
  if constexpr (std::is_floating_point_v<T>) {
    switch (op) {
      case kAdd: return old + b;
      case kMin: return std::fmin(old, b);
      case kMax: return std::fmax(old, b);
      default: return old;
    }
  } else {
    switch (op) {
      case kAnd: return old & b;
      case kOr: return old | b;
      case kXor: return old ^ b;
      case kAdd:
        return static_cast<T>(static_cast<std::make_unsigned_t<T>>(old) +
                              static_cast<std::make_unsigned_t<T>>(b));
      case kInc: return old >= b ? T{0} : static_cast<T>(old + 1);
      case kDec: return old == 0 || old > b ? b : static_cast<T>(old - 1);
      case kMin: return old < b ? old : b;
      case kMax: return old > b ? old : b;
      default: return old;
    }
  }
}
struct F16 {
  u16 v;
};
struct BF16 {
  u16 v;
};
struct F16x2 {
  u16 v[2];
};
struct BF16x2 {
  u16 v[2];
};
u16 half_op(Op op, u16 a, u16 b, bool bf) {
  if (op == kExch) return b;
  double x = bf ? bf2f(a) : h2f(a), y = bf ? bf2f(b) : h2f(b);
  double r = op == kAdd ? x + y : op == kMin ? std::fmin(x, y) : std::fmax(x, y);
  return bf ? d2bf(r) : d2h(r);
}
template <>
F16 apply(Op op, F16 o, F16 b, F16) {
  return {half_op(op, o.v, b.v, false)};
}
template <>
BF16 apply(Op op, BF16 o, BF16 b, BF16) {
  return {half_op(op, o.v, b.v, true)};
}
template <>
F16x2 apply(Op op, F16x2 o, F16x2 b, F16x2) {
  return {{half_op(op, o.v[0], b.v[0], false), half_op(op, o.v[1], b.v[1], false)}};
}
template <>
BF16x2 apply(Op op, BF16x2 o, BF16x2 b, BF16x2) {
  return {{half_op(op, o.v[0], b.v[0], true), half_op(op, o.v[1], b.v[1], true)}};
}
struct Wide {
  u64 v[2];
};
template <>
Wide apply(Op op, Wide o, Wide b, Wide c) {
  if (op == kExch) return b;
  return o.v[0] == b.v[0] && o.v[1] == b.v[1] ? c : o;
}

template <class T>
void atom(Warp& w, const Insn& I, u32 m) {
  u64 addr[kWarp];
  addresses(w, I, m, addr);
  Op op = static_cast<Op>(I.op);
  u32 n = I.vec;
  if (w.grid->stats) w.grid->stats->atomics += static_cast<u64>(std::popcount(m));
  for (u32 k = m; k; k &= k - 1) {
    int i = std::countr_zero(k);
    u8* p = access_lane(w, I, I.space, i, addr[i], static_cast<u32>(sizeof(T)) * n, Access::Atomic);
    for (u32 e = 0; e < n; ++e) {
      s32 ds = n == 1 ? I.d : I.d ? w.prog->lists[I.list + e] : 0;
      s32 bs = n == 1 ? I.b : w.prog->lists[I.list + n + e];
      T old, b = w.r<T>(bs)[i], c{};
      std::memcpy(&old, p + e * sizeof(T), sizeof(T));
      if (op == kCas) c = w.r<T>(I.c)[i];
      T v = apply<T>(op, old, b, c);
      std::memcpy(p + e * sizeof(T), &v, sizeof(T));
      if (ds) w.r<T>(ds)[i] = old;
    }
  }
}

ExecFn pick(Ty t) {
  switch (t) {
    case Ty::B16:
    case Ty::U16: return atom<u16>;
    case Ty::B32:
    case Ty::U32: return atom<u32>;
    case Ty::S32: return atom<s32>;
    case Ty::B64:
    case Ty::U64: return atom<u64>;
    case Ty::S64: return atom<s64>;
    case Ty::F32: return atom<float>;
    case Ty::F64: return atom<double>;
    case Ty::F16: return atom<F16>;
    case Ty::BF16: return atom<BF16>;
    case Ty::F16x2: return atom<F16x2>;
    case Ty::BF16x2: return atom<BF16x2>;
    case Ty::B128: return atom<Wide>;
    default: return nullptr;
  }
}

}  // namespace

bool decode_atom(Dec& d) {
  auto o = d.op();
  bool is_red = o == "red";
  if (o != "atom" && !is_red) return false;
  if (d.has("async")) d.unsupported();
  int sp = d.one_of({"global", "shared", "shared::cta"});
  if (d.has("shared::cluster")) d.unsupported("cluster shared memory");
  d.one_of({"relaxed", "acquire", "release", "acq_rel", "sc"});
  d.one_of({"cta", "gpu", "sys", "cluster"});
  d.has("noftz");
  d.has("L2::cache_hint");
  int op = d.one_of({"and", "or", "xor", "exch", "add", "inc", "dec", "min", "max", "cas"});
  int vec = d.one_of({"v2", "v4", "v8"});
  Ty t = d.type();
  ExecFn f = pick(t);
  if (op < 0 || !f) d.unsupported();
  Insn I = d.make(f, Cls::Atomic, Kind::Mem);
  I.op = static_cast<u8>(op);
  I.space = sp < 0 ? ptx::Space::Generic : sp == 0 ? ptx::Space::Global : ptx::Space::Shared;
  size_t at = is_red ? 0 : 1;
  I.vec = static_cast<u8>(vec < 0 ? 1 : 2 << vec);
  if (I.vec > 1) {
    std::vector<s32> l;
    for (u32 e = 0; e < I.vec; ++e) l.push_back(is_red ? 0 : d.dst(d.arg(0).sub.at(e), t, false));
    for (u32 e = 0; e < I.vec; ++e) l.push_back(d.src(d.arg(at + 1).sub.at(e), t));
    I.d = is_red ? 0 : l[0];
    I.list = d.list(l);
  } else {
    I.b = d.src(at + 1, t);
    if (op == kCas) I.c = d.src(at + 2, t);
    if (!is_red && d.arg(0).kind != ptx::Operand::None) I.d = d.dst(0, t);
  }
  d.address(I, d.arg(at));
  d.emit(I);
  return true;
}

}  // namespace cudasim

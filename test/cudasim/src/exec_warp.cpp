// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Warp-level and block-level cooperation: shfl, vote, match, redux, barriers, fences.
#include <cstring>

#include "decode.hpp"

namespace cudasim {
namespace {

enum ShflMode : u8 { kUp, kDown, kBfly, kIdx };

void shfl(Warp& w, const Insn& I, u32 m) {
  u32* d = w.r<u32>(I.d);
  const u32 *a = w.r<u32>(I.a), *b = w.r<u32>(I.b), *c = w.r<u32>(I.c);
  u32 copy[kWarp], ok = 0;
  std::memcpy(copy, a, sizeof copy);
  for (u32 k = m; k; k &= k - 1) {
    int lane = std::countr_zero(k);
    int seg = static_cast<int>(c[lane] >> 8 & 31), clamp = static_cast<int>(c[lane] & 31),
        n = static_cast<int>(b[lane] & 31);
    int max_lane = (lane & seg) | (clamp & ~seg & 31), j;
    bool p;
    switch (static_cast<ShflMode>(I.op)) {
      case kUp: j = lane - n, p = j >= max_lane; break;
      case kDown: j = lane + n, p = j <= max_lane; break;
      case kBfly: j = lane ^ n, p = j <= max_lane; break;
      default: j = (lane & seg) | (n & ~seg & 31), p = j <= max_lane; break;
    }
    if (!p) j = lane;
    d[lane] = copy[j & 31];
    ok |= static_cast<u32>(p) << lane;
  }
  if (I.rsize) set_pred(w, static_cast<s32>(I.imm), m, ok);
}

/// Calls f(members) once per distinct member mask among the lanes of m.
template <class F>
void per_mask(Warp& w, const Insn& I, u32 m, F f) {
  const u32* mm = w.r<u32>(I.e);
  for (u32 rest = m; rest;) {
    u32 mask = mm[std::countr_zero(rest)], same = 0;
    for (u32 k = rest; k; k &= k - 1)
      if (int i = std::countr_zero(k); mm[i] == mask) same |= 1u << i;
    f(same);
    rest &= ~same;
  }
}

enum VoteMode : u8 { kAll, kAny, kUni, kBallot };
void vote(Warp& w, const Insn& I, u32 m) {
  u32 p = w.pred(I.a), result = 0;
  per_mask(w, I, m, [&](u32 lanes_in) {
    u32 t = p & lanes_in;
    if (I.op == kBallot) {
      u32* d = w.r<u32>(I.d);
      for (u32 k = lanes_in; k; k &= k - 1) d[std::countr_zero(k)] = t;
      return;
    }
    bool v = I.op == kAll ? t == lanes_in : I.op == kAny ? t != 0 : t == lanes_in || t == 0;
    if (v) result |= lanes_in;
  });
  if (I.op != kBallot) set_pred(w, I.d, m, result);
}

template <class T, bool kAllMode>
void match(Warp& w, const Insn& I, u32 m) {
  const T* a = w.r<T>(I.a);
  u32* d = w.r<u32>(I.d);
  T copy[kWarp];
  std::memcpy(copy, a, sizeof copy);
  u32 pred = 0;
  per_mask(w, I, m, [&](u32 in) {
    if constexpr (kAllMode) {
      bool same = true;
      T first = copy[std::countr_zero(in)];
      for (u32 k = in; k; k &= k - 1) same &= copy[std::countr_zero(k)] == first;
      for (u32 k = in; k; k &= k - 1) d[std::countr_zero(k)] = same ? in : 0;
      if (same) pred |= in;
    } else {
      for (u32 k = in; k; k &= k - 1) {
        u32 r = 0;
        for (u32 q = in; q; q &= q - 1)
          if (copy[std::countr_zero(q)] == copy[std::countr_zero(k)])
            r |= 1u << std::countr_zero(q);
        d[std::countr_zero(k)] = r;
      }
    }
  });
  if (kAllMode && I.rsize) set_pred(w, static_cast<s32>(I.imm), m, pred);
}

enum RedOp : u8 { kRAdd, kRMin, kRMax, kRAnd, kROr, kRXor };
void redux(Warp& w, const Insn& I, u32 m) {
  const u32* a = w.r<u32>(I.a);
  u32* d = w.r<u32>(I.d);
  u32 copy[kWarp];
  std::memcpy(copy, a, sizeof copy);
  per_mask(w, I, m, [&](u32 in) {
    u32 r = copy[std::countr_zero(in)];
    for (u32 k = in & (in - 1); k; k &= k - 1) {
      u32 x = copy[std::countr_zero(k)];
      switch (static_cast<RedOp>(I.op)) {
        case kRAdd: r += x; break;
        case kRMin:
          r = I.sext ? static_cast<u32>(std::min(static_cast<s32>(r), static_cast<s32>(x)))
                     : std::min(r, x);
          break;
        case kRMax:
          r = I.sext ? static_cast<u32>(std::max(static_cast<s32>(r), static_cast<s32>(x)))
                     : std::max(r, x);
          break;
        case kRAnd: r &= x; break;
        case kROr: r |= x; break;
        case kRXor: r ^= x; break;
      }
    }
    for (u32 k = in; k; k &= k - 1) d[std::countr_zero(k)] = r;
  });
}

void activemask(Warp& w, const Insn& I, u32 m) {
  u32* d = w.r<u32>(I.d);
  for (u32 k = m; k; k &= k - 1) d[std::countr_zero(k)] = m;
}
void elect(Warp& w, const Insn& I, u32 m) {
  u32 pred = 0;
  per_mask(w, I, m, [&](u32 in) {
    u32 leader = static_cast<u32>(std::countr_zero(in));
    pred |= 1u << leader;
    if (I.d)
      for (u32 k = in; k; k &= k - 1) w.r<u32>(I.d)[std::countr_zero(k)] = leader;
  });
  set_pred(w, static_cast<s32>(I.imm), m, pred);
}

bool decode_bar(Dec& d) {
  if (d.has("warp")) {
    d.has("sync");
    Insn I = d.make(nullptr, Cls::Sync, Kind::WarpSync);
    I.e = d.src(0, Ty::B32);
    d.emit(I);
    return true;
  }
  if (d.has("cluster")) d.unsupported("clusters are not simulated");
  d.has("cta");
  Insn I = d.make(nullptr, Cls::Sync, Kind::Bar);
  if (d.op() == "barrier" && !d.has("aligned"))
    I.flags |= kNanProp;  // threads of a warp may arrive separately
  if (d.has("sync")) {
    I.op = 0;
    I.a = d.src(0, Ty::U32);
    if (d.nargs() > 1) I.b = d.src(1, Ty::U32);
  } else if (d.has("arrive")) {
    I.op = 2;
    I.a = d.src(0, Ty::U32), I.b = d.src(1, Ty::U32);
  } else if (d.has("red")) {
    I.op = static_cast<u8>(3 + d.one_of({"popc", "and", "or"}));
    I.a = d.src(1, Ty::U32);
    size_t last = d.nargs() - 1;
    if (last > 2) I.b = d.src(2, Ty::U32);
    I.c = d.psrc(last);
    I.d = I.op == 3 ? d.dst(0, Ty::U32) : d.pdst(0);
  } else
    d.unsupported();
  d.emit(I);
  return true;
}

}  // namespace

bool decode_warp(Dec& d) {
  auto op = d.op();
  if (op == "bar" || op == "barrier") return decode_bar(d);
  if (op == "membar" || op == "fence") {
    if (d.has("proxy")) {
      if (d.has("tensormap::generic")) d.unsupported();
    }
    d.accept_all();
    return true;  // one block runs at a time, in program order
  }
  if (op == "griddepcontrol" || op == "setmaxnreg" || op == "pmevent") {
    d.accept_all();
    return true;
  }
  if (op == "nanosleep") {
    d.emit(d.make(nullptr, Cls::Sync, Kind::Yield));
    return true;
  }
  if (op == "activemask") {
    Insn I = d.make(activemask, Cls::Int, Kind::Mem);
    I.d = d.dst(0, Ty::B32);
    d.emit(I);
    return true;
  }
  if (op == "shfl") {
    if (!d.has("sync")) d.unsupported("only the .sync form exists on this architecture");
    Insn I = d.make(shfl, Cls::Sync, Kind::WarpSync);
    I.op = static_cast<u8>(d.one_of({"up", "down", "bfly", "idx"}));
    I.a = d.src(1, Ty::B32), I.b = d.src(2, Ty::U32), I.c = d.src(3, Ty::U32),
    I.e = d.src(4, Ty::B32);
    I.d = d.dst(0, Ty::B32);
    I.rsize = !d.arg(0).sub.empty();
    if (I.rsize) I.imm = d.pdst(d.arg(0).sub[0]);
    d.emit(I);
    return true;
  }
  if (op == "vote") {
    if (!d.has("sync")) d.unsupported("only the .sync form exists on this architecture");
    Insn I = d.make(vote, Cls::Sync, Kind::WarpSync);
    I.op = static_cast<u8>(d.one_of({"all", "any", "uni", "ballot"}));
    I.a = d.psrc(1);
    I.e = d.src(2, Ty::B32);
    I.d = I.op == kBallot ? d.dst(0, Ty::B32) : d.pdst(0);
    d.emit(I);
    return true;
  }
  if (op == "match") {
    d.has("sync");
    bool all = d.one_of({"any", "all"}) == 1, wide = type_bits(d.type()) == 64;
    Insn I = d.make(all ? (wide ? match<u64, true> : match<u32, true>)
                        : (wide ? match<u64, false> : match<u32, false>),
                    Cls::Sync, Kind::WarpSync);
    I.a = d.src(1, d.type()), I.e = d.src(2, Ty::B32), I.d = d.dst(0, Ty::B32);
    I.rsize = !d.arg(0).sub.empty();
    if (I.rsize) I.imm = d.pdst(d.arg(0).sub[0]);
    d.emit(I);
    return true;
  }
  if (op == "redux") {
    d.has("sync");
    Insn I = d.make(redux, Cls::Sync, Kind::WarpSync);
    int o = d.one_of({"add", "min", "max", "and", "or", "xor"});
    if (o < 0 || is_float(d.type())) d.unsupported();
    I.op = static_cast<u8>(o), I.sext = is_signed(d.type());
    I.a = d.src(1, d.type()), I.e = d.src(2, Ty::B32), I.d = d.dst(0, d.type());
    d.emit(I);
    return true;
  }
  if (op == "elect") {
    d.has("sync");
    Insn I = d.make(elect, Cls::Sync, Kind::WarpSync);
    const auto& o = d.arg(0);
    if (o.kind == ptx::Operand::Reg) I.d = d.dst(0, Ty::B32);
    if (o.sub.empty()) d.unsupported();
    I.imm = d.pdst(o.sub[0]);
    I.e = d.src(1, Ty::B32);
    d.emit(I);
    return true;
  }
  return false;
}

}  // namespace cudasim

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Helpers shared by the instruction families.
#pragma once
#include <bit>

#include "engine.hpp"

namespace cudasim {

/// Apply f(lane) to every lane of m. The full-warp loop is written so that it vectorises.
template <class F>
[[gnu::always_inline]] inline void lanes(u32 m, F&& f) {
  if (m == kFull) {
#pragma GCC ivdep
    for (int i = 0; i < kWarp; ++i) f(i);
  } else {
    for (; m; m &= m - 1) f(std::countr_zero(m));
  }
}

template <class D, class A, class F>
[[gnu::always_inline]] inline void map1(Warp& w, const Insn& I, u32 m, F f) {
  D* d = w.r<D>(I.d);
  const A* a = w.r<A>(I.a);
  lanes(m, [&](int i) { d[i] = f(a[i]); });
}
template <class D, class A, class B, class F>
[[gnu::always_inline]] inline void map2(Warp& w, const Insn& I, u32 m, F f) {
  D* d = w.r<D>(I.d);
  const A* a = w.r<A>(I.a);
  const B* b = w.r<B>(I.b);
  lanes(m, [&](int i) { d[i] = f(a[i], b[i]); });
}
template <class D, class A, class B, class C, class F>
[[gnu::always_inline]] inline void map3(Warp& w, const Insn& I, u32 m, F f) {
  D* d = w.r<D>(I.d);
  const A* a = w.r<A>(I.a);
  const B* b = w.r<B>(I.b);
  const C* c = w.r<C>(I.c);
  lanes(m, [&](int i) { d[i] = f(a[i], b[i], c[i]); });
}
inline void set_pred(Warp& w, s32 slot, u32 m, u32 value) {
  u32& d = w.pred(slot);
  d = (d & ~m) | (value & m);
}
/// Gather a predicate from a per-lane condition.
template <class F>
[[gnu::always_inline]] inline u32 ballot(u32 m, F&& f) {
  u32 v = 0;
  if (m == kFull) {
    for (int i = 0; i < kWarp; ++i) v |= static_cast<u32>(f(i)) << i;
  } else {
    for (u32 k = m; k; k &= k - 1) {
      int i = std::countr_zero(k);
      v |= static_cast<u32>(f(i)) << i;
    }
  }
  return v;
}

// Memory access used by several families (exec_mem.cpp).
enum class Access : u8 { Load, Store, Atomic };
/// Translate and check one lane's access; returns a simulator pointer. `space` may be Generic.
u8* access_lane(Warp& w, const Insn& I, ptx::Space space, int lane, u64 addr, u32 bytes,
                Access kind);
/// Address operand of a memory instruction (base + offset) for every lane of m.
void addresses(Warp& w, const Insn& I, u32 m, u64* out);
void flush_cp_async(Warp& w, int lane, u32 keep_groups);

}  // namespace cudasim

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores, parameters, cp.async, mbarrier, ldmatrix addressing helpers.
#include <cstring>

#include "checks.hpp"
#include "decode.hpp"
#include "messages.hpp"
#include "stats.hpp"

namespace cudasim {

using ptx::Space;

namespace {

[[noreturn]] void bad_access(Warp& w, const Insn& I, int lane, const char* space, Access kind,
                             u32 bytes, u64 addr, const std::string& detail, int code) {
  static constexpr const char* names[] = {"read", "write", "atomic access"};
  checks::report(
      w, I, lane,
      strf("%s %s %s of %u bytes", code == checks::kMisaligned ? "Misaligned" : "Invalid", space,
           names[static_cast<int>(kind)], bytes)
          .c_str(),
      strf("address 0x%llx: %s", static_cast<unsigned long long>(addr), detail.c_str()));
  throw KernelFault{code};
}

bool misaligned(u64 addr, u32 bytes) { return (addr & (bytes - 1)) != 0; }

u8* global_lane(Warp& w, const Insn& I, int lane, u64 addr, u32 bytes, Access kind) {
  Memory& mem = Memory::get();
  const Alloc* a = mem.find(addr);
  if (!a || !a->live || addr < a->base || addr + bytes > a->end()) {
    if (a && a->live && addr < a->end()) {
      std::string d =
          mem.describe(addr) + strf(", runs %llu bytes past its end",
                                    static_cast<unsigned long long>(addr + bytes - a->end()));
      bad_access(w, I, lane, "global", kind, bytes, addr, d, checks::kIllegalAddress);
    }
    bad_access(w, I, lane, a && !a->live ? "(use after free) global" : "global", kind, bytes, addr,
               mem.describe(addr), checks::kIllegalAddress);
  }
  if (misaligned(addr, bytes))
    bad_access(w, I, lane, "global", kind, bytes, addr, mem.describe(addr), checks::kMisaligned);
  if (a->kind == MemKind::Constant && kind != Access::Load)
    bad_access(w, I, lane, "constant memory", kind, bytes, addr, mem.describe(addr),
               checks::kIllegalAddress);
  I.cache = a;
  I.cache_epoch = mem.epoch();
  return reinterpret_cast<u8*>(addr + static_cast<u64>(a->delta));
}

u8* shared_lane(Warp& w, const Insn& I, int lane, u64 off, u32 bytes, Access kind) {
  auto& sh = w.block->shared;
  if (off + bytes > sh.size() || off + bytes < off)
    bad_access(w, I, lane, "shared", kind, bytes, off,
               strf("the block has %zu bytes of shared memory", sh.size()),
               checks::kIllegalAddress);
  if (misaligned(off, bytes))
    bad_access(w, I, lane, "shared", kind, bytes, off, "shared offset", checks::kMisaligned);
  return sh.data() + off;
}

u8* local_lane(Warp& w, const Insn& I, int lane, u64 off, u32 bytes, Access kind) {
  if (off + bytes > w.local_size || off + bytes < off)
    bad_access(w, I, lane, "local", kind, bytes, off,
               strf("the thread has %u bytes of local memory", w.local_size),
               checks::kIllegalAddress);
  if (misaligned(off, bytes))
    bad_access(w, I, lane, "local", kind, bytes, off, "local offset", checks::kMisaligned);
  return w.local.data() + size_t{w.local_size} * static_cast<size_t>(lane) + off;
}

u8* param_lane(Warp& w, const Insn& I, int lane, u64 addr, u32 bytes, Access kind) {
  u64 off = addr & ~window::kMask;
  if ((addr & window::kMask) == window::kFrameParam) {
    if (off + bytes > w.frame->fn->param_bytes)
      bad_access(w, I, lane, "parameter", kind, bytes, off, "outside the parameter area",
                 checks::kIllegalAddress);
    return w.frame->params + size_t{w.frame->fn->param_bytes} * static_cast<size_t>(lane) + off;
  }
  auto& p = w.grid->params;
  if (off + bytes > p.size() || kind != Access::Load)
    bad_access(w, I, lane, "kernel parameter", kind, bytes, off,
               "outside the parameters or a store", checks::kIllegalAddress);
  return p.data() + off;
}

/// Uninitialised reads, races and statistics; only called when one of them is on.
void observe(Warp& w, const Insn& I, Space space, u32 m, const u64* addr, u32 bytes, Access kind) {
  Grid& g = *w.grid;
  if (g.stats) {
    if (space == Space::Global)
      g.stats->global_access(addr, m, bytes, kind == Access::Store);
    else if (space == Space::Shared)
      g.stats->shared_access(addr, m, bytes);
  }
  if (g.init) {
    Memory& mem = Memory::get();
    for (u32 k = m; k; k &= k - 1) {
      int i = std::countr_zero(k);
      if (space == Space::Global) {
        if (kind != Access::Store && !mem.is_init(addr[i], bytes))
          checks::report(
              w, I, i, "Uninitialised global memory read",
              strf("%u bytes at 0x%llx: %s", bytes, static_cast<unsigned long long>(addr[i]),
                   mem.describe(addr[i]).c_str()));
        if (kind != Access::Load) mem.mark_init(addr[i], bytes);
      } else if (space == Space::Shared) {
        u8* s = w.block->shared_init.data() + addr[i];
        if (kind != Access::Store && std::memchr(s, 0, bytes))
          checks::report(w, I, i, "Uninitialised shared memory read",
                         strf("%u bytes at shared offset 0x%llx", bytes,
                              static_cast<unsigned long long>(addr[i])));
        if (kind != Access::Load) std::memset(s, 1, bytes);
      }
    }
  }
  if (g.race && space == Space::Shared)
    for (u32 k = m; k; k &= k - 1) {
      int i = std::countr_zero(k);
      checks::race_access(w, I, i, static_cast<u32>(addr[i]), bytes, kind != Access::Load,
                          kind == Access::Atomic || (I.flags & kNoArrive));
    }
}

/// Translate a warp's addresses; p[i] is valid for lanes of m. `addr` may be rewritten to offsets.
void resolve(Warp& w, const Insn& I, Space space, u32 m, u64* addr, u32 bytes, Access kind,
             u8** p) {
  bool watch = w.grid->stats || w.grid->init || w.grid->race;
  if (space == Space::Generic) {  // one window for all lanes is the usual case
    u64 win = addr[std::countr_zero(m)] & window::kMask, diff = 0;
    for (u32 k = m; k; k &= k - 1) diff |= (addr[std::countr_zero(k)] ^ win) & window::kMask;
    if (diff) {
      for (u32 k = m; k; k &= k - 1) {  // lane by lane
        int i = std::countr_zero(k);
        u64 one[kWarp];
        one[i] = addr[i];
        resolve(w, I, Space::Generic, 1u << i, one, bytes, kind, p);
      }
      return;
    }
    space = win == 0                 ? Space::Global
            : win == window::kShared ? Space::Shared
            : win == window::kLocal  ? Space::Local
                                     : Space::Param;
    if (space == Space::Shared || space == Space::Local)
      for (u32 k = m; k; k &= k - 1) addr[std::countr_zero(k)] &= ~window::kMask;
  }
  switch (space) {
    case Space::Global:
    case Space::Const: {
      const Alloc* c = I.cache;
      bool ok = c && I.cache_epoch == Memory::get().epoch();
      if (ok) {
        u64 base = c->base, last = c->end() - bytes, delta = static_cast<u64>(c->delta), bad = 0;
        if (c->size < bytes) bad = 1;
        lanes(m, [&](int i) {
          bad |= static_cast<u64>(addr[i] < base) | static_cast<u64>(addr[i] > last) |
                 (addr[i] & (bytes - 1));
          p[i] = reinterpret_cast<u8*>(addr[i] + delta);
        });
        ok = !bad;
      }
      if (!ok)
        for (u32 k = m; k; k &= k - 1) {
          int i = std::countr_zero(k);
          p[i] = global_lane(w, I, i, addr[i], bytes, kind);
        }
      if (watch && space == Space::Global) observe(w, I, Space::Global, m, addr, bytes, kind);
      break;
    }
    case Space::Shared: {
      auto& sh = w.block->shared;
      u64 bad = sh.size() < bytes, last = sh.size() - bytes;
      u8* base = sh.data();
      lanes(m, [&](int i) {
        bad |= static_cast<u64>(addr[i] > last) | (addr[i] & (bytes - 1));
        p[i] = base + addr[i];
      });
      if (bad)
        for (u32 k = m; k; k &= k - 1)
          p[std::countr_zero(k)] =
              shared_lane(w, I, std::countr_zero(k), addr[std::countr_zero(k)], bytes, kind);
      if (watch) observe(w, I, Space::Shared, m, addr, bytes, kind);
      break;
    }
    case Space::Local:
      for (u32 k = m; k; k &= k - 1)
        p[std::countr_zero(k)] =
            local_lane(w, I, std::countr_zero(k), addr[std::countr_zero(k)], bytes, kind);
      break;
    default:
      for (u32 k = m; k; k &= k - 1)
        p[std::countr_zero(k)] =
            param_lane(w, I, std::countr_zero(k), addr[std::countr_zero(k)], bytes, kind);
  }
}

struct B16 {
  u64 v[2];
};

/// True when the lanes access consecutive elements: the whole warp is one copy.
bool contiguous(u8* const* p, u32 m, u32 step) {
  if (m != kFull) return false;
  u64 first = reinterpret_cast<u64>(p[0]), diff = 0;
  for (u32 i = 0; i < kWarp; ++i) diff |= (reinterpret_cast<u64>(p[i]) - first) ^ (u64{i} * step);
  return diff == 0;
}

template <class R, class M>
void read_into(R* d, u8* const* p, u32 off, u32 m) {
  if (sizeof(R) == sizeof(M) && contiguous(p, m, sizeof(M))) {
    std::memcpy(d, p[0] + off, sizeof(M) * kWarp);
    return;
  }
  lanes(m, [&](int i) {
    M v;
    std::memcpy(&v, p[i] + off, sizeof v);
    if constexpr (sizeof(R) == sizeof(M))
      std::memcpy(&d[i], &v, sizeof v);
    else
      d[i] = static_cast<R>(v);
  });
}
template <class R>
void read_any(Warp& w, s32 slot, u8* const* p, u32 off, u32 m, int size, bool sext) {
  R* d = w.r<R>(slot);
  switch (size) {
    case 1: sext ? read_into<R, s8>(d, p, off, m) : read_into<R, u8>(d, p, off, m); break;
    case 2: sext ? read_into<R, s16>(d, p, off, m) : read_into<R, u16>(d, p, off, m); break;
    case 4: sext ? read_into<R, s32>(d, p, off, m) : read_into<R, u32>(d, p, off, m); break;
    default: read_into<R, u64>(d, p, off, m);
  }
}
void read_reg(Warp& w, s32 slot, int rsize, u8* const* p, u32 off, u32 m, int size, bool sext) {
  switch (rsize) {
    case 2: read_any<u16>(w, slot, p, off, m, size, sext); break;
    case 4: read_any<u32>(w, slot, p, off, m, size, sext); break;
    case 8: read_any<u64>(w, slot, p, off, m, size, sext); break;
    default: read_into<B16, B16>(w.r<B16>(slot), p, off, m);
  }
}
template <class R, class M>
void write_from(const R* s, u8* const* p, u32 off, u32 m) {
  if (contiguous(p, m, sizeof(M))) {
    std::memcpy(p[0] + off, s, sizeof(M) * kWarp);
    return;
  }
  for (u32 k = m; k; k &= k - 1) {
    int i = std::countr_zero(k);
    std::memcpy(p[i] + off, &s[i], sizeof(M));  // little endian: the low bytes
  }
}
void write_reg(Warp& w, s32 slot, int rsize, u8* const* p, u32 off, u32 m, int size) {
  const char* s = w.r<char>(slot);
  if (rsize == size && size == 4)
    return write_from<u32, u32>(reinterpret_cast<const u32*>(s), p, off, m);
  if (rsize == size && size == 8)
    return write_from<u64, u64>(reinterpret_cast<const u64*>(s), p, off, m);
  for (u32 k = m; k; k &= k - 1) {
    int i = std::countr_zero(k);
    std::memcpy(p[i] + off, s + i * rsize, static_cast<size_t>(size));
  }
}

void load(Warp& w, const Insn& I, u32 m) {
  u64 addr[kWarp];
  u8* p[kWarp];
  addresses(w, I, m, addr);
  resolve(w, I, I.space, m, addr, u32{I.size} * I.vec, Access::Load, p);
  if (I.vec == 1) return read_reg(w, I.d, I.rsize, p, 0, m, I.size, I.sext & 1);
  for (u32 e = 0; e < I.vec; ++e)
    read_reg(w, w.prog->lists[I.list + e], I.rsize, p, e * I.size, m, I.size, I.sext & 1);
}
void store(Warp& w, const Insn& I, u32 m) {
  u64 addr[kWarp];
  u8* p[kWarp];
  addresses(w, I, m, addr);
  resolve(w, I, I.space, m, addr, u32{I.size} * I.vec, Access::Store, p);
  if (I.vec == 1) return write_reg(w, I.b, I.rsize, p, 0, m, I.size);
  for (u32 e = 0; e < I.vec; ++e)
    write_reg(w, w.prog->lists[I.list + e], I.rsize, p, e * I.size, m, I.size);
}
/// Parameter space with a symbolic address.
void load_param(Warp& w, const Insn& I, u32 m) {
  u8* p[kWarp];
  if (I.op == 0) {
    for (auto& x : p) x = w.grid->params.data() + I.imm;
  } else {
    for (int i = 0; i < kWarp; ++i)
      p[i] = w.frame->params + size_t{w.frame->fn->param_bytes} * static_cast<size_t>(i) + I.imm;
  }
  if (I.vec == 1) return read_reg(w, I.d, I.rsize, p, 0, m, I.size, I.sext & 1);
  for (u32 e = 0; e < I.vec; ++e)
    read_reg(w, w.prog->lists[I.list + e], I.rsize, p, e * I.size, m, I.size, I.sext & 1);
}
void store_param(Warp& w, const Insn& I, u32 m) {
  u8* p[kWarp];
  for (int i = 0; i < kWarp; ++i)
    p[i] = w.frame->params + size_t{w.frame->fn->param_bytes} * static_cast<size_t>(i) + I.imm;
  if (I.vec == 1) return write_reg(w, I.b, I.rsize, p, 0, m, I.size);
  for (u32 e = 0; e < I.vec; ++e)
    write_reg(w, w.prog->lists[I.list + e], I.rsize, p, e * I.size, m, I.size);
}

// ---- cp.async -------------------------------------------------------------------------------
// Copies are carried out as late as the program allows (at the wait), so that a missing wait shows.

void cp_async(Warp& w, const Insn& I, u32 m) {
  const u64* src = w.r<u64>(I.b);
  const u32* n = I.c ? w.r<u32>(I.c) : nullptr;
  u64 dst[kWarp], from[kWarp];
  addresses(w, I, m, dst);
  u32 reading = 0;
  for (u32 k = m; k; k &= k - 1) {
    int i = std::countr_zero(k);
    u64 off = dst[i] & ~window::kMask;
    shared_lane(w, I, i, off, I.size, Access::Store);
    u32 count = n ? std::min<u32>(n[i], I.size) : I.size;
    if (I.e && (w.pred(I.e) >> i & 1)) count = 0;  // ignore-src
    from[i] = src[i] + I.list;
    if (count) {
      // The hardware needs the full alignment but reads only `count` bytes.
      if (misaligned(from[i], I.size))
        bad_access(w, I, i, "global", Access::Load, I.size, from[i],
                   Memory::get().describe(from[i]), checks::kMisaligned);
      for (u32 b = 0, step; b < count; b += step) {
        step = (count - b) >= 8 ? 8 : (count - b) >= 4 ? 4 : 1;
        global_lane(w, I, i, from[i] + b, step, Access::Load);
      }
      reading |= 1u << i;
    }
    w.pending[i].push_back({static_cast<u32>(off), I.size, count, from[i], w.cp_groups[i], &I});
  }
  if (w.grid->stats && reading) w.grid->stats->global_access(from, reading, I.size, false);
  if (w.grid->init)
    for (u32 k = reading; k; k &= k - 1) {
      int i = std::countr_zero(k);
      if (!Memory::get().is_init(from[i], w.pending[i].back().src_size))
        checks::report(w, I, i, "Uninitialised global memory read",
                       "cp.async source: " + Memory::get().describe(from[i]));
    }
}

void finish_copy(Warp& w, int lane, const CpAsync& c) {
  Block& b = *w.block;
  u8* d = b.shared.data() + c.dst;
  std::memcpy(d, Memory::get().host(c.src), c.src_size);
  std::memset(d + c.src_size, 0, c.size - c.src_size);
  if (w.grid->init) std::memset(b.shared_init.data() + c.dst, 1, c.size);
  if (w.grid->race) checks::race_access(w, *c.insn, lane, c.dst, c.size, true, false);
}

void cp_commit(Warp& w, const Insn&, u32 m) {
  for (u32 k = m; k; k &= k - 1) ++w.cp_groups[std::countr_zero(k)];
}
void cp_wait(Warp& w, const Insn& I, u32 m) {
  for (u32 k = m; k; k &= k - 1) {
    int i = std::countr_zero(k);
    if (I.op) ++w.cp_groups[i];  // wait_all: the open group too
    flush_cp_async(w, i, static_cast<u32>(I.imm));
  }
}

// ---- mbarrier: pending:20 | expected:20 | tx:23 (biased) | phase:1 ---------------------------
struct MBar {
  u32 pending, expected, phase;
  s32 tx;
  static MBar get(u64 v) {
    return {static_cast<u32>(v & 0xfffff), static_cast<u32>(v >> 20 & 0xfffff),
            static_cast<u32>(v >> 63), static_cast<s32>(v >> 40 & 0x7fffff) - 0x400000};
  }
  u64 put() const {
    return u64{pending} | u64{expected} << 20 | static_cast<u64>(tx + 0x400000) << 40 |
           static_cast<u64>(phase) << 63;
  }
  void settle() {
    if (pending == 0 && tx == 0) pending = expected, phase ^= 1;
  }
};
enum MOp : u8 {
  kInit,
  kInval,
  kArrive,
  kArriveDrop,
  kExpectTx,
  kArriveExpect,
  kCompleteTx,
  kTest,
  kTestParity,
  kPendingCount,
  kCpArrive
};

void mbarrier(Warp& w, const Insn& I, u32 m) {
  u64 addr[kWarp];
  addresses(w, I, m, addr);
  const u32* n = I.b ? w.r<u32>(I.b) : nullptr;
  for (u32 k = m; k; k &= k - 1) {
    int i = std::countr_zero(k);
    u8* p = shared_lane(w, I, i, addr[i] & ~window::kMask, 8, Access::Atomic);
    if (w.grid->init) std::memset(w.block->shared_init.data() + (addr[i] & ~window::kMask), 1, 8);
    u64 v;
    std::memcpy(&v, p, 8);
    MBar b = MBar::get(v);
    u64 state = v;
    switch (static_cast<MOp>(I.op)) {
      case kInit: b = {n[i], n[i], 0, 0}; break;
      case kInval: b = {}; break;
      case kCpArrive:
        flush_cp_async(w, i, 0);
        ++w.cp_groups[i];
        flush_cp_async(w, i, 0);
        if (!(I.flags & kNoArrive))
          break;  // without noinc the pending count is raised first: no net change
        [[fallthrough]];
      case kArrive:
      case kArriveDrop: {
        u32 c = n ? n[i] : 1;
        if (b.pending < c) {
          checks::report(w, I, i, "mbarrier arrive beyond the expected count",
                         strf("pending %u", b.pending));
          throw KernelFault{checks::kLaunchFailure};
        }
        b.pending -= c;
        if (I.op == kArriveDrop) b.expected -= c;
        b.settle();
        break;
      }
      case kExpectTx: b.tx += static_cast<s32>(n[i]); break;
      case kArriveExpect:
        b.tx += static_cast<s32>(n[i]);
        if (b.pending) --b.pending;
        b.settle();
        break;
      case kCompleteTx:
        b.tx -= static_cast<s32>(n[i]);
        b.settle();
        break;
      case kTest:
      case kTestParity: {
        bool done =
            I.op == kTest ? (w.r<u64>(I.c)[i] >> 63) != b.phase : (w.r<u32>(I.c)[i] & 1) != b.phase;
        set_pred(w, I.d, 1u << i, done ? kFull : 0);
        if (!done) w.yield = true;
        continue;
      }
      case kPendingCount: break;
    }
    if (b.phase != static_cast<u32>(state >> 63))
      ++w.block->epoch;  // orders accesses, for race detection
    v = b.put();
    std::memcpy(p, &v, 8);
    if (I.d) w.r<u64>(I.d)[i] = state;
  }
}
void mbarrier_pending(Warp& w, const Insn& I, u32 m) {
  map1<u32, u64>(w, I, m, [](u64 s) { return MBar::get(s).pending; });
}

bool decode_mbarrier(Dec& d) {
  d.one_of({"shared", "shared::cta"});
  d.one_of({"release", "acquire", "relaxed"});
  d.one_of({"cta", "cluster"});
  d.has("noComplete");
  if (d.has("pending_count")) {
    s32 a = d.src(1, Ty::B64);
    d.emit(mbarrier_pending, Cls::Sync, d.dst(0, Ty::B32), a);
    return true;
  }
  Insn I = d.make(mbarrier, Cls::Sync, Kind::Mem);
  bool expect = d.has("expect_tx");
  if (d.has("init"))
    I.op = kInit, d.address(I, d.arg(0)), I.b = d.src(1, Ty::U32);
  else if (d.has("inval"))
    I.op = kInval, d.address(I, d.arg(0));
  else if (d.has("arrive") || d.has("arrive_drop")) {
    I.op = d.op() == "mbarrier" && d.s.op[1] == "arrive_drop" ? kArriveDrop
           : expect                                           ? kArriveExpect
                                                              : kArrive;
    bool has_state = d.arg(0).kind != ptx::Operand::Mem;
    size_t at = has_state ? 1 : 0;
    d.address(I, d.arg(at));
    if (d.nargs() > at + 1) I.b = d.src(at + 1, Ty::U32);
    if (has_state && d.arg(0).kind == ptx::Operand::Reg) I.d = d.dst(0, Ty::B64);
  } else if (expect)
    I.op = kExpectTx, d.address(I, d.arg(0)), I.b = d.src(1, Ty::U32);
  else if (d.has("complete_tx"))
    I.op = kCompleteTx, d.address(I, d.arg(0)), I.b = d.src(1, Ty::U32);
  else if (d.one_of({"test_wait", "try_wait"}) >= 0) {
    I.kind = Kind::Yield;
    bool parity = d.has("parity");
    I.op = parity ? kTestParity : kTest;
    d.address(I, d.arg(1));
    I.c = d.src(2, parity ? Ty::U32 : Ty::B64);
    I.d = d.pdst(0);
  } else
    d.unsupported();
  d.emit(I);
  return true;
}

bool decode_cp_async(Dec& d) {
  if (d.has("bulk") || d.has("reduce") || d.has("tensor"))
    d.unsupported("bulk copies are not simulated");
  if (d.has("commit_group")) {
    d.emit(d.make(cp_commit, Cls::LdSt, Kind::Mem));
    return true;
  }
  if (d.has("wait_group") || d.has("wait_all")) {
    Insn I = d.make(cp_wait, Cls::Sync, Kind::Mem);
    I.op = d.has("wait_all");
    I.imm = I.op ? 0 : d.arg(0).imm;
    d.emit(I);
    return true;
  }
  if (d.has("mbarrier")) {
    d.has("arrive");
    d.one_of({"shared", "shared::cta"});
    Insn I = d.make(mbarrier, Cls::Sync, Kind::Mem);
    I.op = kCpArrive;
    if (d.has("noinc")) I.flags |= kNoArrive;
    d.address(I, d.arg(0));
    d.emit(I);
    return true;
  }
  d.one_of({"ca", "cg"});
  d.one_of({"shared", "shared::cta"});
  d.has("global");
  bool hint = d.has("L2::cache_hint");
  d.starting("L2::");
  Insn I = d.make(cp_async, Cls::LdSt, Kind::Mem);
  I.size = static_cast<u8>(d.arg(2).imm);
  if (I.size != 4 && I.size != 8 && I.size != 16) d.unsupported("copy size");
  size_t extra = d.nargs() - (hint ? 1 : 0);
  if (extra > 3) {
    const auto& o = d.arg(3);
    if (o.kind == ptx::Operand::Reg && d.reg_type(o) == Ty::Pred)
      I.e = d.psrc(3);
    else
      I.c = d.src(3, Ty::U32);
  }
  const auto& src = d.arg(1);
  if (src.kind != ptx::Operand::Mem) d.unsupported();
  Insn tmp = I;
  d.address(tmp, src);
  if (tmp.flags & kAddr32) d.unsupported("32-bit global address");
  I.b = tmp.a;
  I.list = static_cast<u32>(tmp.imm);
  if (tmp.imm < 0) {  // fold a negative offset through the 64-bit addition below
    I.list = 0;
    Insn add = d.make(
        [](Warp& w, const Insn& J, u32 m) {
          u64 off = static_cast<u64>(J.imm);
          map1<u64, u64>(w, J, m, [=](u64 a) { return a + off; });
        },
        Cls::Int);
    add.a = tmp.a, add.d = d.temp(8), add.imm = tmp.imm;
    d.emit(add);
    I.b = add.d;
  }
  d.address(I, d.arg(0));
  d.emit(I);
  return true;
}

}  // namespace

void addresses(Warp& w, const Insn& I, u32 m, u64* out) {
  u64 off = static_cast<u64>(I.imm);
  if (I.flags & kAddr32) {
    const u32* a = w.r<u32>(I.a);
    lanes(m, [&](int i) { out[i] = a[i] + off; });
  } else {
    const u64* a = w.r<u64>(I.a);
    lanes(m, [&](int i) { out[i] = a[i] + off; });
  }
}

u8* access_lane(Warp& w, const Insn& I, Space space, int lane, u64 addr, u32 bytes, Access kind) {
  u64 a[kWarp];
  u8* p[kWarp];
  a[lane] = addr;
  resolve(w, I, space, 1u << lane, a, bytes, kind, p);
  return p[lane];
}

void flush_cp_async(Warp& w, int lane, u32 keep) {
  auto& q = w.pending[lane];
  size_t n = 0;
  while (n < q.size() && q[n].group + keep < w.cp_groups[lane]) finish_copy(w, lane, q[n++]);
  q.erase(q.begin(), q.begin() + static_cast<long>(n));
}

bool decode_mem(Dec& d) {
  auto op = d.op();
  if (op == "cp") {
    if (d.s.op.size() > 1 && d.s.op[1] == "async") {
      d.has("async");
      return decode_cp_async(d);
    }
    return false;
  }
  if (op == "mbarrier") return decode_mbarrier(d);
  if (op == "prefetch" || op == "prefetchu" || op == "applypriority" || op == "discard") {
    if (d.has("tensormap")) d.unsupported();
    d.accept_all();
    return true;
  }
  if (op == "createpolicy") {
    d.accept_all();
    d.emit(
        [](Warp& w, const Insn& I, u32 m) {
          u64* r = w.r<u64>(I.d);
          lanes(m, [&](int i) { r[i] = 0; });
        },
        Cls::Int, d.dst(0, Ty::B64));
    return true;
  }
  bool is_ld = op == "ld" || op == "ldu", is_st = op == "st";
  if (!is_ld && !is_st) return false;
  if (d.has("async") || d.has("bulk")) d.unsupported();
  int sp = d.one_of({"global", "shared", "local", "param", "const", "shared::cta", "param::entry",
                     "param::func"});
  if (d.has("shared::cluster")) d.unsupported("cluster shared memory");
  static constexpr Space spaces[] = {Space::Global, Space::Shared, Space::Local, Space::Param,
                                     Space::Const,  Space::Shared, Space::Param, Space::Param};
  Space space = sp < 0 ? Space::Generic : spaces[sp];
  int vec = d.one_of({"v2", "v4", "v8"});
  bool strong = d.one_of({"volatile", "relaxed", "acquire", "release", "mmio"}) >= 0;
  Ty t = d.type();
  d.accept_all();  // cache, eviction and scope modifiers have no effect here
  if (t == Ty::None) d.unsupported();
  Insn I = d.make(is_ld ? load : store, Cls::LdSt, Kind::Mem);
  I.space = space;
  I.size = static_cast<u8>(type_bytes(t));
  I.vec = static_cast<u8>(vec < 0 ? 1 : 2 << vec);
  I.sext = is_signed(t);
  if (strong) I.flags |= kNoArrive;  // synchronising access: exempt from race detection
  const auto& value = d.arg(is_ld ? 0 : 1);
  const auto& mem = d.arg(is_ld ? 1 : 0);
  bool vector = value.kind == ptx::Operand::Vec;
  std::vector<const ptx::Operand*> regs;
  if (vector)
    for (auto& o : value.sub) regs.push_back(&o);
  else
    regs.push_back(&value);
  if (regs.size() != I.vec) d.unsupported("vector length");
  // All registers of one access have the same width.
  int rsize = I.size < 2 ? 2 : I.size;
  for (auto* o : regs)
    if (o->kind == ptx::Operand::Reg) rsize = std::max(rsize, d.reg_bytes(*o));
  I.rsize = static_cast<u8>(rsize);
  Ty rt = rsize == 2 ? Ty::B16 : rsize == 4 ? Ty::B32 : rsize == 8 ? Ty::B64 : Ty::B128;
  std::vector<s32> slots;
  for (auto* o : regs) {
    if (is_ld)
      slots.push_back(d.dst(*o, rt, I.sext));
    else if (o->kind == ptx::Operand::Imm && is_float(t))
      slots.push_back(d.src(*o, t));
    else
      slots.push_back(d.src(*o, rt));
  }
  if (is_ld)
    I.d = slots[0];
  else
    I.b = slots[0];
  if (I.vec > 1) I.list = d.list(slots);
  if (space == Space::Param && mem.kind == ptx::Operand::Mem &&
      mem.sub[0].kind == ptx::Operand::Sym) {
    auto name = mem.sub[0].name;
    I.fn = is_ld ? load_param : store_param;
    I.cls = Cls::Move;
    I.imm = mem.imm;
    if (is_ld) I.kind = Kind::Alu;
    if (auto it = d.ctx.param_off.find(name); it != d.ctx.param_off.end()) {
      I.op = 1;
      I.imm += it->second;
    } else if (auto k = d.ctx.kernel_param_off.find(name);
               k != d.ctx.kernel_param_off.end() && is_ld) {
      I.imm += k->second;
    } else
      d.unsupported("unknown parameter");
  } else {
    if (space == Space::Param) I.space = Space::Generic;
    d.address(I, mem);
  }
  d.emit(I);
  return true;
}

}  // namespace cudasim

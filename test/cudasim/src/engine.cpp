// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "engine.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include "checks.hpp"
#include "environment.hpp"
#include "messages.hpp"
#include "stats.hpp"

namespace cudasim {

const Device& Device::get() {
  static const Device d = [] {
    int arch = static_cast<int>(env_int("CUDASIM_ARCH", 80));
    int sms = static_cast<int>(env_int("CUDASIM_SMS", 4));
    bool hopper = arch >= 90;
    int smem = hopper ? 228 : arch == 80 ? 164 : 100;
    return Device{arch,
                  sms,
                  arch == 80 || hopper ? 2048 : 1536,
                  smem << 10,
                  (smem - 1) << 10,
                  65536,
                  arch == 80 || hopper ? 32 : 16};
  }();
  return d;
}

// ---- frames ---------------------------------------------------------------------------------

Frame* Warp::new_frame(const DecodedFn& fn, Frame* parent) {
  Frame* f = new Frame;
  f->fn = &fn;
  f->parent = parent;
  size_t regs = (fn.reg_bytes + 63) & ~63u, params = size_t{fn.param_bytes} * kWarp;
  f->regs = static_cast<char*>(std::aligned_alloc(64, regs + ((params + 63) & ~size_t{63}) + 64));
  std::memset(f->regs, 0, regs);
  f->params = reinterpret_cast<u8*>(f->regs + regs);
  f->depth = parent ? parent->depth + 1 : 0;
  f->local_base = parent ? parent->local_base + parent->fn->local_bytes : 0;
  return f;
}

void Warp::drop_frame(Frame* f) {
  while (f && --f->refs == 0) {
    Frame* parent = f->parent;
    std::free(f->regs);
    delete f;
    f = parent;
  }
}

void Warp::cleanup() {
  for (auto& g : groups) drop_frame(g.frame);
  groups.clear();
  frame = nullptr;
}

void Warp::start(Block& b, u32 warp_id, const DecodedFn& fn) {
  block = &b;
  grid = b.grid;
  prog = grid->prog;
  id = warp_id;
  alive = 0;
  sync_epoch = 1;
  yield = false;
  cc_carry = 0;
  for (int i = 0; i < kWarp; ++i) {
    u32 t = id * kWarp + static_cast<u32>(i);
    if (t < b.nthreads) alive |= 1u << i;
    tid[0][i] = t % grid->block[0];
    tid[1][i] = t / grid->block[0] % grid->block[1];
    tid[2][i] = t / (grid->block[0] * grid->block[1]);
    pending[i].clear();
    cp_groups[i] = 0;
  }
  dead = ~alive;
  base[1] = prog->const_base;
  bool calls = !prog->calls.empty();
  local_size = fn.local_bytes + (calls ? static_cast<u32>(env_int("CUDASIM_STACK", 16384)) : 0);
  local.resize(size_t{local_size} * kWarp);
  Group g;
  g.pc = fn.entry;
  g.mask = alive;
  g.frame = new_frame(fn, nullptr);
  groups.assign(1, g);
  cur_ = 0;
}

// ---- group scheduling -----------------------------------------------------------------------

/// Merge equal positions, wake satisfied waiters, select the next group: lowest penalty, deepest
/// call, lowest pc. False when no group can run.
bool Warp::pick() {
  for (int attempt = 0; attempt < 2; ++attempt) {
    for (size_t i = 0; i < groups.size(); ++i) {
      if (!groups[i].mask) {
        drop_frame(groups[i].frame);
        groups.erase(groups.begin() + static_cast<long>(i--));
        continue;
      }
      for (size_t j = i + 1; j < groups.size();) {
        Group &a = groups[i], &b = groups[j];
        if (a.pc == b.pc && a.frame == b.frame &&
            (a.state == Group::WaitBar) == (b.state == Group::WaitBar)) {
          a.mask |= b.mask;
          if (a.state != Group::WaitBar) a.state = Group::Ready;
          a.released = a.released && b.released;
          a.penalty = std::min(a.penalty, b.penalty);
          --b.frame->refs;
          groups.erase(groups.begin() + static_cast<long>(j));
        } else
          ++j;
      }
    }
    size_t best = groups.size();
    for (size_t i = 0; i < groups.size(); ++i) {
      Group& g = groups[i];
      if (g.state == Group::WaitSync && (g.released || !(g.need & alive & ~g.mask)))
        g.state = Group::Ready;
      if (g.state != Group::Ready) continue;
      if (best == groups.size()) {
        best = i;
        continue;
      }
      Group& h = groups[best];
      if (g.penalty != h.penalty             ? g.penalty < h.penalty
          : g.frame->depth != h.frame->depth ? g.frame->depth > h.frame->depth
                                             : g.pc < h.pc)
        best = i;
    }
    if (best < groups.size()) {
      cur_ = best;
      return true;
    }
    if (!resolve_cross_sync()) return false;
  }
  return false;
}

/// bar.warp.sync may be reached at different places of the program: release the participants.
bool Warp::resolve_cross_sync() {
  bool any = false;
  for (auto& g : groups) {
    if (g.state != Group::WaitSync || prog->code[g.pc].fn) continue;
    u32 have = 0;
    for (auto& h : groups)
      if (h.state == Group::WaitSync && !prog->code[h.pc].fn && h.need == g.need) have |= h.mask;
    if (g.need & alive & ~have) continue;
    for (auto& h : groups)
      if (h.state == Group::WaitSync && !prog->code[h.pc].fn && h.need == g.need) h.released = true;
    any = true;
  }
  return any;
}

/// The nearest pc ahead of the current group at which it would meet another one.
u32 Warp::stop_pc() const {
  u32 stop = ~0u;
  const Group& c = groups[cur_];
  for (size_t i = 0; i < groups.size(); ++i)
    if (i != cur_ && groups[i].frame == c.frame && groups[i].pc > c.pc &&
        groups[i].state != Group::WaitBar)
      stop = std::min(stop, groups[i].pc);
  return stop;
}

/// Current group keeps `stay_mask` at `stay_pc`; the other lanes continue at `go_pc`.
void Warp::split(u32 stay_mask, u32 stay_pc, u32 go_pc) {
  Group other = groups[cur_];
  other.mask &= ~stay_mask;
  other.pc = go_pc;
  other.state = Group::Ready;
  other.released = false;
  ++other.frame->refs;
  groups[cur_].mask = stay_mask;
  groups[cur_].pc = stay_pc;
  groups.push_back(other);
  if (grid->stats) grid->stats->max_groups = std::max<u64>(grid->stats->max_groups, groups.size());
}

void Warp::exit_lanes(u32 m) {
  alive &= ~m;
  dead |= m;
  groups[cur_].mask &= ~m;
  if (!groups[cur_].mask) {
    drop_frame(groups[cur_].frame);
    groups.erase(groups.begin() + static_cast<long>(cur_));
  }
  block->check_barriers();
}

// ---- calls ----------------------------------------------------------------------------------

void run_builtin(Warp& w, const Insn& I, const CallSite& site, u32 m);  // exec_control.cpp
ptx::Function* function_at(u64 address);                                // decode.cpp

void Warp::call(const Insn& insn, u32 m) {
  const Insn I = insn;  // decoding a callee may move Program::code
  Group& g = groups[cur_];
  if (prog->calls[I.list].builtin) {
    g.pc += 1;
    run_builtin(*this, I, prog->calls[I.list], m);
    return;
  }
  DecodedFn* callee = prog->calls[I.list].callee;
  if (!callee) {  // indirect: split off lanes that go elsewhere
    const u64* t = r<u64>(prog->calls[I.list].target);
    u64 target = t[std::countr_zero(m)];
    u32 same = 0;
    for (u32 k = m; k; k &= k - 1)
      if (int i = std::countr_zero(k); t[i] == target) same |= 1u << i;
    if (same != m) {
      split(same, g.pc, g.pc);
      groups.back().pc = groups[cur_].pc;  // will call on its own turn
      groups[cur_].mask = same;
    }
    ptx::Function* f = function_at(target);
    if (!f) {
      checks::report(*this, I, std::countr_zero(m), "Indirect call to an invalid function address",
                     strf("0x%llx", static_cast<unsigned long long>(target)));
      throw KernelFault{checks::kIllegalAddress};
    }
    callee = const_cast<Program*>(prog)->function(f);
    const_cast<Program*>(prog)->link();
    m = same;
  }
  const CallSite& site = prog->calls[I.list];
  Group& cg = groups[cur_];
  Frame* f = new_frame(*callee, cg.frame);
  f->site = I.list;
  f->ret_pc = cg.pc + 1;
  if (f->local_base + callee->local_bytes > local_size) {
    checks::report(*this, I, std::countr_zero(m), "Stack overflow",
                   "device call stack exceeds CUDASIM_STACK");
    drop_frame(f);
    throw KernelFault{checks::kLaunchFailure};
  }
  for (size_t a = 0; a < site.args.size() && a < callee->params.size(); ++a)
    for (u32 k = m; k; k &= k - 1) {
      int i = std::countr_zero(k);
      std::memcpy(f->params + size_t{callee->param_bytes} * i + callee->params[a].offset,
                  cg.frame->params + size_t{cg.frame->fn->param_bytes} * i + site.args[a].offset,
                  std::min(site.args[a].size, callee->params[a].size));
    }
  cg.frame = f;
  cg.pc = callee->entry;
}

void Warp::ret() {
  Group& g = groups[cur_];
  Frame* f = g.frame;
  Frame* p = f->parent;
  const CallSite& site = prog->calls[f->site];
  for (size_t a = 0; a < site.rets.size() && a < f->fn->rets.size(); ++a)
    for (u32 k = g.mask; k; k &= k - 1) {
      int i = std::countr_zero(k);
      std::memcpy(p->params + size_t{p->fn->param_bytes} * i + site.rets[a].offset,
                  f->params + size_t{f->fn->param_bytes} * i + f->fn->rets[a].offset,
                  site.rets[a].size);
    }
  ++p->refs;
  g.frame = p;
  g.pc = f->ret_pc;
  drop_frame(f);
}

// ---- the run loop ---------------------------------------------------------------------------

Warp::Stop Warp::run(u64 slice) {
  const u64 end = icount + slice;
  Program& program = *const_cast<Program*>(prog);
  const bool stats = grid->stats != nullptr;
  u64 spin = icount;
  while (pick()) {
    const Insn* code = program.code.data();
    u32 pc = groups[cur_].pc;
    const u32 mask = groups[cur_].mask;
    const u32 stop = groups.size() > 1 ? stop_pc() : ~0u;
    frame = groups[cur_].frame;
    base[0] = frame->regs;
    for (bool repick = false; !repick;) {
      const Insn& I = code[pc];
      u32 m = mask;
      if (I.guard >= 0) {
        u32 p = *reinterpret_cast<const u32*>(base[0] + I.guard);
        m &= I.guard_neg ? ~p : p;
      }
      ++icount;
      if (stats && m) {
        ++program.exec_warp[pc];
        program.exec_thread[pc] += static_cast<u64>(std::popcount(m));
      }
      switch (I.kind) {
        case Kind::Alu:
          if (m) I.fn(*this, I, m | dead);
          ++pc;
          break;
        case Kind::Mem:
          if (m) I.fn(*this, I, m);
          ++pc;
          break;
        case Kind::WarpSync: {
          if (!m) {
            ++pc;
            break;
          }
          groups[cur_].pc = pc;
          if (m != mask) {
            split(m, pc, pc + 1);
            repick = true;
            break;
          }
          const u32* members = r<u32>(I.e);
          u32 need = 0;
          if (I.e < 0)
            need = members[0];
          else
            for (u32 k = m; k; k &= k - 1) need |= members[std::countr_zero(k)];
          if ((need & alive & ~m) && !groups[cur_].released) {
            groups[cur_].state = Group::WaitSync;
            groups[cur_].need = need;
            repick = true;
            break;
          }
          groups[cur_].released = false;
          if (I.fn) I.fn(*this, I, m);
          ++sync_epoch;
          ++pc;
          break;
        }
        case Kind::Bar:
          if (!m) {
            ++pc;
            break;
          }
          groups[cur_].pc = pc;
          if (m != mask)
            split(m, pc, pc + 1);
          else if (arrive(I, m))
            groups[cur_].pc = pc + 1;
          repick = true;
          break;
        case Kind::Bra: {
          u32 target = static_cast<u32>(I.imm);
          bool back = target <= pc;
          if (m == mask)
            pc = target;
          else if (!m)
            ++pc;
          else {
            groups[cur_].pc = pc;
            split(m, target, pc + 1);
            repick = true;
          }
          if (groups.size() > 1) {
            if (!repick) groups[cur_].pc = pc, repick = true;
            if (icount - spin > 4096) spin = icount, ++groups[cur_].penalty;
          }
          if (back && icount >= end) {
            if (!repick) groups[cur_].pc = pc;
            return Stop::Slice;
          }
          break;
        }
        case Kind::BrxIdx: {
          if (!m) {
            ++pc;
            break;
          }
          groups[cur_].pc = pc;
          if (m != mask) {
            split(m, pc, pc + 1);
            repick = true;
            break;
          }
          const auto& table = prog->branch_tables[I.list];
          const u32* idx = r<u32>(I.a);
          u32 rest = m;
          while (rest) {
            u32 v = idx[std::countr_zero(rest)], same = 0;
            for (u32 k = rest; k; k &= k - 1)
              if (int i = std::countr_zero(k); idx[i] == v) same |= 1u << i;
            u32 target = v < table.size() ? table[v] : pc + 1;
            rest &= ~same;
            if (rest) {
              split(rest, pc, target);
            } else
              groups[cur_].pc = target;
          }
          repick = true;
          if (icount >= end) return Stop::Slice;
          break;
        }
        case Kind::Call:
          if (!m) {
            ++pc;
            break;
          }
          groups[cur_].pc = pc;
          if (m != mask)
            split(m, pc, pc + 1);
          else
            call(I, m);
          repick = true;
          break;
        case Kind::Ret:
        case Kind::Exit:
          if (!m) {
            ++pc;
            break;
          }
          groups[cur_].pc = pc;
          if (I.kind == Kind::Ret && frame->parent) {
            if (m != mask)
              split(m, pc, pc + 1);
            else
              ret();
          } else {
            if (m != mask) groups[cur_].pc = pc + 1;
            exit_lanes(m);
          }
          repick = true;
          break;
        case Kind::Trap:
          if (m) {
            checks::report(*this, I, std::countr_zero(m), "trap executed", "");
            throw KernelFault{checks::kLaunchFailure};
          }
          ++pc;
          break;
        case Kind::Yield:
          if (m && I.fn) I.fn(*this, I, m);
          ++pc;
          if (m && (yield || !I.fn)) {
            yield = false;
            groups[cur_].pc = pc;
            if (groups.size() > 1) ++groups[cur_].penalty;
            return Stop::Slice;
          }
          break;
      }
      if (!repick && pc == stop) {
        groups[cur_].pc = pc;
        repick = true;
      }
    }
  }
  return groups.empty() ? Stop::Done : Stop::Blocked;
}

std::string Warp::position(const Group& g) const {
  const Insn& I = prog->code[g.pc];
  const char* st = g.state == Group::Ready     ? "running"
                   : g.state == Group::WaitBar ? "waiting at barrier"
                                               : "waiting for lanes of its member mask";
  std::string s = strf("warp %u lanes 0x%08x %s", id, g.mask, st);
  if (g.state == Group::WaitSync) s += strf(" (mask 0x%08x)", g.need & alive);
  if (I.stmt) {
    auto t = prog->kernel->module->line_text(I.stmt->line);
    s += strf(" at PTX line %u: %.*s", I.stmt->line, static_cast<int>(t.size()), t.data());
  }
  return s;
}

// ---- barriers -------------------------------------------------------------------------------

/// True when the group may go on at once (bar.arrive); otherwise it waits (and may have been
/// released already by complete()).
bool Warp::arrive(const Insn& I, u32 m) {
  u32 idn = r<u32>(I.a)[std::countr_zero(m)];
  u32 count = I.b ? r<u32>(I.b)[std::countr_zero(m)] : 0;
  if (idn >= 16) {
    checks::report(*this, I, std::countr_zero(m), "Invalid barrier number", strf("%u", idn));
    throw KernelFault{checks::kIllegalInstruction};
  }
  Barrier& bar = block->bars[idn];
  bar.used = true;
  if (bar.arrived.size() < block->warps.size()) bar.arrived.resize(block->warps.size());
  bar.expected = count / kWarp;
  if (grid->stats) ++grid->stats->barriers;
  if (I.op == 2) {  // arrive
    if (m == alive || (bar.arrived[id] | m) == alive)
      ++bar.extra, bar.arrived[id] = 0;
    else
      bar.arrived[id] |= m;
    groups[cur_].state = Group::Ready;
    block->check_barriers();
    return true;
  }
  for (auto& g : groups)
    if (&g != &groups[cur_] && g.state == Group::WaitBar && g.barrier == static_cast<int>(idn) &&
        g.pc != groups[cur_].pc && !(I.flags & kNanProp))
      checks::report(
          *this, I, std::countr_zero(m), "Barrier divergence",
          "lanes of one warp wait for the same barrier at different instructions: " + position(g));
  bar.arrived[id] |= m;
  if (I.op >= 3) {  // reductions
    u32 p = pred(I.c);
    if (I.sext) p = ~p;
    bar.pred_lanes += static_cast<u32>(std::popcount(m));
    bar.pred_true += static_cast<u32>(std::popcount(m & p));
  }
  groups[cur_].state = Group::WaitBar;
  groups[cur_].barrier = static_cast<int>(idn);
  block->check_barriers();
  return false;
}

void Block::check_barriers() {
  for (int i = 0; i < 16; ++i) {
    Barrier& b = bars[i];
    if (!b.used) continue;
    u32 arrived = 0, all = 0, waiting = 0;
    for (size_t w = 0; w < warps.size(); ++w) {
      if (!warps[w].alive) continue;
      ++all;
      if (b.arrived[w] & warps[w].alive) ++waiting;
      if ((b.arrived[w] & warps[w].alive) == warps[w].alive) ++arrived;
    }
    if (!waiting && !b.extra) continue;
    u32 want = b.expected ? b.expected : all;
    if (arrived + b.extra >= want) complete(i);
  }
}

void Block::complete(int n) {
  Barrier& b = bars[n];
  ++epoch;
  for (auto& w : warps) {
    if (!b.arrived[w.id]) continue;
    for (auto& g : w.groups) {
      if (g.state != Group::WaitBar || g.barrier != n) continue;
      const Insn& I = w.prog->code[g.pc];
      char* saved = w.base[0];
      w.base[0] = g.frame->regs;
      if (I.op == 3)  // popc
        for (u32 k = g.mask; k; k &= k - 1) w.r<u32>(I.d)[std::countr_zero(k)] = b.pred_true;
      else if (I.op >= 4) {
        bool v = I.op == 4 ? b.pred_true == b.pred_lanes : b.pred_true != 0;
        u32& d = w.pred(I.d);
        d = v ? d | g.mask : d & ~g.mask;
      }
      w.base[0] = saved;
      g.state = Group::Ready;
      g.pc += 1;
    }
  }
  b.arrived.assign(warps.size(), 0);
  b.extra = b.expected = b.pred_lanes = b.pred_true = 0;
  b.used = false;
}

// ---- blocks and grids -----------------------------------------------------------------------

void Block::start(Grid& g, u64 linear_index) {
  grid = &g;
  linear = linear_index;
  idx[0] = static_cast<u32>(linear % g.grid[0]);
  idx[1] = static_cast<u32>(linear / g.grid[0] % g.grid[1]);
  idx[2] = static_cast<u32>(linear / (u64{g.grid[0]} * g.grid[1]));
  nthreads = g.threads();
  shared.assign(g.shared_bytes, 0xcd);  // a recognisable garbage pattern
  if (g.init) shared_init.assign(g.shared_bytes, 0);
  if (g.race) race.assign(g.shared_bytes, {});
  bars = {};
  epoch = 1;
  warps.resize((nthreads + kWarp - 1) / kWarp);
  const DecodedFn& fn = g.prog->fns.front();
  for (u32 w = 0; w < warps.size(); ++w) warps[w].start(*this, w, fn);
}

bool Block::done() const {
  return std::all_of(warps.begin(), warps.end(), [](const Warp& w) { return w.done(); });
}

static u64 next_random(Grid& g) {
  g.rng ^= g.rng << 13, g.rng ^= g.rng >> 7, g.rng ^= g.rng << 17;
  return g.rng;
}

bool Block::step(u64 slice) {
  bool progress = false;
  size_t n = warps.size(), first = grid->seed ? next_random(*grid) % n : 0;
  for (size_t k = 0; k < n; ++k) {
    Warp& w = warps[(first + k) % n];
    if (w.done()) continue;
    u64 before = w.icount;
    w.run(grid->seed ? 1 + next_random(*grid) % 64 : slice);
    grid->executed += w.icount - before;
    progress |= w.icount != before;
  }
  return progress;
}

static void report_stuck(const char* title, const std::vector<std::unique_ptr<Block>>& blocks,
                         const Grid& g) {
  std::string s = "in kernel " + g.name;
  int lines = 0;
  for (auto& b : blocks)
    for (auto& w : b->warps)
      for (auto& gr : w.groups)
        if (++lines <= 12)
          s += strf("\n  block (%u,%u,%u) ", b->idx[0], b->idx[1], b->idx[2]) + w.position(gr);
  if (lines > 12) s += strf("\n  ... and %d more", lines - 12);
  checks::report(title, s);
}

void run_grid(Grid& g) {
  std::vector<std::unique_ptr<Block>> resident, spare;
  u64 next = 0, total = g.nblocks(), since_finish = 0;
  size_t limit = g.cooperative ? total : 1;
  constexpr u64 kSlice = 20000, kPatience = 4u << 20;
  struct Cleanup {
    std::vector<std::unique_ptr<Block>>& r;
    ~Cleanup() {
      for (auto& b : r)
        for (auto& w : b->warps) w.cleanup();
    }
  } cleanup{resident};
  while (next < total || !resident.empty()) {
    while (resident.size() < limit && next < total) {
      std::unique_ptr<Block> b;
      if (!spare.empty())
        b = std::move(spare.back()), spare.pop_back();
      else
        b = std::make_unique<Block>();
      b->start(g, next++);
      resident.push_back(std::move(b));
    }
    bool progress = false;
    u64 before = g.executed;
    for (size_t i = 0; i < resident.size();) {
      progress |= resident[i]->step(kSlice);
      if (resident[i]->done()) {
        spare.push_back(std::move(resident[i]));
        resident.erase(resident.begin() + static_cast<long>(i));
        since_finish = 0;
        if (!g.cooperative) limit = std::max<size_t>(1, resident.size());
      } else
        ++i;
    }
    since_finish += g.executed - before;
    bool can_admit = next < total && resident.size() < static_cast<size_t>(g.resident_limit);
    if (!resident.empty() && (!progress || since_finish > kPatience) && can_admit) {
      limit = resident.size() + 1;  // the resident blocks may wait for one that has not started
      since_finish = 0;
    } else if (!progress && !resident.empty()) {
      report_stuck("Deadlock: no thread of the resident blocks can continue", resident, g);
      throw KernelFault{checks::kLaunchTimeout};
    }
    if (g.limit && g.executed > g.limit) {
      report_stuck("Watchdog: the kernel exceeded CUDASIM_MAX_WARP_INSNS", resident, g);
      throw KernelFault{checks::kLaunchTimeout};
    }
  }
}

}  // namespace cudasim

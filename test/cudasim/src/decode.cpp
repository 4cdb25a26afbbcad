// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "decode.hpp"

#include <cstring>
#include <sys/mman.h>

#include <algorithm>
#include <map>

#include "float_formats.hpp"
#include "messages.hpp"
#include "stats.hpp"

namespace cudasim {
namespace {

constexpr u32 kConstPool = 32u << 20;

std::unordered_map<u64, ptx::Function*>& function_table() {
  static auto* t = new std::unordered_map<u64, ptx::Function*>;
  return *t;
}

template <class To, class From>
void widen(Warp& w, const Insn& I, u32 m) {
  map1<To, From>(w, I, m, [](From x) { return static_cast<To>(x); });
}
ExecFn pick_resize(int to, int from, bool sign) {
  if (to < from) {
    if (to == 1) return from == 2 ? widen<u8, u16> : from == 4 ? widen<u8, u32> : widen<u8, u64>;
    if (to == 2) return from == 4 ? widen<u16, u32> : widen<u16, u64>;
    return widen<u32, u64>;
  }
  if (from == 1) {
    if (sign) return to == 2 ? widen<s16, s8> : to == 4 ? widen<s32, s8> : widen<s64, s8>;
    return to == 2 ? widen<u16, u8> : to == 4 ? widen<u32, u8> : widen<u64, u8>;
  }
  if (from == 2) {
    if (sign) return to == 4 ? widen<s32, s16> : widen<s64, s16>;
    return to == 4 ? widen<u32, u16> : widen<u64, u16>;
  }
  return sign ? widen<s64, s32> : widen<u64, u32>;
}

// ---- special registers ----------------------------------------------------------------------

enum Sreg : u8 {
  kTidX,
  kTidY,
  kTidZ,
  kNtidX,
  kNtidY,
  kNtidZ,
  kCtaidX,
  kCtaidY,
  kCtaidZ,
  kNctaidX,
  kNctaidY,
  kNctaidZ,
  kLaneid,
  kWarpid,
  kNwarpid,
  kSmid,
  kNsmid,
  kGridid,
  kLmEq,
  kLmLe,
  kLmLt,
  kLmGe,
  kLmGt,
  kClock,
  kClockHi,
  kClock64,
  kGlobaltimer,
  kGlobaltimerLo,
  kGlobaltimerHi,
  kDynSmem,
  kTotalSmem,
  kWarpSize,
  kZero,
  kOne,
  kWorkspaceHi,
  kWorkspaceLo,
};

const std::map<std::string_view, Sreg> kSregs = {
    {"%tid.x", kTidX},
    {"%tid.y", kTidY},
    {"%tid.z", kTidZ},
    {"%ntid.x", kNtidX},
    {"%ntid.y", kNtidY},
    {"%ntid.z", kNtidZ},
    {"%ctaid.x", kCtaidX},
    {"%ctaid.y", kCtaidY},
    {"%ctaid.z", kCtaidZ},
    {"%nctaid.x", kNctaidX},
    {"%nctaid.y", kNctaidY},
    {"%nctaid.z", kNctaidZ},
    {"%laneid", kLaneid},
    {"%warpid", kWarpid},
    {"%nwarpid", kNwarpid},
    {"%smid", kSmid},
    {"%nsmid", kNsmid},
    {"%gridid", kGridid},
    {"%lanemask_eq", kLmEq},
    {"%lanemask_le", kLmLe},
    {"%lanemask_lt", kLmLt},
    {"%lanemask_ge", kLmGe},
    {"%lanemask_gt", kLmGt},
    {"%clock", kClock},
    {"%clock_hi", kClockHi},
    {"%clock64", kClock64},
    {"%globaltimer", kGlobaltimer},
    {"%globaltimer_lo", kGlobaltimerLo},
    {"%globaltimer_hi", kGlobaltimerHi},
    {"%dynamic_smem_size", kDynSmem},
    {"%total_smem_size", kTotalSmem},
    {"WARP_SZ", kWarpSize},
    {"%envreg0", kZero},
    {"%envreg1", kWorkspaceHi},
    {"%envreg2", kWorkspaceLo},
    {"%clusterid.x", kCtaidX},
    {"%clusterid.y", kCtaidY},
    {"%clusterid.z", kCtaidZ},
    {"%nclusterid.x", kNctaidX},
    {"%nclusterid.y", kNctaidY},
    {"%nclusterid.z", kNctaidZ},
    {"%cluster_ctaid.x", kZero},
    {"%cluster_ctaid.y", kZero},
    {"%cluster_ctaid.z", kZero},
    {"%cluster_ctarank", kZero},
    {"%cluster_nctaid.x", kOne},
    {"%cluster_nctaid.y", kOne},
    {"%cluster_nctaid.z", kOne},
    {"%cluster_nctarank", kOne},
};

template <class T>
void read_sreg(Warp& w, const Insn& I, u32 m) {
  T* d = w.r<T>(I.d);
  auto all = [&](u64 v) { lanes(m, [&](int i) { d[i] = static_cast<T>(v); }); };
  const Grid& g = *w.grid;
  switch (static_cast<Sreg>(I.op)) {
    case kTidX:
    case kTidY:
    case kTidZ: {
      const u32* t = w.tid[I.op - kTidX];
      lanes(m, [&](int i) { d[i] = static_cast<T>(t[i]); });
      break;
    }
    case kNtidX:
    case kNtidY:
    case kNtidZ: all(g.block[I.op - kNtidX]); break;
    case kCtaidX:
    case kCtaidY:
    case kCtaidZ: all(w.block->idx[I.op - kCtaidX]); break;
    case kNctaidX:
    case kNctaidY:
    case kNctaidZ: all(g.grid[I.op - kNctaidX]); break;
    case kLaneid: lanes(m, [&](int i) { d[i] = static_cast<T>(i); }); break;
    case kWarpid: all(w.id); break;
    case kNwarpid: all(w.block->warps.size()); break;
    case kSmid: all(w.block->linear % static_cast<u64>(Device::get().sms)); break;
    case kNsmid: all(static_cast<u64>(Device::get().sms)); break;
    case kGridid: all(g.id); break;
    case kLmEq: lanes(m, [&](int i) { d[i] = static_cast<T>(1u << i); }); break;
    case kLmLt: lanes(m, [&](int i) { d[i] = static_cast<T>((1u << i) - 1); }); break;
    case kLmLe: lanes(m, [&](int i) { d[i] = static_cast<T>((2u << i) - 1); }); break;
    case kLmGt: lanes(m, [&](int i) { d[i] = static_cast<T>(~((2u << i) - 1)); }); break;
    case kLmGe: lanes(m, [&](int i) { d[i] = static_cast<T>(~((1u << i) - 1)); }); break;
    case kClock:
    case kClock64:
    case kGlobaltimer:
    case kGlobaltimerLo: all(w.icount + g.executed); break;
    case kClockHi:
    case kGlobaltimerHi: all((w.icount + g.executed) >> 32); break;
    case kDynSmem: all(g.dynamic_shared); break;
    case kTotalSmem: all(g.shared_bytes); break;
    case kWarpSize: all(32); break;
    case kZero: all(0); break;
    case kOne: all(1); break;
    case kWorkspaceHi: all(g.workspace >> 32); break;
    case kWorkspaceLo: all(g.workspace & 0xffffffffu); break;
  }
}

void local_address(Warp& w, const Insn& I, u32 m) {
  u64 v = w.frame->local_base + static_cast<u64>(I.imm);
  if (I.rsize == 8) {
    u64* d = w.r<u64>(I.d);
    lanes(m, [&](int i) { d[i] = v; });
  } else {
    u32* d = w.r<u32>(I.d);
    lanes(m, [&](int i) { d[i] = static_cast<u32>(v); });
  }
}

void not_pred(Warp& w, const Insn& I, u32 m) { set_pred(w, I.d, m, ~w.pred(I.a)); }

}  // namespace

ptx::Function* function_at(u64 address) {
  auto it = function_table().find(address);
  return it == function_table().end() ? nullptr : it->second;
}
void publish_function(ptx::Function* f) { function_table()[f->address] = f; }

// ---- Dec ------------------------------------------------------------------------------------

Dec::Dec(Program& p, DecodedFn& f, const ptx::Body& b, const ptx::Stmt& st, FnContext& c)
    : prog(p), fn(f), body(b), s(st), ctx(c) {
  used_ = 1;
  for (size_t i = 1; i < s.op.size(); ++i)
    if (Ty t = parse_type(s.op[i]); t != Ty::None) types.push_back(t), used_ |= 1ull << i;
}

bool Dec::has(std::string_view mod) {
  for (size_t i = 1; i < s.op.size(); ++i)
    if (s.op[i] == mod) {
      used_ |= 1ull << i;
      return true;
    }
  return false;
}
int Dec::one_of(std::initializer_list<std::string_view> mods) {
  int n = 0, found = -1;
  for (auto m : mods) {
    if (found < 0 && has(m)) found = n;
    ++n;
  }
  return found;
}
std::string_view Dec::starting(std::string_view prefix) {
  for (size_t i = 1; i < s.op.size(); ++i)
    if (s.op[i].starts_with(prefix)) {
      used_ |= 1ull << i;
      return s.op[i];
    }
  return {};
}

std::string Dec::text() const {
  std::string t;
  for (auto o : s.op) t += (t.empty() ? "" : ".") + std::string(o);
  return t;
}

void Dec::unsupported(const std::string& why) const {
  const ptx::Module& m = *fn.fn->module;
  auto line = m.line_text(s.line);
  std::string src;
  if (s.src_line)
    src = strf(" (%s:%u)", s.src_file < m.files.size() ? m.files[s.src_file].c_str() : "?",
               s.src_line);
  throw Unsupported(strf(
      "unsupported PTX instruction '%s'%s%s\n  in function %s, PTX line %u%s: %.*s", text().c_str(),
      why.empty() ? "" : ": ", why.c_str(), demangle(std::string(fn.fn->name)).c_str(), s.line,
      src.c_str(), static_cast<int>(line.size()), line.data()));
}

Insn Dec::make(ExecFn f, Cls cls, Kind kind) const {
  Insn I;
  I.fn = f;
  I.cls = cls;
  I.kind = kind;
  I.stmt = &s;
  if (s.guard >= 0) I.guard = ctx.reg_slot[static_cast<size_t>(s.guard)], I.guard_neg = s.guard_neg;
  return I;
}

void Dec::emit(ExecFn f, Cls cls, s32 d, s32 a, s32 b, s32 c, u16 flags) {
  Insn I = make(f, cls);
  I.d = d, I.a = a, I.b = b, I.c = c, I.flags = flags;
  emit(I);
}

void Dec::finish() {
  for (auto& I : post_) emit(I);
  post_.clear();
  for (size_t i = 1; i < s.op.size(); ++i)
    if (!(used_ >> i & 1)) unsupported("modifier ." + std::string(s.op[i]));
}

s32 Dec::konst(u64 value, int bytes) {
  std::string key(reinterpret_cast<const char*>(&value), 8);
  key += static_cast<char>(bytes);
  auto [it, fresh] = ctx.consts.emplace(key, 0);
  if (fresh) {
    u32 off = (prog.const_size + 63) & ~63u,
        size = bytes == 0 ? 4 : static_cast<u32>(bytes) * kWarp;
    if (off + size > kConstPool) unsupported("constant pool exhausted");
    char* p = prog.const_base + off;
    if (bytes == 0)
      std::memcpy(p, &value, 4);  // a predicate mask
    else
      for (int i = 0; i < kWarp; ++i) {
        std::memset(p + i * bytes, 0, static_cast<size_t>(bytes));
        std::memcpy(p + i * bytes, &value, static_cast<size_t>(std::min(bytes, 8)));
      }
    prog.const_size = off + size;
    it->second = ~static_cast<s32>(off);
  }
  return it->second;
}

s32 Dec::temp(int bytes) {
  u32 size = bytes == 0 ? 64 : static_cast<u32>(bytes) * kWarp;
  u32 off = (fn.reg_bytes + 63) & ~63u;
  fn.reg_bytes = off + size;
  return static_cast<s32>(off);
}

Ty Dec::reg_type(const ptx::Operand& o) const {
  return o.reg >= 0 ? body.regs[static_cast<size_t>(o.reg)].type : Ty::None;
}
int Dec::reg_bytes(const ptx::Operand& o) const {
  Ty t = reg_type(o);
  return t == Ty::Pred ? 0 : type_bytes(t);
}

s32 Dec::src(const ptx::Operand& o, Ty t) {
  int need = type_bytes(t);
  switch (o.kind) {
    case ptx::Operand::Reg: {
      if (o.negated) unsupported("negated register operand");
      if (reg_type(o) == Ty::Pred) unsupported("predicate used as a value");
      int have = reg_bytes(o);
      s32 slot = ctx.reg_slot[static_cast<size_t>(o.reg)];
      if (have == need) return slot;
      s32 tmp = temp(need);
      Insn I = make(pick_resize(need, have, is_signed(t)), Cls::Move);
      I.guard = -1;
      I.d = tmp, I.a = slot;
      emit(I);
      return tmp;
    }
    case ptx::Operand::Imm: {
      u64 v = static_cast<u64>(o.imm);
      if (o.imm_type == 'd' && (t == Ty::F32 || t == Ty::TF32))
        v = bitcast<u32>(static_cast<float>(bitcast<double>(v)));
      else if (o.imm_type == 'f' && t == Ty::F64)
        v = bitcast<u64>(static_cast<double>(bitcast<float>(static_cast<u32>(v))));
      else if (o.imm_type == 'i' && (t == Ty::F32))
        v = bitcast<u32>(static_cast<float>(o.imm));
      else if (o.imm_type == 'i' && (t == Ty::F64))
        v = bitcast<u64>(static_cast<double>(o.imm));
      if (need < 8) v &= (1ull << (need * 8)) - 1;
      return konst(v, need);
    }
    case ptx::Operand::Sym: {
      if (auto it = kSregs.find(o.name); it != kSregs.end()) {
        s32 tmp = temp(need);
        Insn I = make(need == 8   ? read_sreg<u64>
                      : need == 4 ? read_sreg<u32>
                                  : read_sreg<u16>,
                      Cls::Move);
        I.guard = -1;
        I.d = tmp, I.op = it->second;
        emit(I);
        return tmp;
      }
      if (o.name.starts_with("%")) unsupported("special register " + std::string(o.name));
      if (auto it = ctx.local_off.find(o.name); it != ctx.local_off.end()) {
        s32 tmp = temp(need);
        Insn I = make(local_address, Cls::Move);
        I.guard = -1;
        I.d = tmp, I.imm = it->second + o.imm, I.rsize = static_cast<u8>(need);
        emit(I);
        return tmp;
      }
      if (auto it = ctx.param_off.find(o.name); it != ctx.param_off.end())
        return konst(window::kFrameParam + it->second + static_cast<u64>(o.imm), need);
      if (auto it = ctx.kernel_param_off.find(o.name); it != ctx.kernel_param_off.end())
        return konst(window::kParam + it->second + static_cast<u64>(o.imm), need);
      if (auto it = prog.shared_vars.find(o.name); it != prog.shared_vars.end())
        return konst(it->second + static_cast<u64>(o.imm), need);
      const ptx::Module& m = *fn.fn->module;
      if (auto it = m.addresses.find(o.name); it != m.addresses.end())
        return konst(it->second + static_cast<u64>(o.imm), need);
      if (auto it = m.by_name.find(o.name); it != m.by_name.end()) {
        publish_function(it->second);
        return konst(it->second->address, need);
      }
      unsupported("unknown symbol " + std::string(o.name));
    }
    default: unsupported("operand kind");
  }
}

s32 Dec::dst(const ptx::Operand& o, Ty t, bool sign_extend) {
  int need = type_bytes(t);
  if (o.kind == ptx::Operand::None) return temp(need);
  if (o.kind != ptx::Operand::Reg) unsupported("destination operand");
  int have = reg_bytes(o);
  s32 slot = ctx.reg_slot[static_cast<size_t>(o.reg)];
  if (have == need) return slot;
  if (have < need) unsupported("destination register narrower than the type");
  s32 tmp = temp(need);
  Insn I = make(pick_resize(have, need, sign_extend), Cls::Move);
  I.d = slot, I.a = tmp;
  post_.push_back(I);
  return tmp;
}

s32 Dec::psrc(const ptx::Operand& o) {
  if (o.kind == ptx::Operand::Imm) return konst(o.imm ? kFull : 0, 0);
  if (o.kind != ptx::Operand::Reg || reg_type(o) != Ty::Pred) unsupported("expected a predicate");
  s32 slot = ctx.reg_slot[static_cast<size_t>(o.reg)];
  if (!o.negated) return slot;
  s32 tmp = temp(0);
  Insn I = make(not_pred, Cls::Int);
  I.guard = -1;
  I.d = tmp, I.a = slot;
  emit(I);
  return tmp;
}

s32 Dec::pdst(const ptx::Operand& o) {
  if (o.kind == ptx::Operand::None) return temp(0);
  if (o.kind != ptx::Operand::Reg || reg_type(o) != Ty::Pred)
    unsupported("expected a predicate destination");
  return ctx.reg_slot[static_cast<size_t>(o.reg)];
}

void Dec::address(Insn& I, const ptx::Operand& o) {
  if (o.kind != ptx::Operand::Mem) unsupported("expected an address");
  const ptx::Operand& b = o.sub[0];
  I.imm = o.imm;
  if (b.kind == ptx::Operand::Reg && reg_bytes(b) == 4) {
    I.a = src(b, Ty::B32);
    I.flags |= kAddr32;
  } else
    I.a = src(b, Ty::B64);
}

u32 Dec::list(const std::vector<s32>& slots) {
  u32 at = static_cast<u32>(prog.lists.size());
  prog.lists.insert(prog.lists.end(), slots.begin(), slots.end());
  return at;
}

// ---- functions ------------------------------------------------------------------------------

namespace {

u32 align_up(u32 v, u32 a) { return a ? (v + a - 1) / a * a : v; }

u32 place_params(const std::vector<ptx::Var>& vars, u32 at, std::vector<ParamSlot>& out,
                 std::unordered_map<std::string_view, u32>* names) {
  for (auto& v : vars) {
    at = align_up(at, v.align);
    out.push_back({at, static_cast<u32>(v.size)});
    if (names && !v.name.empty()) (*names)[v.name] = at;
    at += static_cast<u32>(v.size);
  }
  return at;
}

/// Shared variables referenced by `f` or anything it calls.
void collect_shared(ptx::Function& f, std::map<std::string_view, const ptx::Var*>& out,
                    std::map<ptx::Function*, bool>& seen) {
  if (!f.has_body || seen[&f]) return;
  seen[&f] = true;
  const ptx::Module& m = *f.module;
  auto visit = [&](auto&& self, const ptx::Operand& o) -> void {
    if (o.kind == ptx::Operand::Sym) {
      if (auto it = m.var_index.find(o.name);
          it != m.var_index.end() &&
          m.vars[static_cast<size_t>(it->second)].space == ptx::Space::Shared)
        out[o.name] = &m.vars[static_cast<size_t>(it->second)];
      if (auto it = m.by_name.find(o.name); it != m.by_name.end())
        collect_shared(*it->second, out, seen);
    }
    for (auto& x : o.sub) self(self, x);
  };
  const ptx::Body& b = f.parsed();
  for (auto& s : b.stmts)
    for (auto& a : s.args) visit(visit, a);
  for (auto& v : b.vars)
    if (v.space == ptx::Space::Shared) out[v.name] = &v;
}

std::unordered_map<const Program*, std::unordered_map<std::string, s32>> const_maps;

}  // namespace

DecodedFn* Program::function(ptx::Function* f) {
  for (auto& d : fns)
    if (d.fn == f) return &d;
  if (!f->has_body)
    throw Unsupported("call of an undefined device function '" + std::string(f->name) + "'");
  const ptx::Body& body = f->parsed();
  DecodedFn& d = fns.emplace_back();
  d.fn = f;

  FnContext ctx;
  ctx.consts.swap(const_maps[this]);
  d.reg_bytes = 128;  // slot 0 means "none"
  for (auto& r : body.regs) {
    u32 bytes = r.type == Ty::Pred ? 4 : static_cast<u32>(type_bytes(r.type)) * kWarp;
    u32 align = std::min(bytes, 64u);
    d.reg_bytes = align_up(d.reg_bytes, align);
    ctx.reg_slot.push_back(static_cast<s32>(d.reg_bytes));
    d.reg_bytes += bytes;
  }
  u32 at = 0;
  if (f->entry)
    place_params(f->params, 0, kernel_params, &ctx.kernel_param_off);
  else {
    at = place_params(f->rets, at, d.rets, &ctx.param_off);
    at = place_params(f->params, at, d.params, &ctx.param_off);
  }
  for (auto& v : body.vars) {
    if (v.space == ptx::Space::Local) {
      d.local_bytes = align_up(d.local_bytes, v.align);
      ctx.local_off[v.name] = d.local_bytes;
      d.local_bytes += static_cast<u32>(v.size);
    }
  }
  // Call sequences redeclare param0, retval0, ... in nested scopes with possibly larger sizes: give
  // each name the largest extent seen.
  {
    std::map<std::string_view, u64> extent;
    for (auto& v : body.vars)
      if (v.space == ptx::Space::Param) extent[v.name] = std::max(extent[v.name], v.size);
    for (auto& [name, size] : extent) {
      at = align_up(at, 16);
      ctx.param_off[name] = at;
      at += static_cast<u32>(size);
    }
  }
  d.param_bytes = align_up(at, 16);
  d.local_bytes = align_up(d.local_bytes, 16);

  // Decode the statements, then patch branch targets (statement index -> pc).
  std::vector<u32> pc_of(body.stmts.size() + 1);
  std::vector<Insn> outer;
  std::swap(outer, code);
  size_t first_table = branch_tables.size();
  for (size_t i = 0; i < body.stmts.size(); ++i) {
    pc_of[i] = static_cast<u32>(code.size());
    Dec dec(*this, d, body, body.stmts[i], ctx);
    bool ok = decode_logic(dec) || decode_int(dec) || decode_half(dec) || decode_float(dec) ||
              decode_cvt(dec) || decode_mem(dec) || decode_atom(dec) || decode_warp(dec) ||
              decode_mma(dec) || decode_control(dec);
    if (!ok) dec.unsupported();
    dec.finish();
  }
  pc_of[body.stmts.size()] = static_cast<u32>(code.size());
  Insn end;  // falling off the end returns
  end.kind = Kind::Ret;
  end.cls = Cls::Control;
  code.push_back(end);
  u32 base = static_cast<u32>(outer.size());
  for (auto& I : code)
    if (I.kind == Kind::Bra) I.imm = pc_of[static_cast<size_t>(I.imm)] + base;
  for (size_t t = first_table; t < branch_tables.size(); ++t)
    for (auto& x : branch_tables[t]) x = pc_of[x] + base;
  d.entry = base;
  outer.insert(outer.end(), code.begin(), code.end());
  std::swap(outer, code);
  ctx.consts.swap(const_maps[this]);
  d.reg_bytes = align_up(d.reg_bytes, 64);
  if (stats::enabled()) exec_warp.resize(code.size()), exec_thread.resize(code.size());
  return &d;
}

void Program::link() {
  for (size_t c = 0; c < calls.size(); ++c)
    if (auto f = calls[c].name_fn; f && !calls[c].callee) {
      DecodedFn* callee = function(f);
      calls[c].callee = callee;  // `calls` may have grown meanwhile
    }
}

std::unique_ptr<Program> decode_kernel(ptx::Function& kernel) {
  auto p = std::make_unique<Program>();
  p->kernel = &kernel;
  void* mem = mmap(nullptr, kConstPool, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mem == MAP_FAILED) throw Unsupported("out of address space");
  p->const_base = static_cast<char*>(mem);
  std::map<std::string_view, const ptx::Var*> shared;
  std::map<ptx::Function*, bool> seen;
  collect_shared(kernel, shared, seen);
  u32 at = 0;
  std::vector<const ptx::Var*> order;
  for (auto& [name, v] : shared) order.push_back(v);
  std::stable_sort(order.begin(), order.end(),
                   [](auto* a, auto* b) { return a->align > b->align; });
  for (auto* v : order)
    if (v->size && !v->is_extern) {
      at = align_up(at, v->align);
      p->shared_vars[v->name] = at;
      at += static_cast<u32>(v->size);
    }
  p->static_shared = at;
  u32 dyn_align = 16;
  for (auto* v : order)
    if (!v->size || v->is_extern) dyn_align = std::max(dyn_align, v->align);
  p->dynamic_shared_offset = align_up(at, dyn_align);
  for (auto* v : order)
    if (!v->size || v->is_extern) p->shared_vars[v->name] = p->dynamic_shared_offset;
  p->function(&kernel);
  p->link();
  for (auto& k : p->kernel_params)
    p->kernel_param_bytes = std::max(p->kernel_param_bytes, k.offset + k.size);
  return p;
}

}  // namespace cudasim

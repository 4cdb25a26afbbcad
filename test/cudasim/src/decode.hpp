// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// PTX statement -> decoded instructions. Each family contributes one decode function.
#pragma once
#include <string_view>

#include "engine.hpp"
#include "exec.hpp"

namespace cudasim {

/// Decoder state for one statement.
class Dec {
 public:
  Dec(Program& p, DecodedFn& fn, const ptx::Body& body, const ptx::Stmt& s, class FnContext& ctx);

  Program& prog;
  DecodedFn& fn;
  const ptx::Body& body;
  const ptx::Stmt& s;
  FnContext& ctx;
  std::vector<Ty> types;  // type modifiers, in order

  std::string_view op() const { return s.op[0]; }
  /// True when the modifier is present; marks it as understood.
  bool has(std::string_view mod);
  /// First present modifier of the list (index), or -1.
  int one_of(std::initializer_list<std::string_view> mods);
  /// Accept any modifier starting with `prefix` and return it.
  std::string_view starting(std::string_view prefix);
  void accept_all() { used_ = ~0ull; }
  Ty type() const { return types.empty() ? Ty::None : types.back(); }
  size_t nargs() const { return s.args.size(); }
  const ptx::Operand& arg(size_t i) const {
    if (i >= s.args.size()) unsupported("missing operand");
    return s.args[i];
  }

  s32 src(const ptx::Operand& o, Ty t);
  s32 src(size_t i, Ty t) { return src(arg(i), t); }
  s32 dst(const ptx::Operand& o, Ty t, bool sign_extend);
  s32 dst(size_t i, Ty t) { return dst(arg(i), t, is_signed(t)); }
  s32 psrc(const ptx::Operand& o);
  s32 psrc(size_t i) { return psrc(arg(i)); }
  s32 pdst(const ptx::Operand& o);
  s32 pdst(size_t i) { return pdst(arg(i)); }
  /// Constant broadcast to 32 lanes of `bytes` bytes.
  s32 konst(u64 value, int bytes);
  s32 temp(int bytes);
  /// Fill I.a / I.imm / kAddr32 from a [base+offset] operand.
  void address(Insn& I, const ptx::Operand& o);
  /// Append operand slots to Program::lists; returns the first index.
  u32 list(const std::vector<s32>& slots);

  /// A fresh instruction carrying guard and statement.
  Insn make(ExecFn f, Cls cls, Kind kind = Kind::Alu) const;
  void emit(const Insn& I) { prog.code.push_back(I); }
  void emit(ExecFn f, Cls cls, s32 d, s32 a = 0, s32 b = 0, s32 c = 0, u16 flags = 0);
  void finish();  // emits pending widenings, rejects modifiers nobody understood

  [[noreturn]] void unsupported(const std::string& why = {}) const;
  std::string text() const;
  int reg_bytes(const ptx::Operand& o) const;
  Ty reg_type(const ptx::Operand& o) const;

 private:
  u64 used_ = 0;
  std::vector<Insn> post_;
};

/// Per-function decode state: where registers and variables live.
class FnContext {
 public:
  std::vector<s32> reg_slot;
  std::unordered_map<std::string_view, u32> local_off, param_off;  // frame-relative
  std::unordered_map<std::string_view, u32> kernel_param_off;
  std::unordered_map<std::string, s32> consts;  // shared through Program
};

bool decode_int(Dec& d);
bool decode_float(Dec& d);
bool decode_half(Dec& d);
bool decode_cvt(Dec& d);
bool decode_logic(Dec& d);  // setp, selp, mov, predicates
bool decode_mem(Dec& d);
bool decode_atom(Dec& d);
bool decode_warp(Dec& d);  // shfl, vote, barriers, ...
bool decode_mma(Dec& d);
bool decode_control(Dec& d);  // bra, call, ret

}  // namespace cudasim

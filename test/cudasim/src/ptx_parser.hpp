// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// PTX text -> a light syntax tree. Module scope is parsed eagerly, function bodies on demand.
#pragma once
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ptx_types.hpp"

namespace cudasim::ptx {

struct ParseError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Space : u8 { Generic, Global, Const, Shared, Local, Param, Reg };

struct Operand {
  enum Kind : u8 { None, Reg, Imm, Sym, Mem, Vec, List } kind = None;
  bool negated = false;      // !%p, or a minus sign in front of a register
  char imm_type = 'i';       // Imm: 'i' integer, 'f' 0f bits, 'd' 0d bits / decimal float
  int reg = -1;              // Reg: index into Body::regs
  std::string_view name;     // Sym / special register name
  s64 imm = 0;               // Imm bits; Mem / Sym: byte offset
  std::vector<Operand> sub;  // Vec / List elements; Mem: base; Reg with '|': second destination
};

struct Stmt {
  u32 line = 0, src_line = 0;  // PTX line and (with -lineinfo) source line
  u16 src_file = 0;
  int guard = -1;  // predicate register
  bool guard_neg = false;
  std::vector<std::string_view> op;  // opcode split at '.'
  std::vector<Operand> args;
  int scope = 0;  // label scope
};

struct RegDecl {
  std::string name;
  Ty type;
};

/// A variable in any state space; for .param also the formal parameters.
struct Var {
  std::string_view name;
  Space space = Space::Global;
  Ty type = Ty::B8;
  u32 align = 1;
  u64 size = 0;  // bytes; 0 for unsized extern arrays
  bool is_extern = false, managed = false;
  struct Init {  // one element of the initialiser
    u64 offset;
    int bytes;
    u64 value;
    std::string_view symbol;  // address of symbol + value when non-empty
    int shift = 0;            // mask() initialisers: byte `shift/8` of the address
  };
  std::vector<Init> init;
};

struct Body {
  std::vector<Stmt> stmts;
  std::vector<RegDecl> regs;
  std::vector<Var> vars;                        // function-scope .param/.local/.shared variables
  std::unordered_map<std::string, int> labels;  // "scope:name" -> statement index
  std::vector<int> scope_parent;
  std::unordered_map<std::string_view, std::vector<std::string_view>> branch_targets;
  struct Proto {
    std::vector<Var> rets, params;
  };
  std::unordered_map<std::string_view, Proto> protos;

  int find_label(std::string_view name, int scope) const;
};

struct Module;
struct Function {
  Module* module = nullptr;
  std::string_view name;
  bool entry = false, has_body = false;
  std::vector<Var> rets, params;
  int maxntid = 0, min_blocks = 0;
  std::string_view body_text;
  u32 body_line = 0;
  u64 address = 0;             // simulated function address, for indirect calls
  std::unique_ptr<Body> body;  // parsed lazily
  const Body& parsed();
};

struct Module {
  std::string text;
  int target = 0;
  std::vector<std::unique_ptr<Function>> functions;
  std::unordered_map<std::string_view, Function*> by_name;
  std::vector<Var> vars;
  std::unordered_map<std::string_view, int> var_index;
  std::unordered_map<std::string_view, u64> addresses;  // .global/.const: filled by the loader
  std::vector<std::string> files;
  std::string_view line_text(u32 line) const;
};

std::unique_ptr<Module> parse_module(std::string text);

}  // namespace cudasim::ptx

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Branches, calls, returns and the functions the device runtime provides (printf, assert, malloc).
#include <cstdio>
#include <cstring>

#include "checks.hpp"
#include "decode.hpp"
#include "messages.hpp"

namespace cudasim {
namespace {

enum Builtin : int { kNone, kPrintf, kAssert, kMalloc, kFree };

int builtin_of(std::string_view name) {
  if (name == "vprintf") return kPrintf;
  if (name == "__assertfail") return kAssert;
  if (name == "malloc") return kMalloc;
  if (name == "free") return kFree;
  return kNone;
}

std::string read_string(Warp& w, const Insn& I, int lane, u64 addr) {
  std::string s;
  for (; s.size() < 65536; ++addr) {
    char c =
        static_cast<char>(*access_lane(w, I, ptx::Space::Generic, lane, addr, 1, Access::Load));
    if (!c) break;
    s += c;
  }
  return s;
}

template <class T>
T read_value(Warp& w, const Insn& I, int lane, u64 addr) {
  T v;
  std::memcpy(&v, access_lane(w, I, ptx::Space::Generic, lane, addr, sizeof(T), Access::Load),
              sizeof v);
  return v;
}

/// Device printf: arguments lie in a buffer with natural alignment, varargs promotions applied.
int print(Warp& w, const Insn& I, int lane, u64 format, u64 args) {
  std::string f = read_string(w, I, lane, format), out;
  int count = 0;
  u64 at = args;
  auto next = [&]<class T>(T) {
    at = (at + sizeof(T) - 1) & ~(sizeof(T) - 1);
    T v = read_value<T>(w, I, lane, at);
    at += sizeof(T);
    ++count;
    return v;
  };
  for (size_t i = 0; i < f.size(); ++i) {
    if (f[i] != '%') {
      out += f[i];
      continue;
    }
    if (i + 1 < f.size() && f[i + 1] == '%') {
      out += '%';
      ++i;
      continue;
    }
    std::string spec = "%";
    int longs = 0;
    for (++i; i < f.size(); ++i) {
      char c = f[i];
      if (c == '*') {
        spec += std::to_string(next(s32{}));
      } else if (c == 'l' || c == 'j' || c == 'z' || c == 't') {
        ++longs;
      } else if (c == 'h') {
        spec += c;
      } else if (std::isalpha(static_cast<unsigned char>(c))) {
        switch (c) {
          case 'd':
          case 'i':
            out += longs ? strf((spec + "ll" + c).c_str(), static_cast<long long>(next(s64{})))
                         : strf((spec + c).c_str(), next(s32{}));
            break;
          case 'u':
          case 'x':
          case 'X':
          case 'o':
            out += longs ? strf((spec + "ll" + c).c_str(),
                                static_cast<unsigned long long>(next(u64{})))
                         : strf((spec + c).c_str(), next(u32{}));
            break;
          case 'c': out += strf((spec + c).c_str(), next(s32{})); break;
          case 'p': out += strf((spec + c).c_str(), reinterpret_cast<void*>(next(u64{}))); break;
          case 's': {
            u64 p = next(u64{});
            out += strf((spec + c).c_str(), p ? read_string(w, I, lane, p).c_str() : "(null)");
            break;
          }
          case 'e':
          case 'E':
          case 'f':
          case 'F':
          case 'g':
          case 'G':
          case 'a':
          case 'A': out += strf((spec + c).c_str(), next(double{})); break;
          default: out += spec + c;
        }
        break;
      } else
        spec += c;
    }
  }
  std::fwrite(out.data(), 1, out.size(), stdout);
  return count;
}

}  // namespace

void run_builtin(Warp& w, const Insn& I, const CallSite& site, u32 m) {
  const u32 stride = w.frame->fn->param_bytes;
  for (u32 k = m; k; k &= k - 1) {
    int i = std::countr_zero(k);
    u8* area = w.frame->params + size_t{stride} * static_cast<size_t>(i);
    auto arg = [&]<class T>(size_t n, T) {
      T v;
      std::memcpy(&v, area + site.args.at(n).offset, sizeof v);
      return v;
    };
    auto result = [&](auto v) {
      if (!site.rets.empty()) std::memcpy(area + site.rets[0].offset, &v, sizeof v);
    };
    switch (site.builtin) {
      case kPrintf: result(static_cast<s32>(print(w, I, i, arg(0, u64{}), arg(1, u64{})))); break;
      case kAssert: {
        std::string msg = read_string(w, I, i, arg(0, u64{})),
                    file = read_string(w, I, i, arg(1, u64{})),
                    func = read_string(w, I, i, arg(3, u64{}));
        std::fflush(stdout);
        std::fprintf(stderr,
                     "%s:%u: %s: block: [%u,%u,%u], thread: [%u,%u,%u] Assertion `%s` failed.\n",
                     file.c_str(), arg(2, u32{}), func.c_str(), w.block->idx[0], w.block->idx[1],
                     w.block->idx[2], w.tid[0][i], w.tid[1][i], w.tid[2][i], msg.c_str());
        throw KernelFault{checks::kAssert};
      }
      case kMalloc:
        result(Memory::get().allocate(arg(0, u64{}), MemKind::Device, "device malloc"));
        break;
      case kFree:
        if (u64 p = arg(0, u64{}); p && Memory::get().release(p) != Memory::FreeResult::Ok)
          checks::report(w, I, i, "Invalid device free",
                         strf("0x%llx", static_cast<unsigned long long>(p)));
        break;
    }
  }
}

bool decode_control(Dec& d) {
  auto op = d.op();
  if (op == "bra") {
    d.has("uni");
    int target = d.body.find_label(d.arg(0).name, d.s.scope);
    if (target < 0) d.unsupported("unknown label");
    Insn I = d.make(nullptr, Cls::Control, Kind::Bra);
    I.imm = target;
    d.emit(I);
    return true;
  }
  if (op == "brx") {
    d.has("idx");
    d.has("uni");
    auto it = d.body.branch_targets.find(d.arg(1).name);
    if (it == d.body.branch_targets.end()) d.unsupported("branch table");
    std::vector<u32> table;
    for (auto l : it->second) {
      int t = d.body.find_label(l, d.s.scope);
      if (t < 0) d.unsupported("unknown label");
      table.push_back(static_cast<u32>(t));
    }
    Insn I = d.make(nullptr, Cls::Control, Kind::BrxIdx);
    I.a = d.src(0, Ty::U32);
    I.list = static_cast<u32>(d.prog.branch_tables.size());
    d.prog.branch_tables.push_back(std::move(table));
    d.emit(I);
    return true;
  }
  if (op == "ret") {
    d.has("uni");
    d.emit(d.make(nullptr, Cls::Control, Kind::Ret));
    return true;
  }
  if (op == "exit") {
    d.emit(d.make(nullptr, Cls::Control, Kind::Exit));
    return true;
  }
  if (op == "trap" || op == "brkpt") {
    d.emit(d.make(nullptr, Cls::Control, Kind::Trap));
    return true;
  }
  if (op == "call") {
    d.has("uni");
    CallSite site;
    size_t at = 0;
    auto slots = [&](const ptx::Operand& list, std::vector<ParamSlot>& out) {
      for (auto& o : list.sub) {
        auto it = d.ctx.param_off.find(o.name);
        if (o.kind != ptx::Operand::Sym || it == d.ctx.param_off.end())
          d.unsupported("call argument outside .param space");
        u32 size = 0;
        for (auto& v : d.body.vars)
          if (v.space == ptx::Space::Param && v.name == o.name)
            size = std::max(size, static_cast<u32>(v.size));
        for (auto* list2 : {&d.fn.fn->params, &d.fn.fn->rets})
          for (auto& v : *list2)
            if (v.name == o.name) size = std::max(size, static_cast<u32>(v.size));
        out.push_back({it->second, size});
      }
    };
    if (d.arg(0).kind == ptx::Operand::List) slots(d.arg(at++), site.rets);
    const auto& target = d.arg(at++);
    if (d.nargs() > at && d.arg(at).kind == ptx::Operand::List) slots(d.arg(at++), site.args);
    if (target.kind == ptx::Operand::Sym) {
      site.builtin = builtin_of(target.name);
      if (!site.builtin) {
        auto it = d.fn.fn->module->by_name.find(target.name);
        if (it == d.fn.fn->module->by_name.end() || !it->second->has_body)
          d.unsupported("call of undefined function " + std::string(target.name));
        site.name_fn = it->second;
        // The callee decides how many bytes are copied.
        auto clip = [](std::vector<ParamSlot>& s, const std::vector<ptx::Var>& formal) {
          for (size_t i = 0; i < s.size() && i < formal.size(); ++i)
            s[i].size = static_cast<u32>(formal[i].size);
        };
        clip(site.args, it->second->params);
        clip(site.rets, it->second->rets);
      }
    } else {
      site.target = d.src(target, Ty::B64);
    }
    Insn I = d.make(nullptr, Cls::Control, Kind::Call);
    I.list = static_cast<u32>(d.prog.calls.size());
    d.prog.calls.push_back(std::move(site));
    d.emit(I);
    return true;
  }
  return false;
}

}  // namespace cudasim

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "ptx_parser.hpp"

#include <charconv>
#include <cstdlib>

#include "float_formats.hpp"
#include "messages.hpp"

namespace cudasim::ptx {
namespace {

enum class Tok : u8 { End, Ident, Number, String, Punct };

struct Token {
  Tok kind = Tok::End;
  char punct = 0;
  std::string_view text;
  u32 line = 0;
};

bool ident_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' ||
         c == '.';
}

class Lexer {
 public:
  Lexer(std::string_view text, u32 line) : p_(text.data()), end_(p_ + text.size()), line_(line) {
    next();
  }

  Token cur;
  const char* start = nullptr;  // first character of `cur`

  void next() {
    skip_blank();
    start = p_;
    cur = {Tok::End, 0, {}, line_};
    if (p_ >= end_) return;
    char c = *p_;
    if (std::isdigit(static_cast<unsigned char>(c))) {
      while (p_ < end_ && (std::isalnum(static_cast<unsigned char>(*p_)) || *p_ == '.')) {
        bool exponent =
            (*p_ == 'e' || *p_ == 'E') && !(start[0] == '0' && p_ - start >= 1 &&
                                            std::isalpha(static_cast<unsigned char>(start[1])));
        ++p_;
        if (exponent && p_ < end_ && (*p_ == '-' || *p_ == '+')) ++p_;
      }
      cur.kind = Tok::Number;
    } else if (ident_char(c)) {
      while (p_ < end_ && (ident_char(*p_) || (*p_ == ':' && p_ + 1 < end_ && p_[1] == ':')))
        p_ += *p_ == ':' ? 2 : 1;
      cur.kind = Tok::Ident;
    } else if (c == '"') {
      for (++p_; p_ < end_ && *p_ != '"'; ++p_)
        if (*p_ == '\\') ++p_;
      if (p_ < end_) ++p_;
      cur.kind = Tok::String;
    } else {
      ++p_;
      cur.kind = Tok::Punct;
      cur.punct = c;
    }
    cur.text = {start, static_cast<size_t>(p_ - start)};
  }

  bool is(char c) const { return cur.kind == Tok::Punct && cur.punct == c; }
  bool is(std::string_view s) const { return cur.kind == Tok::Ident && cur.text == s; }
  bool accept(char c) { return is(c) ? (next(), true) : false; }
  bool accept(std::string_view s) { return is(s) ? (next(), true) : false; }
  void expect(char c) {
    if (!accept(c)) fail(strf("expected '%c'", c));
  }
  std::string_view ident() {
    if (cur.kind != Tok::Ident) fail("expected a name");
    auto t = cur.text;
    next();
    return t;
  }
  std::string_view rest_of_line() {  // text after `cur` up to the end of the line
    const char* b = start;
    while (p_ < end_ && *p_ != '\n') ++p_;
    std::string_view r{b, static_cast<size_t>(p_ - b)};
    next();
    return r;
  }
  /// Skip a balanced {...}; `cur` is the '{'. Returns the text including the braces.
  std::string_view skip_braces() {
    const char* b = start;
    int depth = 1;
    for (; p_ < end_ && depth; ++p_) {
      if (*p_ == '\n')
        ++line_;
      else if (*p_ == '{')
        ++depth;
      else if (*p_ == '}')
        --depth;
      else if (*p_ == '"')
        for (++p_; p_ < end_ && *p_ != '"'; ++p_)
          if (*p_ == '\\') ++p_;
    }
    std::string_view r{b, static_cast<size_t>(p_ - b)};
    next();
    return r;
  }
  [[noreturn]] void fail(const std::string& why) const {
    throw ParseError(strf("PTX line %u: %s near '%.*s'", cur.line, why.c_str(),
                          static_cast<int>(cur.text.size()), cur.text.data()));
  }

 private:
  const char *p_, *end_;
  u32 line_;

  void skip_blank() {
    for (; p_ < end_;) {
      if (*p_ == '\n')
        ++line_, ++p_;
      else if (*p_ == ' ' || *p_ == '\t' || *p_ == '\r')
        ++p_;
      else if (*p_ == '/' && p_ + 1 < end_ && p_[1] == '/')
        while (p_ < end_ && *p_ != '\n') ++p_;
      else if (*p_ == '/' && p_ + 1 < end_ && p_[1] == '*') {
        for (p_ += 2; p_ + 1 < end_ && !(*p_ == '*' && p_[1] == '/'); ++p_)
          if (*p_ == '\n') ++line_;
        p_ += 2;
      } else
        break;
    }
  }
};

/// Number literal -> bits and kind ('i', 'f', 'd').
std::pair<s64, char> number(std::string_view t) {
  auto hex = [](std::string_view s) {
    u64 v = 0;
    std::from_chars(s.data(), s.data() + s.size(), v, 16);
    return v;
  };
  if (t.size() > 2 && t[0] == '0') {
    if (t[1] == 'f' || t[1] == 'F') return {static_cast<s64>(hex(t.substr(2))), 'f'};
    if (t[1] == 'd' || t[1] == 'D') return {static_cast<s64>(hex(t.substr(2))), 'd'};
    if (t[1] == 'x' || t[1] == 'X') return {static_cast<s64>(hex(t.substr(2))), 'i'};
  }
  if (t.find_first_of(".eE") != t.npos)
    return {static_cast<s64>(bitcast<u64>(std::strtod(std::string(t).c_str(), nullptr))), 'd'};
  u64 v = 0;
  int base = t.size() > 1 && t[0] == '0' ? 8 : 10;
  std::from_chars(t.data(), t.data() + t.size(), v, base);
  return {static_cast<s64>(v), 'i'};
}

s64 constant(Lexer& lx) {
  bool neg = lx.accept('-');
  if (lx.cur.kind != Tok::Number) lx.fail("expected a number");
  s64 v = number(lx.cur.text).first;
  lx.next();
  return neg ? -v : v;
}

Space space_of(std::string_view t) {
  if (t == ".global") return Space::Global;
  if (t == ".const") return Space::Const;
  if (t == ".shared") return Space::Shared;
  if (t == ".local") return Space::Local;
  if (t == ".param") return Space::Param;
  return Space::Reg;
}

void parse_init(Lexer& lx, Var& v, u64& offset, int elem) {
  if (lx.accept('{')) {
    while (!lx.is('}')) {
      parse_init(lx, v, offset, elem);
      if (!lx.accept(',')) break;
    }
    lx.expect('}');
    return;
  }
  Var::Init in{offset, elem, 0, {}, 0};
  if (lx.is("generic")) {
    lx.next();
    lx.expect('(');
    in.symbol = lx.ident();
    if (lx.accept('+')) in.value = static_cast<u64>(constant(lx));
    lx.expect(')');
  } else if (lx.cur.kind == Tok::Ident) {
    in.symbol = lx.ident();
  } else {
    bool neg = lx.accept('-');
    auto [bits, kind] = number(lx.cur.text);
    lx.next();
    if (lx.is('(')) {  // mask(symbol): picks one byte of an address
      lx.next();
      u64 mask = static_cast<u64>(bits);
      while (mask && !(mask & 0xff)) mask >>= 8, in.shift += 8;
      if (lx.accept("generic")) {
        lx.expect('(');
        in.symbol = lx.ident();
        if (lx.accept('+')) in.value = static_cast<u64>(constant(lx));
        lx.expect(')');
      } else
        in.symbol = lx.ident();
      if (lx.accept('+')) in.value += static_cast<u64>(constant(lx));
      lx.expect(')');
    } else {
      if (kind == 'd' && v.type == Ty::F32)
        bits = bitcast<u32>(static_cast<float>(bitcast<double>(bits)));
      in.value = static_cast<u64>(neg ? -bits : bits);
    }
  }
  if (!in.symbol.empty()) {
    if (lx.accept('+'))
      in.value += static_cast<u64>(constant(lx));
    else if (lx.is('-'))
      in.value += static_cast<u64>(constant(lx));
  }
  if (in.value || !in.symbol.empty()) v.init.push_back(in);
  offset += static_cast<u64>(elem);
}

/// Declarator list after the state space keyword, e.g. ".align 4 .b8 name[16] = {...}".
template <class Sink>
void parse_vars(Lexer& lx, Space space, bool is_extern, Sink sink) {
  Var proto;
  proto.space = space;
  proto.is_extern = is_extern;
  u32 vec = 1, align = 0;
  while (lx.cur.kind == Tok::Ident && lx.cur.text[0] == '.') {
    auto t = lx.ident();
    if (t == ".align")
      align = static_cast<u32>(constant(lx));
    else if (t == ".v2")
      vec = 2;
    else if (t == ".v4")
      vec = 4;
    else if (t == ".attribute") {
      lx.expect('(');
      while (!lx.accept(')')) {
        if (lx.is(".managed")) proto.managed = true;
        lx.next();
      }
    } else if (Ty ty = parse_type(t.substr(1)); ty != Ty::None)
      proto.type = ty;
    // .ptr .global etc.: no effect
  }
  do {
    Var v = proto;
    u32 elem = static_cast<u32>(type_bytes(v.type));
    v.align = align ? align : elem * vec;
    v.name = lx.cur.kind == Tok::Ident ? lx.ident() : std::string_view{};
    u64 count = vec;
    while (lx.accept('[')) {
      if (lx.accept(']'))
        count = 0;
      else
        count *= static_cast<u64>(constant(lx)), lx.expect(']');
    }
    v.size = count * elem;
    if (lx.accept('=')) {
      u64 off = 0;
      parse_init(lx, v, off, static_cast<int>(elem));
      if (!count) v.size = off;
    }
    sink(std::move(v));
  } while (space != Space::Param && lx.accept(','));
}

std::vector<Var> parse_params(Lexer& lx) {
  std::vector<Var> out;
  lx.expect('(');
  while (!lx.is(')')) {
    Space s = space_of(lx.ident());
    parse_vars(lx, s == Space::Reg ? Space::Reg : Space::Param, false,
               [&](Var v) { out.push_back(std::move(v)); });
    if (!lx.accept(',')) break;
  }
  lx.expect(')');
  return out;
}

class BodyParser {
 public:
  BodyParser(Function& f) : lx_(f.body_text, f.body_line) {}

  std::unique_ptr<Body> run() {
    body_ = std::make_unique<Body>();
    lx_.expect('{');
    body_->scope_parent.push_back(-1);
    names_.emplace_back();
    block(0);
    return std::move(body_);
  }

 private:
  struct Names {
    std::unordered_map<std::string_view, int> one;
    std::unordered_map<std::string_view, std::pair<int, int>> range;  // prefix -> base, count
  };
  Lexer lx_;
  std::unique_ptr<Body> body_;
  std::vector<Names> names_;
  u32 src_line_ = 0;
  u16 src_file_ = 0;

  int find_reg(std::string_view n) const {
    size_t d = n.size();
    while (d && std::isdigit(static_cast<unsigned char>(n[d - 1]))) --d;
    int idx = -1;
    if (d < n.size()) std::from_chars(n.data() + d, n.data() + n.size(), idx);
    for (size_t i = names_.size(); i--;) {
      auto& s = names_[i];
      if (auto it = s.one.find(n); it != s.one.end()) return it->second;
      if (idx >= 0)
        if (auto it = s.range.find(n.substr(0, d)); it != s.range.end() && idx < it->second.second)
          return it->second.first + idx;
    }
    return -1;
  }

  void declare_regs(Ty ty) {
    while (lx_.cur.kind == Tok::Ident && lx_.cur.text[0] == '.')
      ty = parse_type(lx_.ident().substr(1));
    do {
      auto name = lx_.ident();
      int base = static_cast<int>(body_->regs.size());
      if (lx_.accept('<')) {
        int n = static_cast<int>(constant(lx_));
        lx_.expect('>');
        names_.back().range[name] = {base, n};
        for (int i = 0; i < n; ++i) body_->regs.push_back({{}, ty});
      } else {
        names_.back().one[name] = base;
        body_->regs.push_back({{}, ty});
      }
    } while (lx_.accept(','));
    lx_.expect(';');
  }

  void block(int scope) {
    while (!lx_.is('}')) {
      if (lx_.cur.kind == Tok::End) lx_.fail("unterminated body");
      if (lx_.accept('{')) {
        int child = static_cast<int>(body_->scope_parent.size());
        body_->scope_parent.push_back(scope);
        names_.emplace_back();
        block(child);
        names_.pop_back();
        continue;
      }
      if (lx_.accept(';')) continue;
      if (lx_.cur.kind == Tok::Ident && lx_.cur.text[0] == '.') {
        directive();
        continue;
      }
      statement(scope);
    }
    lx_.next();
  }

  void directive() {
    auto t = lx_.cur.text;
    if (t == ".loc") {
      auto line = lx_.rest_of_line();
      int file = 0, ln = 0;
      std::sscanf(std::string(line).c_str(), ".loc %d %d", &file, &ln);
      src_file_ = static_cast<u16>(file), src_line_ = static_cast<u32>(ln);
    } else if (t == ".reg" || t.starts_with(".reg.")) {  // ".reg .b16 x" or ".reg.b16 x"
      lx_.next();
      declare_regs(t == ".reg" ? Ty::B32 : parse_type(t.substr(5)));
    } else if (t == ".pragma") {
      lx_.rest_of_line();
    } else if (Space s = space_of(t); s != Space::Reg) {
      lx_.next();
      parse_vars(lx_, s, false, [&](Var v) { body_->vars.push_back(std::move(v)); });
      lx_.expect(';');
    } else {
      lx_.fail("unsupported directive");
    }
  }

  void label_directive(std::string_view label) {
    if (lx_.accept(".branchtargets")) {
      auto& list = body_->branch_targets[label];
      do list.push_back(lx_.ident());
      while (lx_.accept(','));
    } else {  // .callprototype (rets) _ (params) [.noreturn]
      lx_.next();
      Body::Proto p;
      if (lx_.is('(')) p.rets = parse_params(lx_);
      lx_.ident();
      if (lx_.is('(')) p.params = parse_params(lx_);
      while (!lx_.is(';')) lx_.next();
      body_->protos[label] = std::move(p);
    }
    lx_.expect(';');
  }

  void statement(int scope) {
    Stmt s;
    s.line = lx_.cur.line, s.src_line = src_line_, s.src_file = src_file_, s.scope = scope;
    if (lx_.accept('@')) {
      s.guard_neg = lx_.accept('!');
      s.guard = find_reg(lx_.ident());
      if (s.guard < 0) lx_.fail("unknown predicate");
    }
    auto head = lx_.ident();
    if (lx_.accept(':')) {
      if (lx_.is(".branchtargets") || lx_.is(".callprototype"))
        label_directive(head);
      else
        body_->labels[strf("%d:", scope) + std::string(head)] =
            static_cast<int>(body_->stmts.size());
      return;
    }
    for (size_t b = 0;;) {  // split at '.', but keep "a::b" whole
      size_t e = head.find('.', b);
      s.op.push_back(head.substr(b, e == head.npos ? head.npos : e - b));
      if (e == head.npos) break;
      b = e + 1;
    }
    while (!lx_.is(';')) {
      s.args.push_back(operand());
      if (!lx_.accept(',')) break;
    }
    lx_.expect(';');
    body_->stmts.push_back(std::move(s));
  }

  Operand operand() {
    Operand o;
    if (lx_.accept('{')) {
      o.kind = Operand::Vec;
      while (!lx_.is('}')) {
        o.sub.push_back(operand());
        if (!lx_.accept(',')) break;
      }
      lx_.expect('}');
      return o;
    }
    if (lx_.accept('(')) {
      o.kind = Operand::List;
      while (!lx_.is(')')) {
        o.sub.push_back(operand());
        if (!lx_.accept(',')) break;
      }
      lx_.expect(')');
      return o;
    }
    if (lx_.accept('[')) {
      o.kind = Operand::Mem;
      o.sub.push_back(operand());
      while (!lx_.accept(']')) {
        if (lx_.accept('+'))
          o.imm += constant(lx_);
        else if (lx_.is('-'))
          o.imm += constant(lx_);
        else
          lx_.fail("unsupported address operand");
      }
      o.imm += o.sub[0].imm * (o.sub[0].kind == Operand::Sym);
      if (o.sub[0].kind == Operand::Sym) o.sub[0].imm = 0;
      return o;
    }
    if (lx_.accept('!')) {
      o = operand();
      o.negated = true;
      return o;
    }
    if (lx_.is('-') || lx_.cur.kind == Tok::Number) {
      bool neg = lx_.accept('-');
      if (lx_.cur.kind != Tok::Number) {
        o = operand();
        o.negated = true;
        return o;
      }
      auto [bits, kind] = number(lx_.cur.text);
      lx_.next();
      o.kind = Operand::Imm;
      o.imm_type = kind;
      o.imm = !neg          ? bits
              : kind == 'i' ? -bits
              : kind == 'f' ? bits ^ 0x80000000ll
                            : static_cast<s64>(static_cast<u64>(bits) ^ (1ull << 63));
      return o;
    }
    auto name = lx_.ident();
    o.name = name;
    o.reg = find_reg(name);
    o.kind = o.reg >= 0 ? Operand::Reg : Operand::Sym;
    if (name == "_") o.kind = Operand::None;
    if (o.kind == Operand::Sym && (lx_.is('+') || lx_.is('-'))) {  // symbol + constant
      if (lx_.accept('+'))
        o.imm = constant(lx_);
      else
        o.imm = constant(lx_);
    }
    if (lx_.accept('|')) o.sub.push_back(operand());
    return o;
  }
};

class ModuleParser {
 public:
  explicit ModuleParser(Module& m) : m_(m), lx_(m.text, 1) {}

  void run() {
    while (lx_.cur.kind != Tok::End) item();
  }

 private:
  Module& m_;
  Lexer lx_;

  void item() {
    if (lx_.accept(".version")) {
      lx_.next();
      return;
    }
    if (lx_.is(".target")) {
      auto line = lx_.rest_of_line();
      if (auto p = line.find("sm_"); p != line.npos)
        m_.target = std::atoi(std::string(line.substr(p + 3)).c_str());
      return;
    }
    if (lx_.accept(".address_size")) {
      lx_.next();
      return;
    }
    if (lx_.is(".file")) {
      auto line = std::string(lx_.rest_of_line());
      char name[4096] = "";
      int idx = 0;
      if (std::sscanf(line.c_str(), ".file %d \"%4095[^\"]\"", &idx, name) == 2 && idx >= 0 &&
          idx < 65536) {
        if (m_.files.size() <= static_cast<size_t>(idx)) m_.files.resize(idx + 1);
        m_.files[idx] = name;
      }
      return;
    }
    if (lx_.is(".loc") || lx_.is(".pragma")) {
      lx_.rest_of_line();
      return;
    }
    if (lx_.is(".section")) {
      while (!lx_.is('{')) lx_.next();
      lx_.skip_braces();
      return;
    }
    bool is_extern = false;
    while (lx_.is(".visible") || lx_.is(".weak") || lx_.is(".extern") || lx_.is(".common") ||
           lx_.is(".internal")) {
      is_extern |= lx_.is(".extern");
      lx_.next();
    }
    if (lx_.is(".entry") || lx_.is(".func")) return function();
    if (lx_.accept(".alias")) {
      auto a = lx_.ident();
      lx_.expect(',');
      auto b = lx_.ident();
      lx_.expect(';');
      if (auto it = m_.by_name.find(b); it != m_.by_name.end()) m_.by_name[a] = it->second;
      return;
    }
    Space s = lx_.cur.kind == Tok::Ident ? space_of(lx_.cur.text) : Space::Reg;
    if (s == Space::Reg) lx_.fail("unsupported module directive");
    lx_.next();
    parse_vars(lx_, s, is_extern, [&](Var v) {
      auto [it, fresh] = m_.var_index.emplace(v.name, static_cast<int>(m_.vars.size()));
      if (fresh)
        m_.vars.push_back(std::move(v));
      else if (m_.vars[it->second].is_extern && !v.is_extern)
        m_.vars[it->second] = std::move(v);
    });
    lx_.expect(';');
  }

  void function() {
    auto f = std::make_unique<Function>();
    f->module = &m_;
    f->entry = lx_.ident() == ".entry";
    if (lx_.is(".attribute")) {
      while (!lx_.accept(')')) lx_.next();
    }
    if (lx_.is('(')) f->rets = parse_params(lx_);
    f->name = lx_.ident();
    if (lx_.is('(')) f->params = parse_params(lx_);
    while (!lx_.is('{') && !lx_.is(';')) {
      if (lx_.cur.kind == Tok::End) lx_.fail("unterminated function header");
      if (lx_.accept(".maxntid") || lx_.accept(".reqntid")) {
        int n = static_cast<int>(constant(lx_));
        while (lx_.accept(',')) n *= static_cast<int>(constant(lx_));
        f->maxntid = n;
      } else if (lx_.accept(".minnctapersm")) {
        f->min_blocks = static_cast<int>(constant(lx_));
      } else
        lx_.next();
    }
    if (lx_.is('{')) {
      f->has_body = true;
      f->body_line = lx_.cur.line;
      f->body_text = lx_.skip_braces();
    } else
      lx_.next();
    static u64 serial = 0;
    f->address = 0x0600000000000000ull + 16 * ++serial;
    auto [it, fresh] = m_.by_name.emplace(f->name, f.get());
    if (!fresh) {
      if (!f->has_body) return;
      f->address = it->second->address;  // a definition replaces its prototype
      it->second = f.get();
    }
    m_.functions.push_back(std::move(f));
  }
};

}  // namespace

int Body::find_label(std::string_view name, int scope) const {
  for (; scope >= 0; scope = scope_parent[scope])
    if (auto it = labels.find(strf("%d:", scope) + std::string(name)); it != labels.end())
      return it->second;
  return -1;
}

const Body& Function::parsed() {
  if (!body) body = BodyParser(*this).run();
  return *body;
}

std::string_view Module::line_text(u32 line) const {
  size_t b = 0;
  for (u32 l = 1; l < line && b != text.npos; ++l) {
    b = text.find('\n', b);
    if (b != text.npos) ++b;
  }
  if (b == text.npos || b >= text.size()) return {};
  size_t e = text.find('\n', b);
  std::string_view s = std::string_view(text).substr(b, e == text.npos ? e : e - b);
  while (!s.empty() && (s.front() == '\t' || s.front() == ' ')) s.remove_prefix(1);
  return s;
}

std::unique_ptr<Module> parse_module(std::string text) {
  auto m = std::make_unique<Module>();
  m->text = std::move(text);
  ModuleParser(*m).run();
  return m;
}

}  // namespace cudasim::ptx

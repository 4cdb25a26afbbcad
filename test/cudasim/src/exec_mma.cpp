// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Tensor-core instructions: mma.sync, mma.sp, ldmatrix, stmatrix, movmatrix.
//
// Every fragment follows one rule. With g = lane / 4, t = lane % 4 and e elements per 32-bit
// register, element j of register r lies at
//   A: row g + 8 * (r % 2), column t * e + (r / 2) * 4e + j        (m16; for m8 there is only row
//   g) B: row t * e + r * 4e + j, column g C: row g + 8 * (i / 2), column 2t + i % 2
// Sparse A uses the same rule on the compressed matrix (K / 2 columns).
#include <cstring>

#include "checks.hpp"
#include "decode.hpp"
#include "float_formats.hpp"
#include "messages.hpp"
#include "stats.hpp"

namespace cudasim {
namespace {

struct Shape {
  int m, n, k;
};

/// Element types: how many per register, and their values.
template <Ty T>
struct Elem;
template <>
struct Elem<Ty::F16> {
  static constexpr int n = 2;
  static double get(u32 r, int j) { return h2f(static_cast<u16>(r >> 16 * j)); }
};
template <>
struct Elem<Ty::BF16> {
  static constexpr int n = 2;
  static double get(u32 r, int j) { return bf2f(static_cast<u16>(r >> 16 * j)); }
};
template <>
struct Elem<Ty::TF32> {
  static constexpr int n = 1;
  static double get(u32 r, int) { return trunc_tf32(bitcast<float>(r)); }
};  // low bits are ignored
template <>
struct Elem<Ty::S8> {
  static constexpr int n = 4;
  static double get(u32 r, int j) { return static_cast<s8>(r >> 8 * j); }
};
template <>
struct Elem<Ty::U8> {
  static constexpr int n = 4;
  static double get(u32 r, int j) { return static_cast<u8>(r >> 8 * j); }
};
template <>
struct Elem<Ty::E4M3> {
  static constexpr int n = 4;
  static double get(u32 r, int j) { return e4m3_to_f(static_cast<u8>(r >> 8 * j)); }
};
template <>
struct Elem<Ty::E5M2> {
  static constexpr int n = 4;
  static double get(u32 r, int j) { return e5m2_to_f(static_cast<u8>(r >> 8 * j)); }
};
template <>
struct Elem<Ty::S4> {
  static constexpr int n = 8;
  static double get(u32 r, int j) { return static_cast<s32>(r << (28 - 4 * j)) >> 28; }
};
template <>
struct Elem<Ty::U4> {
  static constexpr int n = 8;
  static double get(u32 r, int j) { return (r >> 4 * j) & 15; }
};

struct MmaInfo {  // packed into Insn::imm
  u8 m, k;
  Ty a, b, c, d;
  u8 sparse, ordered;
};
static_assert(sizeof(MmaInfo) == 8);

constexpr int kMaxK = 128;

/// Gather A from the registers `slots`.
template <Ty T>
void gather_a(Warp& w, const s32* slots, int nregs, int rows, double (*out)[kMaxK]) {
  constexpr int e = Elem<T>::n;
  for (int r = 0; r < nregs; ++r) {
    const u32* reg = w.r<u32>(slots[r]);
    int row8 = rows == 16 ? 8 * (r & 1) : 0, chunk = rows == 16 ? r >> 1 : r;
    for (int lane = 0; lane < kWarp; ++lane)
      for (int j = 0; j < e; ++j)
        out[lane / 4 + row8][(lane % 4) * e + chunk * 4 * e + j] = Elem<T>::get(reg[lane], j);
  }
}
template <Ty T>
void gather_b(Warp& w, const s32* slots, int nregs, double (*out)[8]) {
  constexpr int e = Elem<T>::n;
  for (int r = 0; r < nregs; ++r) {
    const u32* reg = w.r<u32>(slots[r]);
    for (int lane = 0; lane < kWarp; ++lane)
      for (int j = 0; j < e; ++j)
        out[(lane % 4) * e + r * 4 * e + j][lane / 4] = Elem<T>::get(reg[lane], j);
  }
}

/// Spread the compressed A over its logical columns with the metadata.
void expand(Warp& w, const Insn& I, const MmaInfo& info, const u32* meta, int selector,
            const double (*comp)[kMaxK], double (*out)[kMaxK]) {
  int bits = type_bits(info.a), k = info.k;
  for (int row = 0; row < 16; ++row)
    for (int c = 0; c < k; ++c) out[row][c] = 0;
  for (int row = 0; row < 16; ++row) {
    int g = row % 8, hi = row / 8;
    auto nibble = [&](int group) -> u32 {  // indices of the group-th chunk of the row
      if (bits >= 16) {  // 16 bits per row and thread: low half row g, high half row g + 8
        bool pair = bits == 16 ? k == 32 : k == 16;
        int t = pair ? 2 * selector + group / 4 : selector;
        return meta[4 * g + t] >> (16 * hi + 4 * (group % 4)) & 15;
      }
      int t = k == 32 ? 2 * selector + hi : 2 * (group / 8) + hi;  // 32 bits per row and thread
      return meta[4 * g + t] >> (4 * (group % 8)) & 15;
    };
    if (bits == 32) {  // tf32: one of two, 0b0100 or 0b1110
      for (int c = 0; c < k / 2; ++c) {
        u32 v = nibble(c);
        if (v != 0x4 && v != 0xe)
          checks::report(w, I, 4 * g, "Invalid mma.sp metadata",
                         strf("row %d chunk %d: 0x%x (expected 0x4 or 0xe)", row, c, v));
        out[row][2 * c + (v == 0xe)] = comp[row][c];
      }
      continue;
    }
    for (int c = 0; c < k / 4; ++c) {
      u32 v = nibble(c), i0 = v & 3, i1 = v >> 2;
      if (i0 == i1 || (info.ordered && i0 > i1))
        checks::report(w, I, 4 * g, "Invalid mma.sp metadata",
                       strf("row %d chunk %d: indices %u, %u", row, c, i0, i1));
      out[row][4 * c + static_cast<int>(i0)] = comp[row][2 * c];
      if (i0 != i1) out[row][4 * c + static_cast<int>(i1)] = comp[row][2 * c + 1];
    }
  }
}

template <Ty A, Ty B>
void mma(Warp& w, const Insn& I, u32) {
  MmaInfo info;
  std::memcpy(&info, &I.imm, sizeof info);
  const s32* l = w.prog->lists.data() + I.list;
  const int nd = l[0], na = l[1], nb = l[2], nc = l[3];
  const s32 *sd = l + 4, *sa = sd + nd, *sb = sa + na, *sc = sb + nb;
  double a[16][kMaxK], b[kMaxK][8], c[16][8];
  gather_b<B>(w, sb, nb, b);
  if (info.sparse) {
    double comp[16][kMaxK];
    gather_a<A>(w, sa, na, 16, comp);
    expand(w, I, info, w.r<u32>(I.b), I.op, comp, a);
  } else
    gather_a<A>(w, sa, na, info.m, a);

  const bool integer = info.c == Ty::S32, half_c = info.c == Ty::F16;
  for (int lane = 0; lane < kWarp; ++lane)
    for (int i = 0; i < (info.m == 16 ? 4 : 2); ++i) {
      int row = lane / 4 + 8 * (i / 2), col = 2 * (lane % 4) + i % 2;
      if (half_c)
        c[row][col] = h2f(static_cast<u16>(w.r<u32>(sc[i / 2])[lane] >> 16 * (i % 2)));
      else if (integer)
        c[row][col] = w.r<s32>(sc[i])[lane];
      else
        c[row][col] = w.r<float>(sc[i])[lane];
    }
  (void)nc;
  // Products are exact in double; the sum is rounded once at the end.
  for (int row = 0; row < info.m; ++row) {
    double acc[8] = {};
    for (int k = 0; k < info.k; ++k) {
      double x = a[row][k];
      if (x == 0 && info.sparse) continue;  // absent elements do not meet B (no 0 * inf)
      for (int n = 0; n < 8; ++n) acc[n] += x * b[k][n];
    }
    for (int n = 0; n < 8; ++n) c[row][n] += acc[n];
  }
  for (int lane = 0; lane < kWarp; ++lane)
    for (int i = 0; i < (info.m == 16 ? 4 : 2); ++i) {
      double v = c[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2];
      if (info.d == Ty::F16) {
        u32& d = w.r<u32>(sd[i / 2])[lane];
        u32 h = d2h(v);
        d = i % 2 ? (d & 0xffffu) | h << 16 : (d & 0xffff0000u) | h;
      } else if (integer) {
        s64 s = static_cast<s64>(v);
        if (I.flags & kSat) s = s > INT32_MAX ? INT32_MAX : s < INT32_MIN ? INT32_MIN : s;
        w.r<s32>(sd[i])[lane] = static_cast<s32>(s);
      } else
        w.r<float>(sd[i])[lane] = static_cast<float>(v);
    }
  if (w.grid->stats) w.grid->stats->mma_flops += 2ull * info.m * 8 * info.k / (info.sparse ? 2 : 1);
}

ExecFn pick_mma(Ty a, Ty b) {
  auto mixed = [&]<Ty X, Ty Y>(std::integral_constant<Ty, X>,
                               std::integral_constant<Ty, Y>) -> ExecFn {
    return a == X ? (b == X   ? mma<X, X>
                     : b == Y ? mma<X, Y>
                              : nullptr)
                  : (b == X   ? mma<Y, X>
                     : b == Y ? mma<Y, Y>
                              : nullptr);
  };
  switch (a) {
    case Ty::F16: return b == a ? mma<Ty::F16, Ty::F16> : nullptr;
    case Ty::BF16: return b == a ? mma<Ty::BF16, Ty::BF16> : nullptr;
    case Ty::TF32: return b == a ? mma<Ty::TF32, Ty::TF32> : nullptr;
    case Ty::S8:
    case Ty::U8:
      return mixed(std::integral_constant<Ty, Ty::S8>{}, std::integral_constant<Ty, Ty::U8>{});
    case Ty::S4:
    case Ty::U4:
      return mixed(std::integral_constant<Ty, Ty::S4>{}, std::integral_constant<Ty, Ty::U4>{});
    case Ty::E4M3:
    case Ty::E5M2:
      return mixed(std::integral_constant<Ty, Ty::E4M3>{}, std::integral_constant<Ty, Ty::E5M2>{});
    default: return nullptr;
  }
}

void mma_f64(Warp& w, const Insn& I, u32) {  // m8n8k4
  const s32* l = w.prog->lists.data() + I.list;
  const s32 *sd = l + 4, *sa = sd + 2, *sb = sa + 1, *sc = sb + 1;
  double out[kWarp][2];
  for (int lane = 0; lane < kWarp; ++lane)
    for (int i = 0; i < 2; ++i) {
      int row = lane / 4, col = 2 * (lane % 4) + i;
      double v = w.r<double>(sc[i])[lane];
      for (int k = 0; k < 4; ++k)
        v = std::fma(w.r<double>(sa[0])[4 * row + k], w.r<double>(sb[0])[4 * col + k], v);
      out[lane][i] = v;
    }
  for (int lane = 0; lane < kWarp; ++lane)
    for (int i = 0; i < 2; ++i) w.r<double>(sd[i])[lane] = out[lane][i];
}

// ---- 8x8 matrices of 16-bit elements --------------------------------------------------------

template <bool kStore>
void matrix_access(Warp& w, const Insn& I, u32) {
  u64 addr[kWarp];
  addresses(w, I, kFull, addr);
  int count = I.nlist;
  u8* rows[kWarp];
  for (int i = 0; i < 8 * count; ++i) {
    u64 a = addr[i];
    if (I.space == ptx::Space::Shared) a &= ~window::kMask;
    rows[i] = access_lane(w, I, I.space, i, a, 16, kStore ? Access::Store : Access::Load);
  }
  bool trans = I.flags & kTrans;
  for (int q = 0; q < count; ++q) {
    u32* reg = w.r<u32>(w.prog->lists[I.list + static_cast<u32>(q)]);
    for (int lane = 0; lane < kWarp; ++lane) {
      int g = lane / 4, t = lane % 4;
      for (int j = 0; j < 2; ++j) {
        u8* p = trans ? rows[8 * q + 2 * t + j] + 2 * g : rows[8 * q + g] + 2 * (2 * t + j);
        if constexpr (kStore) {
          u16 v = static_cast<u16>(reg[lane] >> 16 * j);
          std::memcpy(p, &v, 2);
        } else {
          u16 v;
          std::memcpy(&v, p, 2);
          reg[lane] =
              j ? (reg[lane] & 0xffffu) | static_cast<u32>(v) << 16 : (reg[lane] & 0xffff0000u) | v;
        }
      }
    }
  }
}
void movmatrix(Warp& w, const Insn& I, u32) {
  u32 in[kWarp];
  std::memcpy(in, w.r<u32>(I.a), sizeof in);
  u32* d = w.r<u32>(I.d);
  for (int lane = 0; lane < kWarp; ++lane) {
    u32 v = 0;
    for (int j = 0; j < 2; ++j) {  // element [2t + j][g] of the source
      int row = 2 * (lane % 4) + j, col = lane / 4;
      v |= (in[4 * row + col / 2] >> 16 * (col % 2) & 0xffff) << 16 * j;
    }
    d[lane] = v;
  }
}

const std::pair<std::string_view, Shape> kShapes[] = {
    {"m16n8k4", {16, 8, 4}},   {"m16n8k8", {16, 8, 8}},   {"m16n8k16", {16, 8, 16}},
    {"m16n8k32", {16, 8, 32}}, {"m16n8k64", {16, 8, 64}}, {"m16n8k128", {16, 8, 128}},
    {"m8n8k4", {8, 8, 4}},     {"m8n8k16", {8, 8, 16}},   {"m8n8k32", {8, 8, 32}},
};

void operands(Dec& d, size_t arg, std::vector<s32>& out, int want, Ty t, bool dest) {
  const auto& o = d.arg(arg);
  std::vector<const ptx::Operand*> regs;
  if (o.kind == ptx::Operand::Vec)
    for (auto& x : o.sub) regs.push_back(&x);
  else
    regs.push_back(&o);
  if (static_cast<int>(regs.size()) != want)
    d.unsupported(strf("operand %zu has %zu registers, expected %d", arg, regs.size(), want));
  for (auto* r : regs) out.push_back(dest ? d.dst(*r, t, false) : d.src(*r, t));
}

bool decode_mma_op(Dec& d) {
  bool sparse = d.has("sp"), ordered = d.has("sp::ordered_metadata");
  sparse |= ordered;
  d.has("sync");
  d.has("aligned");
  d.has("row");
  d.has("col");
  const Shape* shape = nullptr;
  for (auto& [name, s] : kShapes)
    if (d.has(name)) shape = &s;
  if (!shape || d.types.size() != 4) d.unsupported("matrix shape");
  Ty td = d.types[0], ta = d.types[1], tb = d.types[2], tc = d.types[3];
  bool sat = d.has("satfinite");
  std::vector<s32> l;
  Insn I = d.make(pick_mma(ta, tb), Cls::Tensor, Kind::WarpSync);
  I.e = d.konst(kFull, 4);
  if (ta == Ty::F64) {
    if (shape->m != 8 || shape->k != 4 || sparse) d.unsupported("f64 shape");
    l = {2, 1, 1, 2};
    operands(d, 0, l, 2, Ty::F64, true);
    operands(d, 1, l, 1, Ty::F64, false);
    operands(d, 2, l, 1, Ty::F64, false);
    operands(d, 3, l, 2, Ty::F64, false);
    I.fn = mma_f64;
    I.list = d.list(l);
    d.emit(I);
    return true;
  }
  if (!I.fn || (shape->m == 8 && ta == Ty::F16) || (sparse && type_bits(ta) < 8))
    d.unsupported("element type");
  if (d.one_of({"xor", "and", "popc"}) >= 0) d.unsupported("binary matrices");
  int e = 32 / type_bits(ta), per_reg = 4 * e;  // columns of A covered by one register (8 rows)
  int na = (sparse ? shape->k / 2 : shape->k) / per_reg * (shape->m / 8), nb = shape->k / per_reg;
  int ncd = shape->m == 16 ? 4 : 2;
  int nd = td == Ty::F16 ? ncd / 2 : ncd, nc = tc == Ty::F16 ? ncd / 2 : ncd;
  if (na < 1 || nb < 1) d.unsupported("matrix shape");
  l = {nd, na, nb, nc};
  operands(d, 0, l, nd, Ty::B32, true);
  operands(d, 1, l, na, Ty::B32, false);
  operands(d, 2, l, nb, Ty::B32, false);
  operands(d, 3, l, nc, Ty::B32, false);
  if (sparse) {
    I.b = d.src(4, Ty::B32);
    if (d.arg(5).kind != ptx::Operand::Imm)
      d.unsupported("the sparsity selector must be a constant");
    I.op = static_cast<u8>(d.arg(5).imm);
  }
  I.list = d.list(l);
  MmaInfo info{
      static_cast<u8>(shape->m), static_cast<u8>(shape->k), ta, tb, tc, td, sparse, ordered};
  std::memcpy(&I.imm, &info, sizeof info);
  if (sat) I.flags |= kSat;
  d.emit(I);
  return true;
}

}  // namespace

bool decode_mma(Dec& d) {
  auto op = d.op();
  if (op == "mma") return decode_mma_op(d);
  if (op == "ldmatrix" || op == "stmatrix") {
    bool st = op == "stmatrix";
    d.has("sync");
    d.has("aligned");
    if (!d.has("m8n8")) d.unsupported("matrix shape");
    int n = 1 << std::max(0, d.one_of({"x1", "x2", "x4"}));
    Insn I = d.make(st ? matrix_access<true> : matrix_access<false>, Cls::LdSt, Kind::WarpSync);
    if (d.has("trans")) I.flags |= kTrans;
    I.space = d.one_of({"shared", "shared::cta"}) >= 0 ? ptx::Space::Shared : ptx::Space::Generic;
    if (d.type() != Ty::B16) d.unsupported("element type");
    I.e = d.konst(kFull, 4);
    std::vector<s32> l;
    operands(d, st ? 1 : 0, l, n, Ty::B32, !st);
    I.list = d.list(l);
    I.nlist = static_cast<u8>(n);
    d.address(I, d.arg(st ? 0 : 1));
    d.emit(I);
    return true;
  }
  if (op == "movmatrix") {
    d.has("sync");
    d.has("aligned");
    d.has("m8n8");
    d.has("trans");
    Insn I = d.make(movmatrix, Cls::Move, Kind::WarpSync);
    I.e = d.konst(kFull, 4);
    I.a = d.src(1, Ty::B32), I.d = d.dst(0, Ty::B32);
    d.emit(I);
    return true;
  }
  return false;
}

}  // namespace cudasim

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Decoders written from the LZ4 block format description and RFC 8878 (Zstandard).
#include "decompress.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace cudasim {
namespace {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using Bytes = std::vector<u8>;

[[noreturn]] void bad(const char* what) { throw std::runtime_error(what); }

/// Little-endian forward reader over a byte range.
struct Reader {
  const u8* p;
  const u8* end;
  u8 byte() {
    if (p >= end) bad("truncated");
    return *p++;
  }
  u64 le(int n) {
    u64 v = 0;
    for (int i = 0; i < n; ++i) v |= static_cast<u64>(byte()) << (8 * i);
    return v;
  }
  Reader take(size_t n) {
    if (static_cast<size_t>(end - p) < n) bad("truncated");
    Reader r{p, p + n};
    p += n;
    return r;
  }
  size_t left() const { return static_cast<size_t>(end - p); }
};

/// Bits of a forward (FSE header) stream, least significant first.
struct ForwardBits {
  Reader& r;
  u64 acc = 0;
  int have = 0;
  u32 peek(int n) {
    while (have < n) {
      acc |= static_cast<u64>(r.p < r.end ? *r.p : 0) << have;
      ++r.p;
      have += 8;
    }
    return static_cast<u32>(acc & ((1ull << n) - 1));
  }
  void skip(int n) { acc >>= n, have -= n; }
  u32 get(int n) {
    u32 v = peek(n);
    skip(n);
    return v;
  }
  void finish() {  // give whole unread bytes back
    r.p -= have / 8;
    if (r.p > r.end) bad("truncated table");
  }
};

/// Bits of a backward stream (entropy payloads): starts at the final 1-bit marker.
struct BackwardBits {
  const u8* begin;
  std::int64_t pos;  // bits still available
  explicit BackwardBits(Reader r) : begin(r.p) {
    if (r.p == r.end || r.end[-1] == 0) bad("no end marker");
    pos = static_cast<std::int64_t>(r.left()) * 8 - std::countl_zero(r.end[-1]) - 1;
  }
  u64 get(int n) {
    pos -= n;
    u64 v = 0;
    for (int i = 0; i < n;) {  // reading below bit 0 yields zeros
      std::int64_t bit = pos + i;
      if (bit < 0) {
        ++i;
        continue;
      }
      int off = static_cast<int>(bit & 7), take = std::min(8 - off, n - i);
      v |= static_cast<u64>((begin[bit >> 3] >> off) & ((1 << take) - 1)) << i;
      i += take;
    }
    return v;
  }
};

struct FseTable {
  struct Cell {
    u8 symbol, bits;
    u16 base;
  };
  int log = 0;
  std::vector<Cell> cells;

  void build(const std::vector<int>& norm, int accuracy) {
    log = accuracy;
    int size = 1 << log, high = size;
    cells.assign(size, {});
    std::vector<int> next(norm.size());
    for (size_t s = 0; s < norm.size(); ++s)
      if (norm[s] == -1)
        cells[--high].symbol = static_cast<u8>(s), next[s] = 1;
      else
        next[s] = norm[s];
    int step = (size >> 1) + (size >> 3) + 3, pos = 0;
    for (size_t s = 0; s < norm.size(); ++s)
      for (int i = 0; i < norm[s]; ++i) {
        cells[pos].symbol = static_cast<u8>(s);
        do pos = (pos + step) & (size - 1);
        while (pos >= high);
      }
    for (auto& c : cells) {
      int x = next[c.symbol]++;
      c.bits = static_cast<u8>(log - (std::bit_width(static_cast<unsigned>(x)) - 1));
      c.base = static_cast<u16>((x << c.bits) - size);
    }
  }
  void build_single(u8 symbol) {
    log = 0;
    cells.assign(1, {symbol, 0, 0});
  }
  void read(Reader& r, int max_log) {
    ForwardBits b{r};
    int accuracy = static_cast<int>(b.get(4)) + 5;
    if (accuracy > max_log) bad("fse log");
    int remaining = (1 << accuracy) + 1;
    std::vector<int> norm;
    while (remaining > 1 && norm.size() < 256) {
      int bits = std::bit_width(static_cast<unsigned>(remaining));
      u32 v = b.peek(bits), low_mask = (1u << (bits - 1)) - 1,
          threshold = (1u << bits) - 1 - remaining;
      int value;
      if ((v & low_mask) < threshold) {
        b.skip(bits - 1);
        value = static_cast<int>(v & low_mask);
      } else {
        b.skip(bits);
        value = static_cast<int>(v > low_mask ? v - threshold : v);
      }
      int prob = value - 1;
      remaining -= prob < 0 ? -prob : prob;
      norm.push_back(prob);
      if (prob == 0)
        for (u32 rep = 3; rep == 3;) {
          rep = b.get(2);
          norm.insert(norm.end(), rep, 0);
        }
    }
    b.finish();
    build(norm, accuracy);
  }
};

struct HuffTable {
  int log = 0;
  struct Cell {
    u8 symbol, bits;
  };
  std::vector<Cell> cells;

  void from_weights(std::vector<u8> w) {
    u32 sum = 0;
    for (u8 x : w) sum += x ? 1u << (x - 1) : 0;
    if (!sum) bad("huffman weights");
    log = std::bit_width(sum);
    u32 rest = (1u << log) - sum;
    if (!std::has_single_bit(rest)) bad("huffman weights");
    w.push_back(static_cast<u8>(std::bit_width(rest)));
    cells.assign(size_t{1} << log, {});
    size_t at = 0;
    for (int weight = 1; weight <= log; ++weight)
      for (size_t s = 0; s < w.size(); ++s)
        if (w[s] == weight)
          for (size_t i = 0; i < (size_t{1} << (weight - 1)); ++i)
            cells.at(at++) = {static_cast<u8>(s), static_cast<u8>(log + 1 - weight)};
  }
  void read(Reader& r) {
    u8 head = r.byte();
    std::vector<u8> w;
    if (head >= 128) {
      int n = head - 127;
      for (int i = 0; i < n; i += 2) {
        u8 b = r.byte();
        w.push_back(b >> 4);
        if (i + 1 < n) w.push_back(b & 15);
      }
    } else {
      Reader s = r.take(head);
      FseTable t;
      t.read(s, 6);
      BackwardBits b(s);
      u32 st[2] = {static_cast<u32>(b.get(t.log)), static_cast<u32>(b.get(t.log))};
      for (int k = 0; w.size() < 255; k ^= 1) {
        auto c = t.cells[st[k]];
        w.push_back(c.symbol);
        if (b.pos < c.bits) {  // this update would underflow: the other state holds the last symbol
          w.push_back(t.cells[st[k ^ 1]].symbol);
          break;
        }
        st[k] = c.base + static_cast<u32>(b.get(c.bits));
      }
    }
    from_weights(std::move(w));
  }
  void decode(Reader r, size_t n, Bytes& out) const {
    BackwardBits b(r);
    u32 mask = (1u << log) - 1, state = static_cast<u32>(b.get(log));
    for (size_t i = 0; i < n; ++i) {
      auto c = cells[state];
      out.push_back(c.symbol);
      state = ((state << c.bits) | static_cast<u32>(b.get(c.bits))) & mask;
    }
  }
};

constexpr u32 kLLBase[36] = {0,  1,  2,   3,   4,   5,    6,    7,    8,    9,     10,    11,
                             12, 13, 14,  15,  16,  18,   20,   22,   24,   28,    32,    40,
                             48, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};
constexpr u8 kLLBits[36] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,  0,  0,  0,  1,  1,
                            1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr u32 kMLBase[53] = {
    3,  4,  5,  6,  7,  8,  9,  10,  11,  12,  13,   14,   15,   16,   17,    18,    19,   20,
    21, 22, 23, 24, 25, 26, 27, 28,  29,  30,  31,   32,   33,   34,   35,    37,    39,   41,
    43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539};
constexpr u8 kMLBits[53] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,  0,  0,  0,  0,  0, 0,
                            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,  0,  0,  1,  1,  1, 1,
                            2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
const std::vector<int> kLLNorm = {4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1,  1,  2,  2,
                                  2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1};
const std::vector<int> kMLNorm = {1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1,  1,  1,  1,  1,  1,  1, 1,
                                  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  1, 1,
                                  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1};
const std::vector<int> kOFNorm = {1, 1, 1, 1, 1, 1, 2, 2, 2, 1,  1,  1,  1,  1, 1,
                                  1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1};

class Zstd {
 public:
  Bytes out;

  void frame(Reader& r) {
    u32 magic = static_cast<u32>(r.le(4));
    if ((magic & 0xfffffff0u) == 0x184d2a50u) {
      r.take(r.le(4));
      return;
    }
    if (magic != 0xfd2fb528u) bad("magic");
    u8 d = r.byte();
    bool single = d & 0x20;
    if (!single) r.byte();
    static constexpr int dict[4] = {0, 1, 2, 4}, fcs[4] = {0, 2, 4, 8};
    r.le(dict[d & 3]);
    r.le((d >> 6) == 0 ? (single ? 1 : 0) : fcs[d >> 6]);
    rep_ = {1, 4, 8};
    have_huff_ = false;
    for (bool last = false; !last;) {
      u32 h = static_cast<u32>(r.le(3));
      last = h & 1;
      u32 type = (h >> 1) & 3, size = h >> 3;
      if (type == 0) {
        Reader raw = r.take(size);
        out.insert(out.end(), raw.p, raw.end);
      } else if (type == 1) {
        out.insert(out.end(), size, r.byte());
      } else if (type == 2) {
        block(r.take(size));
      } else
        bad("block type");
    }
    if (d & 4) r.le(4);
  }

 private:
  std::array<u64, 3> rep_{};
  HuffTable huff_;
  bool have_huff_ = false;
  FseTable ll_, of_, ml_;

  void block(Reader r) {
    Bytes lit = literals(r);
    sequences(r, lit);
  }

  Bytes literals(Reader& r) {
    u8 b0 = r.byte();
    int type = b0 & 3, fmt = (b0 >> 2) & 3;
    Bytes lit;
    if (type < 2) {  // raw / run-length
      size_t n;
      if ((fmt & 1) == 0)
        n = b0 >> 3;
      else if (fmt == 1)
        n = (b0 >> 4) | (r.le(1) << 4);
      else
        n = (b0 >> 4) | (r.le(2) << 4);
      if (type == 0) {
        Reader raw = r.take(n);
        lit.assign(raw.p, raw.end);
      } else
        lit.assign(n, r.byte());
      return lit;
    }
    int bits = fmt < 2 ? 10 : fmt == 2 ? 14 : 18, extra = fmt < 2 ? 2 : fmt == 2 ? 3 : 4;
    u64 h = (b0 >> 4) | (r.le(extra) << 4);
    size_t regen = h & ((1u << bits) - 1), comp = (h >> bits) & ((1u << bits) - 1);
    Reader s = r.take(comp);
    if (type == 2)
      huff_.read(s), have_huff_ = true;
    else if (!have_huff_)
      bad("treeless");
    if (fmt == 0) {
      huff_.decode(s, regen, lit);
    } else {
      size_t n[3];
      for (auto& x : n) x = s.le(2);
      size_t each = (regen + 3) / 4;
      for (size_t x : n) huff_.decode(s.take(x), each, lit);
      huff_.decode(s, regen - 3 * each, lit);
    }
    return lit;
  }

  static void table(Reader& r, int mode, FseTable& t, const std::vector<int>& norm, int def_log,
                    int max_log) {
    if (mode == 0)
      t.build(norm, def_log);
    else if (mode == 1)
      t.build_single(r.byte());
    else if (mode == 2)
      t.read(r, max_log);
  }

  void sequences(Reader& r, const Bytes& lit) {
    size_t n = r.byte(), at = 0;
    if (n >= 128) n = n == 255 ? r.le(2) + 0x7f00 : ((n - 128) << 8) + r.byte();
    if (n) {
      u8 modes = r.byte();
      table(r, modes >> 6, ll_, kLLNorm, 6, 9);
      table(r, (modes >> 4) & 3, of_, kOFNorm, 5, 8);
      table(r, (modes >> 2) & 3, ml_, kMLNorm, 6, 9);
      BackwardBits b(r);
      u32 sl = static_cast<u32>(b.get(ll_.log)), so = static_cast<u32>(b.get(of_.log)),
          sm = static_cast<u32>(b.get(ml_.log));
      for (size_t i = 0; i < n; ++i) {
        auto cl = ll_.cells.at(sl), co = of_.cells.at(so), cm = ml_.cells.at(sm);
        u64 ov = (1ull << co.symbol) + b.get(co.symbol);
        u64 ml = kMLBase[cm.symbol] + b.get(kMLBits[cm.symbol]);
        u64 ll = kLLBase[cl.symbol] + b.get(kLLBits[cl.symbol]);
        u64 offset = resolve_offset(ov, ll);
        if (at + ll > lit.size()) bad("literals overrun");
        out.insert(out.end(), lit.begin() + static_cast<long>(at),
                   lit.begin() + static_cast<long>(at + ll));
        at += ll;
        if (offset > out.size() || !offset) bad("offset");
        for (u64 k = 0; k < ml; ++k) out.push_back(out[out.size() - offset]);
        if (i + 1 < n) {
          sl = cl.base + static_cast<u32>(b.get(cl.bits));
          sm = cm.base + static_cast<u32>(b.get(cm.bits));
          so = co.base + static_cast<u32>(b.get(co.bits));
        }
      }
    }
    out.insert(out.end(), lit.begin() + static_cast<long>(at), lit.end());
  }

  u64 resolve_offset(u64 ov, u64 ll) {
    if (ov > 3) {
      rep_ = {ov - 3, rep_[0], rep_[1]};
      return rep_[0];
    }
    u64 idx = ov - 1 + (ll == 0);
    u64 off = idx < 3 ? rep_[idx] : rep_[0] - 1;
    if (idx == 1)
      rep_ = {off, rep_[0], rep_[2]};
    else if (idx >= 2)
      rep_ = {off, rep_[0], rep_[1]};
    return off;
  }
};

}  // namespace

std::vector<u8> zstd_decompress(const u8* src, std::size_t n, std::size_t out_size) {
  try {
    Zstd z;
    z.out.reserve(out_size);
    Reader r{src, src + n};
    while (z.out.size() < out_size && r.left() >= 4) z.frame(r);
    return z.out.size() >= out_size ? z.out : Bytes{};
  } catch (const std::exception&) {
    return {};
  }
}

std::vector<u8> lz4_decompress(const u8* src, std::size_t n, std::size_t out_size) {
  Bytes out;
  out.reserve(out_size);
  try {
    Reader r{src, src + n};
    auto length = [&](size_t nibble) {
      if (nibble == 15)
        for (u8 b = 255; b == 255;) nibble += b = r.byte();
      return nibble;
    };
    while (out.size() < out_size) {
      u8 token = r.byte();
      Reader lit = r.take(length(token >> 4));
      out.insert(out.end(), lit.p, lit.end);
      if (out.size() >= out_size || !r.left()) break;
      size_t offset = r.le(2), len = length(token & 15) + 4;
      if (!offset || offset > out.size()) return {};
      for (size_t i = 0; i < len; ++i) out.push_back(out[out.size() - offset]);
    }
  } catch (const std::exception&) {
    return {};
  }
  return out.size() == out_size ? out : Bytes{};
}

}  // namespace cudasim

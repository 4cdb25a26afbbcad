// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "fatbin.hpp"

#include <cstdint>
#include <cstring>

#include "ptx_types.hpp"
#include "decompress.hpp"

namespace cudasim {
namespace {

struct Wrapper {
  u32 magic, version;
  const void* data;
  const void* unused;
};
struct Header {
  u32 magic;
  u16 version, header_size;
  u64 size;
};
struct Entry {  // layout seen in nvcc output; 64 bytes, more may follow
  u16 kind, version;
  u32 header_size;
  u64 payload_size;
  u32 compressed_size, options;
  u16 minor, major;
  u32 arch;
  u32 name_offset, name_size;
  u64 flags, reserved, raw_size;
};
static_assert(sizeof(Entry) == 64);

constexpr u32 kWrapperMagic = 0x466243b1, kHeaderMagic = 0xba55ed50;
constexpr u64 kLz4 = 0x2000, kZstd = 0x8000;

}  // namespace

FatbinContents read_fatbin(const void* image) {
  FatbinContents out;
  u32 magic;
  std::memcpy(&magic, image, 4);
  if (magic == kWrapperMagic) image = static_cast<const Wrapper*>(image)->data;
  auto* base = static_cast<const u8*>(image);
  Header h;
  std::memcpy(&h, base, sizeof h);
  if (h.magic != kHeaderMagic) {
    out.problem = "not a fatbin (bad magic)";
    return out;
  }
  const u8 *p = base + h.header_size, *end = p + h.size;
  while (p + sizeof(Entry) <= end) {
    Entry e;
    std::memcpy(&e, p, sizeof e);
    const u8* payload = p + e.header_size;
    if (e.kind == 1) {
      PtxEntry x;
      x.arch = static_cast<int>(e.arch);
      if (e.flags & (kLz4 | kZstd)) {
        auto raw = (e.flags & kZstd) ? zstd_decompress(payload, e.compressed_size, e.raw_size)
                                     : lz4_decompress(payload, e.compressed_size, e.raw_size);
        if (raw.empty())
          out.problem =
              "a compressed PTX entry could not be unpacked; compile with -Xfatbin "
              "--compress-mode=none";
        x.text.assign(reinterpret_cast<const char*>(raw.data()), raw.size());
      } else {
        x.text.assign(reinterpret_cast<const char*>(payload), e.payload_size);
      }
      while (!x.text.empty() && x.text.back() == '\0') x.text.pop_back();
      if (!x.text.empty()) out.ptx.push_back(std::move(x));
    } else {
      out.sass_archs.push_back(static_cast<int>(e.arch));
    }
    p = payload + e.payload_size;
  }
  return out;
}

const PtxEntry* choose_ptx(const FatbinContents& f, int arch) {
  const PtxEntry* best = nullptr;
  for (auto& e : f.ptx)
    if (e.arch <= arch && (!best || e.arch > best->arch)) best = &e;
  return best;
}

}  // namespace cudasim

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "memory.hpp"

#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "environment.hpp"
#include "messages.hpp"

namespace cudasim {
namespace {

constexpr u64 kHalf = Memory::kArena / 2;
constexpr u64 kRedzone = 256;

u64 rounded(u64 size, bool host_visible) {
  u64 g = host_visible ? 4096 : u64{1} << Memory::kGranuleLog;
  return (size + kRedzone + g - 1) / g * g;
}

void* map(u64 size, int prot, int flags, int fd) {
  void* p = mmap(nullptr, size, prot, flags | MAP_NORESERVE, fd, 0);
  if (p == MAP_FAILED) {
    message("cannot reserve %llu bytes of address space", static_cast<unsigned long long>(size));
    std::abort();
  }
  return p;
}

}  // namespace

const char* mem_kind_name(MemKind k) {
  switch (k) {
    case MemKind::Device: return "device";
    case MemKind::Managed: return "managed";
    case MemKind::Pinned: return "pinned host";
    case MemKind::Global: return "__device__ variable";
    case MemKind::Constant: return "__constant__ variable";
    case MemKind::Registered: return "registered host";
  }
  return "?";
}

Memory& Memory::get() {
  static Memory* m = new Memory;  // never destroyed: used from exit handlers
  return *m;
}

Memory::Memory() {
  limit_ = static_cast<u64>(env_int("CUDASIM_MEM_MB", 8192)) << 20;
  limit_ = std::min(limit_, kHalf);
  fd_ = memfd_create("cudasim", MFD_CLOEXEC);
  if (fd_ < 0 || ftruncate(fd_, static_cast<off_t>(kArena)) != 0) {
    message("cannot create the device memory file");
    std::abort();
  }
  base_ = reinterpret_cast<u64>(map(kArena, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1));
  auto* real = map(kArena, PROT_READ | PROT_WRITE, MAP_SHARED, fd_);
  delta_ = static_cast<s64>(reinterpret_cast<u64>(real) - base_);
  mmap(reinterpret_cast<void*>(base_ + kHalf), kHalf, PROT_READ | PROT_WRITE,
       MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd_, static_cast<off_t>(kHalf));
  table_ = static_cast<u32*>(
      map((kArena >> kGranuleLog) * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1));
  if (env_flag("CUDASIM_INITCHECK"))
    init_ =
        static_cast<u8*>(map(kArena / 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1));
  bump_[0] = base_ + 4096;
  bump_[1] = base_ + kHalf;
}

u64 Memory::allocate(u64 size, MemKind kind, std::string label) {
  int half = kind == MemKind::Managed || kind == MemKind::Pinned;
  u64 need = rounded(size, half);
  if (used_ + size > limit_) return 0;
  u64 base = 0;
  if (auto it = reusable_[half].find(need); it != reusable_[half].end()) {
    base = it->second;
    reusable_[half].erase(it);
  } else {
    u64 end = base_ + (half ? kArena : kHalf);
    if (bump_[half] + need > end) return 0;
    base = bump_[half];
    bump_[half] += need;
  }
  Alloc a{base, size, allocs_.size() + 1, delta_, kind, true, std::move(label)};
  allocs_.push_back(std::move(a));
  u64 g0 = (base - base_) >> kGranuleLog, g1 = (base + need - base_) >> kGranuleLog;
  std::fill(table_ + g0, table_ + g1, static_cast<u32>(allocs_.size()));
  used_ += size;
  ++epoch_;
  // Fresh memory is not zero on a real device: make reliance on it visible.
  if (kind == MemKind::Device) std::memset(host(base), 0xcd, std::min<u64>(size, 16u << 20));
  if (init_) {
    std::memset(init_ + (base - base_) / 8, 0, need / 8);
    if (kind != MemKind::Device) mark_init(base, size);
  }
  return base;
}

Memory::FreeResult Memory::release(u64 addr) {
  auto* a = const_cast<Alloc*>(in_arena(addr) ? find(addr) : nullptr);
  if (!a || a->base != addr) return FreeResult::NotAnAllocation;
  if (!a->live) return FreeResult::DoubleFree;
  a->live = false;
  used_ -= a->size;
  ++epoch_;
  int half = a->kind == MemKind::Managed || a->kind == MemKind::Pinned;
  u64 first = (a->base + 4095) & ~4095ull, last = (a->base + a->size) & ~4095ull;
  if (last > first + 65536)
    fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(first - base_),
              static_cast<off_t>(last - first));
  quarantine_[half].push_back(static_cast<u32>(a->id));
  if (quarantine_[half].size() > 4096) {  // long-freed memory may be handed out again
    auto& old = allocs_[quarantine_[half].front() - 1];
    quarantine_[half].pop_front();
    reusable_[half].emplace(rounded(old.size, half), old.base);
  }
  return FreeResult::Ok;
}

void Memory::register_host(u64 addr, u64 size) {
  registered_[addr] = Alloc{addr, size, 0, 0, MemKind::Registered, true, {}};
  ++epoch_;
}
bool Memory::unregister_host(u64 addr) {
  ++epoch_;
  return registered_.erase(addr) != 0;
}
const Alloc* Memory::find_registered(u64 addr) const {
  auto it = registered_.upper_bound(addr);
  if (it == registered_.begin()) return nullptr;
  --it;
  return addr < it->second.end() ? &it->second : nullptr;
}

std::string Memory::describe(u64 addr) const {
  const Alloc* a = find(addr);
  if (!a && in_arena(addr))  // nearest allocation below
    for (u64 g = (addr - base_) >> kGranuleLog, n = 0; g && n < 65536 && !a; --g, ++n)
      if (table_[g]) a = &allocs_[table_[g] - 1];
  if (!a && in_arena(addr))  // nearest above
    for (u64 g = (addr - base_) >> kGranuleLog, n = 0;
         n < 65536 && g + 1 < (kArena >> kGranuleLog) && !a; ++g, ++n)
      if (table_[g]) a = &allocs_[table_[g] - 1];
  if (!a)
    return addr < 65536     ? "null pointer"
           : in_arena(addr) ? "no allocation nearby"
                            : "not device memory (a host pointer?)";
  std::string where =
      strf("%s allocation%s%s%s of %llu bytes at 0x%llx", mem_kind_name(a->kind),
           a->label.empty() ? "" : " '", a->label.c_str(), a->label.empty() ? "" : "'",
           static_cast<unsigned long long>(a->size), static_cast<unsigned long long>(a->base));
  if (!a->live) return strf("inside a freed %s", where.c_str());
  if (addr < a->base)
    return strf("%llu bytes before the %s", static_cast<unsigned long long>(a->base - addr),
                where.c_str());
  if (addr >= a->end())
    return strf("%llu bytes past the end of the %s",
                static_cast<unsigned long long>(addr - a->end()), where.c_str());
  return strf("%llu bytes into the %s", static_cast<unsigned long long>(addr - a->base),
              where.c_str());
}

void Memory::mark_init(u64 addr, u64 size) {
  if (!init_ || !in_arena(addr)) return;
  u64 b = addr - base_, e = b + size;
  for (; b < e && (b & 7); ++b) init_[b >> 3] |= static_cast<u8>(1u << (b & 7));
  if (e - b >= 8) std::memset(init_ + (b >> 3), 0xff, (e - b) >> 3), b += (e - b) & ~7ull;
  for (; b < e; ++b) init_[b >> 3] |= static_cast<u8>(1u << (b & 7));
}

bool Memory::is_init(u64 addr, u64 size) const {
  if (!init_ || !in_arena(addr)) return true;
  for (u64 b = addr - base_, e = b + size; b < e; ++b)
    if (!(init_[b >> 3] >> (b & 7) & 1)) return false;
  return true;
}

void Memory::copy_init(u64 dst, u64 src, u64 size) {
  if (!init_) return;
  for (u64 i = 0; i < size; ++i) {
    u64 b = dst + i - base_;
    if (!in_arena(dst + i)) continue;
    if (is_init(src + i, 1))
      init_[b >> 3] |= static_cast<u8>(1u << (b & 7));
    else
      init_[b >> 3] &= static_cast<u8>(~(1u << (b & 7)));
  }
}

}  // namespace cudasim

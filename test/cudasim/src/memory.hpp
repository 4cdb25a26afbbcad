// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Simulated device memory: one sparse arena seen through two mappings.
//
// Device addresses handed to the program lie in a range that is PROT_NONE for cudaMalloc memory (a
// host dereference faults, as on real hardware) and readable for managed/pinned memory. The
// simulator reaches the bytes through a second mapping of the same pages at a fixed distance
// (`delta`).
#pragma once
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "ptx_types.hpp"

namespace cudasim {

enum class MemKind : u8 { Device, Managed, Pinned, Global, Constant, Registered };
const char* mem_kind_name(MemKind k);

struct Alloc {
  u64 base = 0, size = 0;
  u64 id = 0;
  s64 delta = 0;  // simulator address = base + delta
  MemKind kind = MemKind::Device;
  bool live = false;
  std::string label;
  u64 end() const { return base + size; }
};

class Memory {
 public:
  static Memory& get();

  /// Returns 0 when out of memory.
  u64 allocate(u64 size, MemKind kind, std::string label = {});
  enum class FreeResult { Ok, NotAnAllocation, DoubleFree };
  FreeResult release(u64 addr);
  void register_host(u64 addr, u64 size);
  bool unregister_host(u64 addr);

  /// Allocation whose granule holds `addr` (live or freed), or null.
  const Alloc* find(u64 addr) const {
    u64 off = addr - base_;
    if (off < kArena) {
      u32 i = table_[off >> kGranuleLog];
      return i ? &allocs_[i - 1] : nullptr;
    }
    return registered_.empty() ? nullptr : find_registered(addr);
  }
  bool in_arena(u64 addr) const { return addr - base_ < kArena; }
  /// Simulator-side pointer for a program-side address (identity outside the arena).
  u8* host(u64 addr) const { return reinterpret_cast<u8*>(in_arena(addr) ? addr + delta_ : addr); }

  /// "64 bytes past the end of allocation #3 (400 bytes at 0x..)": for reports.
  std::string describe(u64 addr) const;

  // Initialisation shadow (CUDASIM_INITCHECK): one bit per byte of the arena.
  bool init_tracking() const { return init_ != nullptr; }
  void mark_init(u64 addr, u64 size);
  bool is_init(u64 addr, u64 size) const;
  void copy_init(u64 dst, u64 src, u64 size);

  u64 total() const { return limit_; }
  u64 used() const { return used_; }
  const std::deque<Alloc>& all() const { return allocs_; }
  u64 arena_base() const { return base_; }
  u32 epoch() const { return epoch_; }  // changes whenever the set of live allocations does

  static constexpr u64 kArena = 32ull << 30;
  static constexpr int kGranuleLog = 8;

 private:
  Memory();
  const Alloc* find_registered(u64 addr) const;
  u64 base_ = 0;
  s64 delta_ = 0;
  int fd_ = -1;
  u32* table_ = nullptr;
  u8* init_ = nullptr;
  u64 limit_ = 0, used_ = 0;
  u64 bump_[2] = {};  // device half, host-visible half
  u32 epoch_ = 1;
  std::deque<Alloc> allocs_;
  std::deque<u32> quarantine_[2];        // freed, not yet reusable
  std::multimap<u64, u64> reusable_[2];  // rounded size -> base
  std::map<u64, Alloc> registered_;
};

}  // namespace cudasim

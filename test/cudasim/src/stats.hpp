// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Per-kernel counters written to $CUDASIM_STATS.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "engine.hpp"

namespace cudasim {

struct MemCounters {
  u64 requests = 0, bytes = 0, sectors = 0, unique_sectors = 0;
};

struct KernelStats {
  std::string name;
  u32 grid[3] = {}, block[3] = {};
  u64 launches = 0;
  u64 warp[static_cast<int>(Cls::Count)] = {}, thread[static_cast<int>(Cls::Count)] = {};
  MemCounters load, store;
  u64 shared_requests = 0, shared_wavefronts = 0, shared_extra_wavefronts = 0;
  u64 atomics = 0, barriers = 0, max_groups = 1, mma_flops = 0;

  /// One warp-wide global access: `size` bytes at addr[i] for every lane in m.
  void global_access(const u64* addr, u32 m, u32 size, bool store);
  void shared_access(const u64* off, u32 m, u32 size);
  /// Fold in the per-instruction counts and the touched-sector maps of the finished launch.
  void launch_done(Program& p);
};

namespace stats {
bool enabled();
KernelStats& for_kernel(const std::string& name, const u32 grid[3], const u32 block[3]);
void write();
}  // namespace stats

}  // namespace cudasim

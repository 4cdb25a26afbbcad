// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "stats.hpp"

#include <bit>
#include <cstdlib>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "messages.hpp"

namespace cudasim {
namespace {

/// Which 32-byte sectors of the arena were touched during the current launch.
class SectorMap {
 public:
  SectorMap() {
    words_ = static_cast<u64*>(mmap(nullptr, Memory::kArena / 32 / 8, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  }
  void touch(u64 sector) {
    u64 rel = sector - (Memory::get().arena_base() >> 5);
    if (rel >= Memory::kArena / 32) return;
    u64& w = words_[rel >> 6];
    if (!w) used_.push_back(rel >> 6);
    u64 bit = 1ull << (rel & 63);
    count_ += !(w & bit);
    w |= bit;
  }
  u64 drain() {
    for (u64 i : used_) words_[i] = 0;
    used_.clear();
    return std::exchange(count_, 0);
  }

 private:
  u64* words_;
  std::vector<u64> used_;
  u64 count_ = 0;
};

SectorMap& sector_map(bool store) {
  static SectorMap maps[2];
  return maps[store];
}

const char* const kClassNames[] = {"int",  "fp32",   "fp64",    "fp16", "special", "tensor",
                                   "ldst", "atomic", "control", "sync", "move"};

std::vector<std::unique_ptr<KernelStats>>& table() {
  static auto* t = new std::vector<std::unique_ptr<KernelStats>>;
  return *t;
}

std::string escape(const std::string& s) {
  std::string o;
  for (char c : s) {
    if (c == '"' || c == '\\') o += '\\';
    o += c;
  }
  return o;
}

}  // namespace

void KernelStats::global_access(const u64* addr, u32 m, u32 size, bool is_store) {
  MemCounters& c = is_store ? store : load;
  ++c.requests;
  c.bytes += u64{size} * static_cast<u64>(std::popcount(m));
  u64 sectors[kWarp * 2];
  int n = 0;
  for (u32 k = m; k; k &= k - 1) {
    u64 a = addr[std::countr_zero(k)];
    sectors[n++] = a >> 5;
    if ((a + size - 1) >> 5 != a >> 5) sectors[n++] = (a + size - 1) >> 5;
  }
  std::sort(sectors, sectors + n);
  n = static_cast<int>(std::unique(sectors, sectors + n) - sectors);
  c.sectors += static_cast<u64>(n);
  auto& map = sector_map(is_store);
  for (int i = 0; i < n; ++i) map.touch(sectors[i]);
}

/// Lanes are served 32 / 16 / 8 at a time for 4 / 8 / 16-byte accesses; a bank delivers one 4-byte
/// word per wavefront (lanes reading the same word share it).
void KernelStats::shared_access(const u64* off, u32 m, u32 size) {
  ++shared_requests;
  int per = size <= 4 ? 32 : size <= 8 ? 16 : 8;
  for (int first = 0; first < kWarp; first += per) {
    u32 part = per == 32 ? m : m & (((1u << per) - 1) << first);
    if (!part) continue;
    u64 words[kWarp * 4];
    int n = 0;
    for (u32 k = part; k; k &= k - 1)
      for (u32 b = 0; b < std::max(size, 4u); b += 4)
        words[n++] = (off[std::countr_zero(k)] + b) >> 2;
    std::sort(words, words + n);
    n = static_cast<int>(std::unique(words, words + n) - words);
    u8 banks[32] = {};
    u8 worst = 0;
    for (int i = 0; i < n; ++i) worst = std::max(worst, ++banks[words[i] & 31]);
    shared_wavefronts += worst;
    shared_extra_wavefronts += worst - 1u;
  }
}

void KernelStats::launch_done(Program& p) {
  for (size_t i = 0; i < p.exec_warp.size(); ++i) {
    int c = static_cast<int>(p.code[i].cls);
    warp[c] += p.exec_warp[i];
    thread[c] += p.exec_thread[i];
    p.exec_warp[i] = p.exec_thread[i] = 0;
  }
  load.unique_sectors += sector_map(false).drain();
  store.unique_sectors += sector_map(true).drain();
}

namespace stats {

bool enabled() {
  static const bool on = std::getenv("CUDASIM_STATS") && *std::getenv("CUDASIM_STATS");
  return on;
}

KernelStats& for_kernel(const std::string& name, const u32 grid[3], const u32 block[3]) {
  for (auto& k : table())
    if (k->name == name && std::equal(grid, grid + 3, k->grid) &&
        std::equal(block, block + 3, k->block))
      return *k;
  auto k = std::make_unique<KernelStats>();
  k->name = name;
  std::copy(grid, grid + 3, k->grid);
  std::copy(block, block + 3, k->block);
  table().push_back(std::move(k));
  return *table().back();
}

void write() {
  if (!enabled()) return;
  std::FILE* f = std::fopen(std::getenv("CUDASIM_STATS"), "w");
  if (!f) {
    message("cannot write %s", std::getenv("CUDASIM_STATS"));
    return;
  }
  auto ull = [](u64 v) { return static_cast<unsigned long long>(v); };
  auto mem = [&](const char* name, const MemCounters& c) {
    std::fprintf(
        f,
        "    \"%s\": {\"requests\": %llu, \"bytes_requested\": %llu, \"sectors\": %llu, "
        "\"sectors_per_request\": %.3f, \"unique_sectors\": %llu, \"unique_bytes\": %llu},\n",
        name, ull(c.requests), ull(c.bytes), ull(c.sectors),
        c.requests ? static_cast<double>(c.sectors) / static_cast<double>(c.requests) : 0.0,
        ull(c.unique_sectors), ull(c.unique_sectors * 32));
  };
  std::fprintf(f, "{\"arch\": %d, \"kernels\": [\n", Device::get().arch);
  for (size_t i = 0; i < table().size(); ++i) {
    const KernelStats& k = *table()[i];
    std::fprintf(f,
                 "  {\"name\": \"%s\",\n    \"grid\": [%u, %u, %u], \"block\": [%u, %u, %u], "
                 "\"launches\": %llu,\n",
                 escape(k.name).c_str(), k.grid[0], k.grid[1], k.grid[2], k.block[0], k.block[1],
                 k.block[2], ull(k.launches));
    for (int pass = 0; pass < 2; ++pass) {
      const u64* v = pass ? k.thread : k.warp;
      u64 sum = 0;
      std::fprintf(f, "    \"%s_instructions\": {", pass ? "thread" : "warp");
      for (int c = 0; c < static_cast<int>(Cls::Count); ++c)
        std::fprintf(f, "\"%s\": %llu, ", kClassNames[c], ull(v[c])), sum += v[c];
      std::fprintf(f, "\"total\": %llu},\n", ull(sum));
    }
    mem("global_load", k.load);
    mem("global_store", k.store);
    std::fprintf(f,
                 "    \"shared\": {\"requests\": %llu, \"wavefronts\": %llu, "
                 "\"bank_conflict_wavefronts\": %llu},\n",
                 ull(k.shared_requests), ull(k.shared_wavefronts), ull(k.shared_extra_wavefronts));
    std::fprintf(f,
                 "    \"atomics\": %llu, \"barriers\": %llu, \"max_divergence\": %llu, "
                 "\"mma_flops\": %llu}%s\n",
                 ull(k.atomics), ull(k.barriers), ull(k.max_groups), ull(k.mma_flops),
                 i + 1 < table().size() ? "," : "");
  }
  std::fprintf(f, "]}\n");
  std::fclose(f);
}

}  // namespace stats
}  // namespace cudasim

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "checks.hpp"

#include <unistd.h>

#include <cstdio>
#include <map>
#include <set>

#include "environment.hpp"
#include "messages.hpp"

namespace cudasim::checks {
namespace {
int reports = 0;
std::map<std::pair<const ptx::Stmt*, std::string>, u64> seen;
}  // namespace

int count() { return reports; }

std::string where(const Warp& w, const Insn& I, int lane) {
  const ptx::Module& m = *w.prog->kernel->module;
  std::string s = strf("  in kernel %s\n", w.grid->name.c_str());
  if (I.stmt) {
    auto text = m.line_text(I.stmt->line);
    s += strf("  at PTX line %u: %.*s\n", I.stmt->line, static_cast<int>(text.size()), text.data());
    if (I.stmt->src_line)
      s += strf("  at %s:%u\n",
                I.stmt->src_file < m.files.size() ? m.files[I.stmt->src_file].c_str() : "?",
                I.stmt->src_line);
  }
  if (w.frame && w.frame->fn && w.frame->depth > 0)
    s += "  in function " + demangle(std::string(w.frame->fn->fn->name)) + "\n";
  if (lane >= 0)
    s += strf("  thread (%u,%u,%u) block (%u,%u,%u)\n", w.tid[0][lane], w.tid[1][lane],
              w.tid[2][lane], w.block->idx[0], w.block->idx[1], w.block->idx[2]);
  return s;
}

void report(const Warp& w, const Insn& I, int lane, const char* title, const std::string& detail) {
  ++reports;
  if (++seen[{I.stmt, title}] > 1) return;
  std::string text = strf("%s\n%s", title, where(w, I, lane).c_str());
  if (!detail.empty()) text += "  " + detail + "\n";
  text.pop_back();
  message("ERROR: %s", text.c_str());
}

void report(const std::string& title, const std::string& detail) {
  ++reports;
  message("ERROR: %s%s%s", title.c_str(), detail.empty() ? "" : "\n  ", detail.c_str());
}

void race_access(Warp& w, const Insn& I, int lane, u32 off, u32 size, bool write, bool atomic) {
  Block& b = *w.block;
  u16 me = static_cast<u16>(w.id * kWarp + static_cast<u32>(lane));
  for (u32 i = off; i < off + size && i < b.race.size(); ++i) {
    RaceCell& c = b.race[i];
    if (c.epoch != b.epoch) c = RaceCell{}, c.epoch = b.epoch;
    auto conflict = [&](u16 other, u32 other_sync) {
      if (other == 0xffff || other == me) return false;
      return other / kWarp != w.id ||
             other_sync == w.sync_epoch;  // same warp: ordered by a warp-level sync
    };
    const char* kind = nullptr;
    u16 other = c.writer;
    if (conflict(c.writer, c.wsync) && !(atomic && c.watomic))
      kind = write ? "write after write" : "read after write";
    else if (write && c.many_readers && c.reader / kWarp != w.id)
      kind = "write after read", other = c.reader;
    else if (write && conflict(c.reader, c.rsync) && !(atomic && c.watomic))
      kind = "write after read", other = c.reader;
    if (kind) {
      report(w, I, lane, strf("Shared memory race (%s)", kind).c_str(),
             strf("shared offset 0x%x, other thread %u (linear in block), no barrier in between", i,
                  other));
      return;
    }
    if (write)
      c.writer = me, c.wsync = w.sync_epoch, c.watomic = atomic;
    else {
      if (c.reader != 0xffff && c.reader / kWarp != w.id) c.many_readers = true;
      c.reader = me, c.rsync = w.sync_epoch;
    }
  }
}

void at_exit() {
  if (env_flag("CUDASIM_LEAKCHECK")) {
    u64 n = 0, bytes = 0;
    for (auto& a : Memory::get().all())
      if (a.live && a.kind != MemKind::Global && a.kind != MemKind::Constant) {
        if (n < 10)
          message("leak: %s allocation #%llu of %llu bytes at 0x%llx", mem_kind_name(a.kind),
                  static_cast<unsigned long long>(a.id), static_cast<unsigned long long>(a.size),
                  static_cast<unsigned long long>(a.base));
        ++n, bytes += a.size;
      }
    if (n)
      report("Memory leak",
             strf("%llu allocations, %llu bytes not freed", static_cast<unsigned long long>(n),
                  static_cast<unsigned long long>(bytes)));
  }
  for (auto& [key, n] : seen)
    if (n > 1)
      message("note: '%s' at PTX line %u was reported %llu times", key.second.c_str(),
              key.first ? key.first->line : 0, static_cast<unsigned long long>(n));
  if (reports) {
    message("%d error report(s)", reports);
    if (env_flag("CUDASIM_STRICT")) {
      std::fflush(nullptr);
      _exit(86);
    }
  }
}

}  // namespace cudasim::checks

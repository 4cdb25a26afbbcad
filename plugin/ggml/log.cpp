// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "log.hpp"

#include <atomic>
#include <cstdio>
#include <map>
#include <mutex>
#include <set>

#include "settings.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/pack/element_kind.hpp"

namespace sparsellm_ggml {

using sparsellm::concat;

namespace {

struct group {
  std::size_t weights = 0, bytes = 0, bytes_before = 0;
};
struct record {
  std::mutex mutex;
  std::atomic<bool> news{false};
  std::map<std::string, group> taken;          // by format
  std::map<std::string, std::size_t> refused;  // by reason
  std::set<std::string, std::less<>> names;    // of what was refused
  double seconds = 0;
};
record& the_record() {
  static record r;
  return r;
}

std::string mebibytes(std::size_t bytes) { return concat((bytes + (1u << 19)) >> 20, " MiB"); }

}  // namespace

void say(std::string_view line) {
  if (the_settings().log == log_level::quiet) return;
  std::fprintf(stderr, "sparsellm: %.*s\n", static_cast<int>(line.size()), line.data());
}

void packed(std::string_view tensor, sparsellm::weight_format format, std::size_t bytes_before,
            std::size_t bytes, double seconds) {
  std::string as = concat(name(format.element), " as ", name(format.layout));
  if (format.pattern.n != 0) as += concat(" ", format.pattern.n, ":", format.pattern.m);
  if (the_settings().log == log_level::tensors)
    say(concat(tensor, ": ", as, ", ", bytes_before, " bytes became ", bytes));
  record& r = the_record();
  const std::lock_guard lock(r.mutex);
  group& g = r.taken[as];
  ++g.weights;
  g.bytes += bytes;
  g.bytes_before += bytes_before;
  r.seconds += seconds;
  r.news = true;
}

void left(std::string_view tensor, std::string_view why) {
  record& r = the_record();
  {
    const std::lock_guard lock(r.mutex);
    if (!r.names.insert(std::string(tensor)).second) return;
    ++r.refused[std::string(why)];
    r.news = true;
  }
  if (the_settings().log == log_level::tensors) say(concat(tensor, ": left to ggml: ", why));
}

void summarise() {
  record& r = the_record();
  if (!r.news.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(r.mutex);
  if (!r.news.exchange(false)) return;
  std::size_t bytes = 0, before = 0;
  for (const auto& [as, g] : r.taken) {
    say(concat("packed ", g.weights, " x ", as, ", ", mebibytes(g.bytes)));
    bytes += g.bytes;
    before += g.bytes_before;
  }
  if (bytes != 0)
    say(concat(mebibytes(before), " of weights became ", mebibytes(bytes), " in ", r.seconds,
               " s of packing"));
  for (const auto& [why, weights] : r.refused) say(concat("left to ggml ", weights, " x ", why));
  r.taken.clear();
  r.refused.clear();
  r.seconds = 0;
}

}  // namespace sparsellm_ggml

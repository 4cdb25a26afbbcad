// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// One line, rewritten in place on a terminal and written now and then elsewhere.
#include "commands/terminal.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <memory>

#include "commands/commands.hpp"

namespace llama {

namespace {

std::atomic<int> came{0};  // the signal; 0: none
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler sets it");

struct line {
  std::string what;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now(), last = start;
  bool shown = false;
};

// ", 3 min left", from the time that `share` of the work took; nothing where that says little yet.
std::string left(std::chrono::steady_clock::duration taken, double share) {
  if (!(share >= 0.02 && share < 1)) return {};
  const double seconds = std::chrono::duration<double>(taken).count() * (1 - share) / share;
  if (seconds < 100) return ", " + std::to_string(std::lround(seconds)) + " s left";
  return ", " + std::to_string(std::lround(seconds / 60)) + " min left";
}

}  // namespace

void watch_for_interrupts() {
  for (const int signal : {SIGINT, SIGTERM})
    std::signal(signal, [](int s) {
      came = s;
      std::signal(s, SIG_DFL);  // a second one ends the program at once
    });
}

int interrupted_status() { return 128 + came; }

void stop_if_interrupted() {
  if (came != 0) throw interrupted("interrupted; nothing was written");
}

progress show_progress(std::string what) {
  auto state = std::make_shared<line>();
  state->what = std::move(what);
  return [state](double share) {
    stop_if_interrupted();
    using namespace std::chrono_literals;
    const auto now = std::chrono::steady_clock::now();
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    const bool done = share >= 1.0;
    if (now - state->start < 2s) return;
    if (!done && now - state->last < (terminal ? 100ms : 5000ms)) return;
    state->last = now;
    state->shown = true;
    std::fprintf(stderr, terminal ? "\r%s … %3.0f %%%s\033[K" : "%s … %3.0f %%%s\n",
                 state->what.c_str(), 100 * share, left(now - state->start, share).c_str());
    if (done && terminal) std::fprintf(stderr, "\r\033[K");
    std::fflush(stderr);
  };
}

}  // namespace llama

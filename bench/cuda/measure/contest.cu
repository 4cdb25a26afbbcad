// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
#include "cuda/measure/contest.cuh"

#include <algorithm>
#include <cmath>

#include "sparsellm/core/error.hpp"

namespace bench {
namespace {

// Of sorted numbers, the one that a share of them does not exceed.
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(std::lround(at))];
}

bool is_of(const contender& c, const char* library) { return c.name.rfind(library, 0) == 0; }

}  // namespace

repeated_steps::repeated_steps(environment& env, const contender& what)
    : env_(env), what_(what), timer_(env.exec.stream()) {
  for (std::size_t i = 0; i < what.copies; ++i) what.step(i);  // grows scratch, loads kernels
  env.exec.wait();
  capture(what.copies);
  const double once = std::max(std::min(run(), run()), 1e-9);
  const double passes = std::ceil(env.least_graph_seconds / (once * static_cast<double>(steps_)));
  constexpr double most_steps = 4000;
  const double most = std::max(1.0, most_steps / static_cast<double>(what.copies));
  if (passes > 1) capture(what.copies * static_cast<std::size_t>(std::min(passes, most)));
}

void repeated_steps::capture(std::size_t steps) {
  steps_ = steps;
  graph_.reset();
  if (what_.launched) return;
  graph_ = std::make_unique<timed_graph>(env_.exec.stream(), [&] {
    for (std::size_t i = 0; i < steps_; ++i) what_.step(i % what_.copies);
  });
}

double repeated_steps::run() {
  const double seconds = graph_ ? graph_->run() : timer_.run([&] {
    for (std::size_t i = 0; i < steps_; ++i) what_.step(i % what_.copies);
  });
  return seconds / static_cast<double>(steps_);
}

void choose_fastest(environment& env, cuda_peer& peer, const contender& what) {
  std::size_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t a = 0; a < peer.algorithms(); ++a) {
    try {
      peer.choose(a);
      repeated_steps loop(env, what);
      double seconds = std::numeric_limits<double>::infinity();
      for (int i = 0; i < 3; ++i) seconds = std::min(seconds, loop.run());
      if (seconds < least) least = seconds, best = a;
    } catch (const sparsellm::error&) {
      continue;  // not one that can be captured
    }
  }
  peer.choose(best);
}

struct contest::entry {
  const contender& what;
  std::unique_ptr<repeated_steps> loop;
  std::vector<double> seconds;
};

void contest::add(const std::string& name, const std::function<contender()>& make) {
  try {
    contenders_.push_back(make());
    contenders_.back().name = name;
  } catch (const std::exception& e) {
    report_failure(part_, name, e.what());
  }
}

void contest::add_peer(const char* name, std::unique_ptr<cuda_peer> (*make)()) {
  if (!env_.peers) return;
  add(name, [&] {
    const std::shared_ptr<cuda_peer> peer = make();
    const bool floats_out = peer->name().rfind("cublaslt", 0) == 0;
    contender c;
    c.bytes = peer->bytes(shape_) + 2.0 * static_cast<double>(tokens_ * shape_.inputs) +
              (floats_out ? 4.0 : 2.0) * static_cast<double>(tokens_ * shape_.outputs);
    c.copies = env_.copies(peer->bytes(shape_));
    peer->prepare(shape_, tokens_, c.copies, env_.exec.stream());
    c.step = [&env = env_, p = peer.get()](std::size_t i) { p->run(i, env.exec.stream()); };
    c.owns = peer;
    choose_fastest(env_, *peer, c);
    return c;
  });
}
void contest::add_cublaslt() { add_peer("cublaslt/bf16", make_cublaslt); }
void contest::add_cusparselt() {
  if (tokens_ % 8 == 0) add_peer("cusparselt/bf16/2:4", make_cusparselt);
}

void contest::run() {
  std::vector<entry> entries;
  for (const contender& c : contenders_) {
    try {
      entries.push_back({c, std::make_unique<repeated_steps>(env_, c), {}});
    } catch (const std::exception& e) {
      report_failure(part_, c.name, e.what());
    }
  }
  try {
    double warm = 0;
    do {
      for (entry& e : entries) warm += e.loop->run() * static_cast<double>(e.loop->steps());
    } while (!entries.empty() && warm < env_.warm_up_seconds);
    for (std::size_t round = 0; round < env_.rounds; ++round)
      for (entry& e : entries) e.seconds.push_back(e.loop->run());
  } catch (const std::exception& e) {
    return report_failure(part_, name(shape_), e.what());
  }
  double cublaslt = unknown, cusparselt = unknown;
  for (entry& e : entries) {
    std::sort(e.seconds.begin(), e.seconds.end());
    if (is_of(e.what, "cublaslt")) cublaslt = std::fmin(cublaslt, quantile(e.seconds, 0.5));
    if (is_of(e.what, "cusparselt")) cusparselt = quantile(e.seconds, 0.5);
  }
  for (const entry& e : entries) print(e, cublaslt, cusparselt);
}

void contest::print(const entry& of, double cublaslt, double cusparselt) const {
  const double median = quantile(of.seconds, 0.5);
  line row("row");
  row.text("part", part_).text("name", of.what.name).text("shape", name(shape_));
  row.count("outputs", shape_.outputs).count("inputs", shape_.inputs).count("tokens", tokens_);
  row.number("sparsity", of.what.sparsity).number("skipped", of.what.skipped);
  row.number("median_us", 1e6 * median).number("p10_us", 1e6 * quantile(of.seconds, 0.1));
  row.number("p90_us", 1e6 * quantile(of.seconds, 0.9));
  row.number("bytes", of.what.bytes).number("gb_per_s", 1e-9 * of.what.bytes / median);
  row.number("share_of_copy", of.what.bytes / median / env_.copied_per_second);
  // What a batch is bound by; of the dense product.
  if (tokens_ > 8)
    row.number("dense_tflops", 2e-12 * static_cast<double>(shape_.outputs) *
                                   static_cast<double>(shape_.inputs) *
                                   static_cast<double>(tokens_) / median);
  if (std::isfinite(cublaslt)) row.number("over_cublaslt", cublaslt / median);
  if (std::isfinite(cusparselt)) row.number("over_cusparselt", cusparselt / median);
  if (std::isfinite(of.what.error)) row.number("error", of.what.error);
  row.count("steps", of.loop->steps()).count("rounds", of.seconds.size());
  env_.card.sign(row);
  row.print();
}

}  // namespace bench

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "machine.hpp"

#include <memory>
#include <string>
#include <vector>

#include "activations.hpp"
#include "peers/peers.hpp"
#include "sparsellm/core/buffer.hpp"

namespace bench {
namespace {

void read_bandwidth(benchmark::State& state) {
  static const sparsellm::buffer<float> memory(std::size_t{64} << 20, 1.0f);  // 256 MiB
  const std::size_t threads = pool().concurrency();
  for (auto _ : state) {
    std::vector<float> sums(threads * 16);
    pool().parallel_for(threads, [&](std::size_t t) {
      // Many sums: the loop is bound by memory, at any instruction set.
      float s[64] = {};
      const std::size_t first = memory.size() / threads * t, last = first + memory.size() / threads;
      for (std::size_t i = first; i + 64 <= last; i += 64)
        for (std::size_t k = 0; k < 64; ++k) s[k] += memory[i + k];
      for (const float v : s) sums[t * 16] += v;
    });
    benchmark::DoNotOptimize(sums.data());
  }
  set_bytes(state, static_cast<double>(memory.size()) * 4);
}

void fork_join(benchmark::State& state) {
  for (auto _ : state) pool().parallel_for(pool().concurrency(), [](std::size_t) {});
}

void run_peer(benchmark::State& state, const std::shared_ptr<peer_gemv>& peer, projection p) {
  peer->prepare(p.shape, pool().concurrency());
  const std::vector<float> x = activations(p.shape.inputs, p.input, 0);
  std::vector<float> y(p.shape.outputs);
  for (auto _ : state) {
    peer->run(x.data(), y.data());
    benchmark::DoNotOptimize(y.data());
  }
  set_bytes(state, peer->bytes(p.shape));
}

}  // namespace

sparsellm::cpu::executor& pool() {
  static sparsellm::cpu::executor exec;
  return exec;
}

void register_machine() {
  benchmark::RegisterBenchmark("read_bandwidth", read_bandwidth)->UseRealTime();
  benchmark::RegisterBenchmark("fork_join", fork_join)->UseRealTime();
}

void register_peers(const std::string& prefix, const projection& p) {
  for (const auto& other : peers())
    benchmark::RegisterBenchmark((prefix + other->name() + "/" + name(p.shape)).c_str(), run_peer,
                                 other, p)
        ->UseRealTime();
}

void set_bytes(benchmark::State& state, double bytes) {
  state.SetBytesProcessed(
      static_cast<std::int64_t>(bytes * static_cast<double>(state.iterations())));
}

void add_context() {
  benchmark::AddCustomContext("instruction_set",
                              std::string(sparsellm::cpu::name(pool().instruction_set())));
  benchmark::AddCustomContext("threads", std::to_string(pool().concurrency()));
  benchmark::AddCustomContext("activations", activation_source());
  for (const auto& p : peers()) benchmark::AddCustomContext(p->name(), p->version());
}

const projection& begin(int& argc, char** argv) {
  const std::size_t which = take_projection(argc, argv);
  take_histograms(argc, argv);
  register_machine();
  return projections[which];
}

void run(int argc, char** argv, const projection& p) {
  add_context();
  benchmark::AddCustomContext("model", p.model);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}

}  // namespace bench

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// One token against one weight: our formats, sparsities, and the peers that are installed, in one
// process and interleaved (script/bench passes --benchmark_enable_random_interleaving). The first
// two entries say what the machine shows: its read bandwidth and the time of a fork and join.
//
//   gemv/channel_major/bf16/4096x4096/s=0.50    counters: bytes_per_second of weights that must be
//   read
#include <benchmark/benchmark.h>

#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "peers/peers.hpp"
#include "shapes.hpp"
#include "sparsellm/sparsellm.hpp"

namespace {

using namespace sparsellm;

cpu::executor& pool() {
  static cpu::executor exec;
  return exec;
}

std::vector<float> activations(std::size_t n) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

// The threshold that skips a share of x, exactly.
float threshold_for(std::vector<float> x, double sparsity) {
  if (sparsity == 0.0) return -1.0f;
  for (float& v : x) v = std::fabs(v);
  const auto at = static_cast<std::ptrdiff_t>(sparsity * static_cast<double>(x.size()));
  std::nth_element(x.begin(), x.begin() + at, x.end());
  return x[static_cast<std::size_t>(at)];
}

void set_bytes(benchmark::State& state, double bytes) {
  state.SetBytesProcessed(
      static_cast<std::int64_t>(bytes * static_cast<double>(state.iterations())));
}

void read_bandwidth(benchmark::State& state) {
  static const buffer<float> memory(std::size_t{64} << 20, 1.0f);  // 256 MiB
  const std::size_t threads = pool().concurrency();
  for (auto _ : state) {
    std::vector<float> sums(threads * 16);
    pool().parallel_for(threads, [&](std::size_t t) {
      // Sixteen sums: the loop is bound by memory, at any instruction set.
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

template <packed_format F>
void gemv(benchmark::State& state, extents shape, double sparsity) {
  static std::vector<packed_matrix<F>> weights;
  static extents packed{};
  if (!(packed == shape)) {
    weights.clear();
    for (std::size_t i = 0; i < bench::rotation(F::bytes(shape)); ++i)
      weights.push_back(pack<F>(pool(), shape, bench::fill_row));
    packed = shape;
  }
  const std::vector<float> x = activations(shape.inputs);
  std::vector<float> y(shape.outputs);
  const sparsifier s{magnitude{}, above{threshold_for(x, sparsity)}};
  std::size_t at = 0;
  for (auto _ : state) {
    if (sparsity == 0.0)
      multiply(pool(), weights[at], x, y);
    else
      multiply(pool(), weights[at], s, x, y);
    at = (at + 1) % weights.size();
    benchmark::DoNotOptimize(y.data());
  }
  set_bytes(state, static_cast<double>(F::bytes(shape)) * (1.0 - sparsity));
}

void peer(benchmark::State& state, const std::shared_ptr<bench::peer_gemv>& p, extents shape) {
  p->prepare(shape, pool().concurrency());
  const std::vector<float> x = activations(shape.inputs);
  std::vector<float> y(shape.outputs);
  for (auto _ : state) {
    p->run(x.data(), y.data());
    benchmark::DoNotOptimize(y.data());
  }
  set_bytes(state, static_cast<double>(shape.outputs * shape.inputs * p->scalar_bytes()));
}

template <packed_format F>
void add(extents shape, double sparsity) {
  char level[16];
  std::snprintf(level, sizeof level, "/s=%.2f", sparsity);
  const std::string name = "gemv/" + std::string(F::name) + "/" +
                           std::string(scalar_name<typename F::value_type>) + "/" +
                           bench::name(shape) + level;
  benchmark::RegisterBenchmark(name.c_str(), gemv<F>, shape, sparsity)->UseRealTime();
}

}  // namespace

int main(int argc, char** argv) {
  // --shape=N: which of bench::shapes; one a process, so that all of its weights fit memory.
  std::size_t which = 0;
  for (int i = 1; i < argc; ++i)
    if (std::string(argv[i]).rfind("--shape=", 0) == 0)
      which = static_cast<std::size_t>(std::stoul(std::string(argv[i]).substr(8)));
  if (which >= bench::shapes.size()) {
    std::fprintf(stderr, "--shape: 0 to %zu expected\n", bench::shapes.size() - 1);
    return 2;
  }
  const extents shape = bench::shapes[which];
  benchmark::RegisterBenchmark("read_bandwidth", read_bandwidth)->UseRealTime();
  benchmark::RegisterBenchmark("fork_join", fork_join)->UseRealTime();
  add<panel<bfloat16>>(shape, 0.0);
  for (const double s : {0.0, 0.25, 0.4, 0.5, 0.65}) add<channel_major<bfloat16>>(shape, s);
  add<row_major<bfloat16>>(shape, 0.0);
  for (const auto& p : bench::peers())
    benchmark::RegisterBenchmark(("gemv/" + p->name() + "/" + bench::name(shape)).c_str(), peer, p,
                                 shape)
        ->UseRealTime();
  argc = static_cast<int>(
      std::remove_if(argv, argv + argc,
                     [](const char* a) { return std::string(a).rfind("--shape=", 0) == 0; }) -
      argv);
  benchmark::AddCustomContext("instruction_set", std::string(cpu::name(pool().instruction_set())));
  benchmark::AddCustomContext("threads", std::to_string(pool().concurrency()));
  for (const auto& p : bench::peers()) benchmark::AddCustomContext(p->name(), p->version());
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Times what runs on a stream: each step uses one copy of the weight, more copies than the L2 cache
// holds, captured into a graph so that launching costs nothing, between two events.
#pragma once

#include <benchmark/benchmark.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "shapes.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cuda/error.cuh"

namespace bench {

// A graph of a stream's work and the events around it, gone when this is, whatever went wrong.
class timed_graph {
 public:
  template <class Work>
  timed_graph(cudaStream_t stream, const Work& work) : stream_(stream) {
    using sparsellm::cuda::check;
    check(cudaEventCreate(&begin_), "bench: event");
    check(cudaEventCreate(&end_), "bench: event");
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "bench: capture");
    try {
      work();
    } catch (...) {
      (void)cudaStreamEndCapture(stream, &graph_);
      forget();
      throw;
    }
    const cudaError_t captured = cudaStreamEndCapture(stream, &graph_);
    const cudaError_t made =
        captured == cudaSuccess ? cudaGraphInstantiate(&run_, graph_, 0) : captured;
    if (made != cudaSuccess) forget();
    check(made, "bench: graph");
  }
  timed_graph(timed_graph&&) = delete;
  ~timed_graph() { forget(); }

  // Runs it, waits; seconds.
  [[nodiscard]] double run() {
    using sparsellm::cuda::check;
    check(cudaEventRecord(begin_, stream_), "bench: begin");
    check(cudaGraphLaunch(run_, stream_), "bench: launch");
    check(cudaEventRecord(end_, stream_), "bench: end");
    check(cudaEventSynchronize(end_), "bench: wait");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin_, end_), "bench: time");
    return static_cast<double>(milliseconds) * 1e-3;
  }

 private:
  void forget() {
    if (run_ != nullptr) (void)cudaGraphExecDestroy(run_);
    if (graph_ != nullptr) (void)cudaGraphDestroy(graph_);
    if (end_ != nullptr) (void)cudaEventDestroy(end_);
    if (begin_ != nullptr) (void)cudaEventDestroy(begin_);
    run_ = nullptr, graph_ = nullptr, end_ = nullptr, begin_ = nullptr;
  }
  cudaStream_t stream_;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t run_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

// step(i) gives the stream the work of copy i. bytes: what one step must read. What fails is
// reported as this benchmark's error, and the others go on.
template <class Step>
void time_steps(benchmark::State& state, cudaStream_t stream, std::size_t copies, double bytes,
                const Step& step) {
  try {
    for (std::size_t i = 0; i < copies; ++i) step(i);  // grows scratch, warms up
    sparsellm::cuda::check(cudaStreamSynchronize(stream), "bench: warm up");
    timed_graph graph(stream, [&] {
      for (std::size_t i = 0; i < copies; ++i) step(i);
    });
    for (auto _ : state) state.SetIterationTime(graph.run() / static_cast<double>(copies));
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes) *
                            static_cast<std::int64_t>(state.iterations()));
  } catch (const sparsellm::error& e) {
    state.SkipWithError(e.what());
  }
}

}  // namespace bench

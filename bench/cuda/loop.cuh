// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Times what runs on a stream: each step uses one copy of the weight, more copies than the L2 cache
// holds, captured into a graph so that launching costs nothing, between two events.
#pragma once

#include <benchmark/benchmark.h>
#include <cuda_runtime_api.h>

#include <cstddef>

#include "shapes.hpp"
#include "sparsellm/cuda/error.cuh"

namespace bench {

// step(i) gives the stream the work of copy i. bytes: what one step must read.
template <class Step>
void time_steps(benchmark::State& state, cudaStream_t stream, std::size_t copies, double bytes,
                const Step& step) {
  using sparsellm::cuda::check;
  for (std::size_t i = 0; i < copies; ++i) step(i);  // grows scratch, warms up
  check(cudaStreamSynchronize(stream), "bench: warm up");
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t run = nullptr;
  cudaEvent_t begin = nullptr, end = nullptr;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "bench: capture");
  for (std::size_t i = 0; i < copies; ++i) step(i);
  check(cudaStreamEndCapture(stream, &graph), "bench: capture");
  check(cudaGraphInstantiate(&run, graph, 0), "bench: graph");
  check(cudaEventCreate(&begin), "bench: event");
  check(cudaEventCreate(&end), "bench: event");
  for (auto _ : state) {
    check(cudaEventRecord(begin, stream), "bench: begin");
    check(cudaGraphLaunch(run, stream), "bench: launch");
    check(cudaEventRecord(end, stream), "bench: end");
    check(cudaEventSynchronize(end), "bench: wait");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end), "bench: time");
    state.SetIterationTime(static_cast<double>(milliseconds) * 1e-3 / static_cast<double>(copies));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) *
                          static_cast<std::int64_t>(state.iterations()));
  (void)cudaEventDestroy(begin);
  (void)cudaEventDestroy(end);
  (void)cudaGraphExecDestroy(run);
  (void)cudaGraphDestroy(graph);
}

}  // namespace bench

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Times what is given to a stream: captured into a graph, so that launching costs nothing, between
// two events.
#pragma once

#include <cuda_runtime_api.h>

#include "sparsellm/cuda/error.cuh"

namespace bench {

// Two events of a stream around some work, gone when this is, whatever went wrong.
class timer {
 public:
  explicit timer(cudaStream_t stream) : stream_(stream) {
    sparsellm::cuda::check(cudaEventCreate(&begin_), "bench: event");
    const cudaError_t made = cudaEventCreate(&end_);
    if (made != cudaSuccess) (void)cudaEventDestroy(begin_);
    sparsellm::cuda::check(made, "bench: event");
  }
  timer(timer&&) = delete;
  ~timer() {
    (void)cudaEventDestroy(end_);
    (void)cudaEventDestroy(begin_);
  }
  // Gives the work to the stream, waits; seconds.
  template <class Work>
  [[nodiscard]] double run(const Work& work) {
    using sparsellm::cuda::check;
    check(cudaEventRecord(begin_, stream_), "bench: begin");
    work();
    check(cudaEventRecord(end_, stream_), "bench: end");
    check(cudaEventSynchronize(end_), "bench: wait");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin_, end_), "bench: time");
    return static_cast<double>(milliseconds) * 1e-3;
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

// A graph of what work() gives to the stream; likewise.
class timed_graph {
 public:
  template <class Work>
  timed_graph(cudaStream_t stream, const Work& work) : stream_(stream), timer_(stream) {
    using sparsellm::cuda::check;
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
    return timer_.run(
        [&] { sparsellm::cuda::check(cudaGraphLaunch(run_, stream_), "bench: launch"); });
  }

 private:
  void forget() {
    if (run_ != nullptr) (void)cudaGraphExecDestroy(run_);
    if (graph_ != nullptr) (void)cudaGraphDestroy(graph_);
    run_ = nullptr, graph_ = nullptr;
  }
  cudaStream_t stream_;
  timer timer_;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t run_ = nullptr;
};

}  // namespace bench

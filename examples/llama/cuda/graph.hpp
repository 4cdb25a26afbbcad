// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Work of a stream as a CUDA graph: given to the stream again by one call.
#pragma once

#include <cuda_runtime_api.h>

#include "sparsellm/cuda/error.cuh"

namespace llama {

class cuda_graph {
 public:
  // Of what work() gives to the stream, which does not run yet.
  template <class Work>
  cuda_graph(cudaStream_t stream, const Work& work) {
    using sparsellm::cuda::check;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "graph: capture");
    cudaGraph_t graph = nullptr;
    try {
      work();
    } catch (...) {
      if (cudaStreamEndCapture(stream, &graph) == cudaSuccess) (void)cudaGraphDestroy(graph);
      throw;
    }
    check(cudaStreamEndCapture(stream, &graph), "graph: capture");
    const cudaError_t made = cudaGraphInstantiate(&run_, graph, 0);
    (void)cudaGraphDestroy(graph);
    check(made, "graph: instantiate");
  }
  cuda_graph(cuda_graph&&) = delete;
  ~cuda_graph() { (void)cudaGraphExecDestroy(run_); }

  void launch(cudaStream_t stream) {
    sparsellm::cuda::check(cudaGraphLaunch(run_, stream), "graph: launch");
  }

 private:
  cudaGraphExec_t run_ = nullptr;
};

}  // namespace llama

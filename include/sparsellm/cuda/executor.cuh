// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs work on one stream of one GPU. Used by one thread at a time.
//
// What waits for the device. Functions that leave their results on the device only give work to the
// stream: products, sparsify(), gate(), copies to the device. A function waits when the host gets
// something out of it: a value or an object of the host's (to_host(), on_host(), add_to(),
// exact_quantile(), the shuffles), or an error about numbers that lie on the device
// (best_of_groups(), pack(), pack_masked(), from_semi_structured()). wait() waits, and so do the
// constructors of the observers, which copy from memory of their own.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/error.cuh"

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {

// Read from the device, never assumed.
struct device_facts {
  int device = 0;
  int capability = 0;  // 80 for compute capability 8.0
  int multiprocessors = 0;
  std::size_t shared_bytes = 0;  // a block may ask for, opted in
  std::size_t l2_bytes = 0;
};

class executor {
 public:
  using space = device_space;

  // A stream of the current device, of its own. Throws device_error where there is none.
  executor() {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cuda::executor: stream");
    owned_ = true;
    read_facts();
  }
  // A caller's stream, which must outlive the executor and everything it allocated.
  explicit executor(cudaStream_t stream) : stream_(stream) { read_facts(); }
  executor(executor&&) = delete;
  ~executor() {
    workspace_ = {};
    activations_ = {};
    tickets_ = {};
    if (owned_) (void)cudaStreamDestroy(stream_);
  }

  [[nodiscard]] cudaStream_t stream() const noexcept { return stream_; }
  [[nodiscard]] const device_facts& device() const noexcept { return facts_; }

  // n uninitialised elements, in stream order. Throws as device_buffer does.
  template <class T>
  [[nodiscard]] device_buffer<T> allocate(std::size_t n) {
    return device_buffer<T>(stream_, n);
  }
  // Until all work given to the stream is done. Throws device_error when some of it failed.
  void wait() { check(cudaStreamSynchronize(stream_), "cuda::executor: wait"); }

  // Memory for one product: `bytes` whose contents are worthless at the next call. Grown on demand,
  // so the second time a step runs it allocates nothing. Throws device_error when it would have to
  // grow while the stream is captured into a graph: run the step once before.
  [[nodiscard]] std::byte* scratch(std::size_t bytes) {
    grow(workspace_, bytes);
    return workspace_.data();
  }
  // [size], the same for a product's activations.
  [[nodiscard]] vector_view<float, device_space> activations(std::size_t size) {
    grow(activations_, size);
    return {activations_.data(), size};
  }
  // [count] counters for blocks that wait for each other's results: zero, and left zero by every
  // kernel.
  [[nodiscard]] unsigned* tickets(std::size_t count) {
    const std::size_t before = tickets_.size();
    grow(tickets_, count);
    if (tickets_.size() != before)
      check(cudaMemsetAsync(tickets_.data(), 0, tickets_.size() * sizeof(unsigned), stream_),
            "cuda::executor: tickets");
    return tickets_.data();
  }

 private:
  template <class T>
  void grow(device_buffer<T>& memory, std::size_t size) {
    if (size <= memory.size()) return;
    cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(stream_, &capturing), "cuda::executor: scratch");
    require<device_error>(capturing == cudaStreamCaptureStatusNone, "cuda::executor: scratch of ",
                          size * sizeof(T), " bytes wanted while a graph is captured and ",
                          memory.size() * sizeof(T), " there; run the step once before");
    memory = device_buffer<T>(stream_, size + size / 2);
  }
  void read_facts() {
    check(cudaGetDevice(&facts_.device), "cuda::executor: device");
    const auto attribute = [&](cudaDeviceAttr which) {
      int value = 0;
      check(cudaDeviceGetAttribute(&value, which, facts_.device), "cuda::executor: device");
      return value;
    };
    facts_.capability = attribute(cudaDevAttrComputeCapabilityMajor) * 10 +
                        attribute(cudaDevAttrComputeCapabilityMinor);
    facts_.multiprocessors = attribute(cudaDevAttrMultiProcessorCount);
    facts_.shared_bytes =
        static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin));
    facts_.l2_bytes = static_cast<std::size_t>(attribute(cudaDevAttrL2CacheSize));
  }

  cudaStream_t stream_ = nullptr;
  bool owned_ = false;
  device_facts facts_;
  device_buffer<std::byte> workspace_;
  device_buffer<float> activations_;
  device_buffer<unsigned> tickets_;
};
static_assert(sparsellm::executor<executor>);

}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE

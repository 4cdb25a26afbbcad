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
#include <cstdint>
#include <utility>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
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

// What an address of a workspace is a multiple of.
inline constexpr std::size_t workspace_alignment = 256;

// Memory is never freed while the executor lives, so graphs captured of its work stay valid: what
// outgrew its memory gets more, and the old stays for the graphs that hold its address. A workspace
// of the caller's (set_workspace()) takes the place of all of it. Graphs of one executor share that
// memory: they run one after the other; for graphs that run at the same time use an executor each.
class executor {
 public:
  using space = device_space;

  // A stream of the current device, of its own. Throws device_error where there is none.
  executor() {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cuda::executor: stream");
    owned_ = true;
    prepare();
  }
  // A caller's stream, which must outlive the executor and everything it allocated.
  explicit executor(cudaStream_t stream) : stream_(stream) { prepare(); }
  executor(executor&&) = delete;
  ~executor() {
    scratch_ = {};
    activations_ = {};
    tickets_ = {};
    outgrown_.clear();
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

  // From now on products work in these bytes, borrowed, and allocate nothing: workspace_bytes()
  // (cuda/workspace.cuh) says how many each needs, and the largest serves all. They outlive the
  // work given to the stream and the graphs captured of it. Without bytes: in memory of the
  // executor's own again. Throws value_error for an address that is no multiple of
  // workspace_alignment.
  void set_workspace(vector_view<std::byte, device_space> bytes) {
    const auto past = reinterpret_cast<std::uintptr_t>(bytes.data()) % workspace_alignment;
    require<value_error>(past == 0, "cuda::executor: a workspace aligned to ", workspace_alignment,
                         " bytes expected, got an address ", past, " past a multiple of it");
    workspace_ = bytes;
  }

  // Memory for one product: `bytes` whose contents are worthless at the next call, aligned to
  // workspace_alignment; of the workspace where there is one, else grown on demand, so the second
  // time a step runs it allocates nothing. Throws device_error when the workspace is too small, and
  // when it would have to grow while the stream is captured into a graph: run the step once before.
  [[nodiscard]] std::byte* scratch(std::size_t bytes) {
    if (workspace_.empty()) return grown(scratch_, bytes);
    check_workspace(bytes, held_);
    return workspace_.data();
  }
  // Floats in the executor's memory, held while this lives.
  class held_floats {
   public:
    held_floats(held_floats&&) = delete;
    ~held_floats() { exec_.held_ = before_; }
    [[nodiscard]] float* data() const noexcept { return floats_.data(); }
    // All of them; not of a temporary.
    [[nodiscard]] vector_view<float, device_space> view() const& noexcept { return floats_; }

   private:
    friend executor;
    held_floats(executor& exec, vector_view<float, device_space> floats, std::size_t held)
        : exec_(exec), floats_(floats), before_(std::exchange(exec.held_, held)) {}
    executor& exec_;
    vector_view<float, device_space> floats_;
    std::size_t before_;
  };
  // [size], for a product's activations: apart from its scratch, and throws as that does. Who asks
  // again while he holds some gets the same ones.
  [[nodiscard]] held_floats activations(std::size_t size) {
    const std::size_t bytes = room_for(size * sizeof(float));
    std::byte* first = nullptr;
    if (workspace_.empty()) {
      first = grown(activations_, bytes);
    } else {
      check_workspace(0, bytes);
      first = workspace_.data() + (workspace_.size() / workspace_alignment * workspace_alignment);
      first -= bytes > held_ ? bytes : held_;
    }
    return {*this, {reinterpret_cast<float*>(first), size}, bytes > held_ ? bytes : held_};
  }
  // Counters for blocks that wait for each other's results, most_tickets of them: zero, and left
  // zero by every kernel.
  static constexpr unsigned most_tickets = 16384;
  [[nodiscard]] unsigned* tickets() noexcept { return tickets_.data(); }

 private:
  [[nodiscard]] static std::size_t room_for(std::size_t bytes) noexcept {
    return (bytes + workspace_alignment - 1) / workspace_alignment * workspace_alignment;
  }
  void check_workspace(std::size_t scratch, std::size_t held) const {
    const std::size_t wanted = room_for(scratch) + held;
    require<device_error>(wanted <= workspace_.size() / workspace_alignment * workspace_alignment,
                          "cuda::executor: a workspace of ", wanted, " bytes or more wanted, got ",
                          workspace_.size(), "; workspace_bytes() says how many a product needs");
  }
  [[nodiscard]] std::byte* grown(device_buffer<std::byte>& memory, std::size_t bytes) {
    if (bytes <= memory.size()) return memory.data();
    cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(stream_, &capturing), "cuda::executor: scratch");
    require<device_error>(capturing == cudaStreamCaptureStatusNone, "cuda::executor: scratch of ",
                          bytes, " bytes wanted while a graph is captured and ", memory.size(),
                          " there; run the step once before, or set a workspace");
    device_buffer<std::byte> larger(stream_, bytes + bytes / 2);
    if (memory.size() != 0) outgrown_.push_back(std::move(memory));
    memory = std::move(larger);
    return memory.data();
  }
  void prepare() {
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
    tickets_ = device_buffer<unsigned>(stream_, most_tickets);
    check(cudaMemsetAsync(tickets_.data(), 0, most_tickets * sizeof(unsigned), stream_),
          "cuda::executor: tickets");
  }

  cudaStream_t stream_ = nullptr;
  bool owned_ = false;
  device_facts facts_;
  vector_view<std::byte, device_space> workspace_;
  std::size_t held_ = 0;  // bytes of activations that a verb holds now
  device_buffer<std::byte> scratch_, activations_;
  device_buffer<unsigned> tickets_;
  std::vector<device_buffer<std::byte>> outgrown_;
};
static_assert(sparsellm::executor<executor>);

}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE

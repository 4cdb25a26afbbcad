// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokens on their way from the device to the host, which takes them while later ones are computed.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>

#include "model/likeliest.hpp"
#include "sparsellm/cuda/error.cuh"

namespace llama {

class token_ring {
 public:
  static constexpr unsigned slots = 8;  // a power of 2, for text_place::found to wrap around

  explicit token_ring(cudaStream_t stream) : stream_(stream) {
    using sparsellm::cuda::check;
    check(cudaMallocHost(reinterpret_cast<void**>(&tokens_), slots * sizeof(likeliest)),
          "token_ring: memory of the host");
    for (cudaEvent_t& e : events_) {
      const cudaError_t made = cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
      if (made != cudaSuccess) forget();
      check(made, "token_ring: event");
    }
  }
  token_ring(token_ring&&) = delete;
  ~token_ring() { forget(); }

  // Of the host, where the device writes: token i goes to place i mod slots.
  [[nodiscard]] likeliest* data() noexcept { return tokens_; }

  // The stream was given what finds the next token. Only the last `slots` can be taken.
  void push() {
    sparsellm::cuda::check(cudaEventRecord(events_[pushed_ % slots], stream_), "token_ring: event");
    ++pushed_;
  }
  [[nodiscard]] std::size_t pushed() const noexcept { return pushed_; }
  // The i-th token that was pushed. Waits until it is there.
  [[nodiscard]] likeliest take(std::size_t i) {
    sparsellm::cuda::check(cudaEventSynchronize(events_[i % slots]), "token_ring: wait");
    return tokens_[i % slots];
  }

 private:
  void forget() noexcept {
    (void)cudaStreamSynchronize(stream_);  // which may write here yet
    for (const cudaEvent_t e : events_)
      if (e != nullptr) (void)cudaEventDestroy(e);
    (void)cudaFreeHost(tokens_);
  }

  cudaStream_t stream_;
  likeliest* tokens_ = nullptr;
  std::array<cudaEvent_t, slots> events_{};
  std::size_t pushed_ = 0;
};

}  // namespace llama

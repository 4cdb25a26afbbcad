// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Other libraries' products on the device, behind one interface. They are looked for when the
// program runs; what is there is measured beside ours.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "cuda/measure/shared_library.hpp"
#include "sparsellm/core/views.hpp"

namespace bench {

// y [tokens, outputs] = x [tokens, inputs] · Wᵀ, W and x random and of bfloat16. Its memory is
// freed on the stream that prepare() was given, which outlives it.
struct cuda_peer {
  virtual ~cuda_peer() = default;
  [[nodiscard]] virtual std::string name() const = 0;     // "cublaslt/bf16"
  [[nodiscard]] virtual std::string version() const = 0;  // and the file it is from
  // Of one weight, as it is read.
  [[nodiscard]] virtual double bytes(sparsellm::extents shape) const = 0;
  [[nodiscard]] virtual bool takes(std::size_t tokens) const = 0;
  // Makes so many weights and what else a product needs, until the next call.
  virtual void prepare(sparsellm::extents shape, std::size_t tokens, std::size_t copies,
                       cudaStream_t stream) = 0;
  // Algorithms that prepare() found, 1 at least, the library's own choice first; run() uses the
  // one chosen last.
  [[nodiscard]] virtual std::size_t algorithms() const { return 1; }
  virtual void choose(std::size_t) {}
  virtual void run(std::size_t copy, cudaStream_t stream) = 0;
};

// Of the device that is current. Throw sparsellm::error where the library is not, or is of a
// version unknown here.
[[nodiscard]] std::unique_ptr<cuda_peer> make_cublaslt();
[[nodiscard]] std::unique_ptr<cuda_peer> make_cusparselt();

}  // namespace bench

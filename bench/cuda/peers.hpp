// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Other libraries' products on the device, behind one interface. Each is compiled in when CMake
// finds it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "sparsellm/core/views.hpp"

namespace bench {

// y [tokens, outputs] = x [tokens, inputs] · Wᵀ, W of bfloat16.
struct cuda_peer {
  virtual ~cuda_peer() = default;
  [[nodiscard]] virtual std::string name() const = 0;  // "cublaslt/bf16"
  [[nodiscard]] virtual std::string version() const = 0;
  // Of one weight, as it is read.
  [[nodiscard]] virtual double bytes(sparsellm::extents shape) const = 0;
  [[nodiscard]] virtual bool takes(std::size_t tokens) const = 0;
  // Makes so many weights and what else a product needs, until the next call.
  virtual void prepare(sparsellm::extents shape, std::size_t tokens, std::size_t copies,
                       cudaStream_t stream) = 0;
  virtual void run(std::size_t copy, cudaStream_t stream) = 0;
};

// Of the device that is current; a library that refuses it is named on stderr and left out.
[[nodiscard]] std::vector<std::shared_ptr<cuda_peer>> make_cuda_peers();

void add_cublaslt(std::vector<std::shared_ptr<cuda_peer>>& to);
void add_cusparselt(std::vector<std::shared_ptr<cuda_peer>>& to);

}  // namespace bench

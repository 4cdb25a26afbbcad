// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A stack's weights on the device, in the formats that they are packed in for the CPU.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "model/stack.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/executor.cuh"

namespace llama {

using device_rows = sparsellm::matrix_view<float, sparsellm::device_space>;
using const_device_rows = sparsellm::matrix_view<const float, sparsellm::device_space>;

class cuda_linear {
 public:
  // The weights of a stack, its bias and what is skipped.
  cuda_linear(sparsellm::cuda::executor& exec, const stack& from);

  // Takes over what the same weights skip now.
  void reread(sparsellm::cuda::executor& exec, const stack& from);

  // y [tokens, outputs] = W · x [tokens, inputs] plus the bias; the first dense_rows use every
  // channel. centred [tokens, inputs] is scratch, for x - centre.
  void multiply(sparsellm::cuda::executor& exec, const_device_rows x, std::size_t dense_rows,
                device_rows y, float* centred) const;

  // h [tokens, hidden] = silu(gate · x) ∘ (up · x) of a stack of the two; both [tokens, outputs] is
  // scratch, and centred as above.
  void multiply_gated(sparsellm::cuda::executor& exec, const_device_rows x, std::size_t dense_rows,
                      device_rows both, device_rows h, float* centred) const;

  // CATS: both's halves = silu(gate · x), and up · x where the former is above tau in magnitude; of
  // a stack of the two.
  void multiply_above(sparsellm::cuda::executor& exec, const_device_rows x, float tau,
                      device_rows both) const;
  // y = W · x without the channels that are 0.
  void multiply_nonzero(sparsellm::cuda::executor& exec, const_device_rows x, device_rows y) const;

  class one_weight;

 private:
  // y's columns are the bias's from `first` on.
  void add_bias(sparsellm::cuda::executor& exec, std::size_t first, device_rows y) const;

  static void add(sparsellm::cuda::executor& exec,
                  const sparsellm::cuda::device_buffer<float>& bias, std::size_t first,
                  device_rows y);

  std::vector<std::shared_ptr<one_weight>> weights_;
  // [outputs], or empty: of dense products, and of sparse ones. [inputs], or empty: what these
  // subtract from x.
  sparsellm::cuda::device_buffer<float> bias_, sparse_bias_, centre_;
};

}  // namespace llama

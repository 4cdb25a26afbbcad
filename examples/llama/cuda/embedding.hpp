// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A table of embeddings on the device, of the model file's own bytes, and its rows as floats: those
// that the CPU reads from the file, to the bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/steps.hpp"
#include "files/model_file.hpp"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/executor.cuh"

namespace llama {

class cuda_embedding {
 public:
  // A copy of the table [rows, width], in stream order; a pruned one's with its zeros, in floats.
  cuda_embedding(sparsellm::cuda::executor& exec, const tensor& table);

  // x [tokens, width] = the rows of these ids [tokens], all in the table.
  void look_up(sparsellm::cuda::executor& exec, const std::int32_t* ids, std::size_t tokens,
               float* x) const;
  // x [tokens, width] += the rows of the tokens' positions, each with `offset` added, all in the
  // table.
  void add_positions(sparsellm::cuda::executor& exec, cached_rows at, std::size_t offset,
                     std::size_t tokens, float* x) const;

 private:
  template <bool add, class Row>
  void launch(sparsellm::cuda::executor& exec, const Row& row_of, std::size_t tokens,
              float* x) const;

  tensor_type type_;
  std::size_t width_;
  sparsellm::cuda::device_buffer<std::byte> bytes_;
};

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A weight of ggml's in a format of the library's, and the product that llama.cpp asks of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "ggml.h"
#include "ggml_copy.hpp"
#include "observation.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/gang_executor.hpp"
#include "sparsellm/model/sparse_linear.hpp"

namespace sparsellm_ggml {

class packed_weight {
 public:
  // `data`: ggml_nbytes(tensor) bytes as a GGUF file has them, of a tensor for which is_taken()
  // holds. Every number is kept as it is. Throws value_error for one that no format stores (NaN,
  // infinite), and what threshold_of() and
  // check_weight() throw. Uses the threads of a pool of its own, and waits.
  packed_weight(const ggml_tensor& tensor, const void* data);
  // What was observed is kept for SPARSELLM_CALIBRATE.
  ~packed_weight();

  // product.src[1] are rows of inputs [.., .., tokens, inputs] of float, product the rows of
  // outputs; of experts as multiply_experts() says. Batches up to SPARSELLM_SPARSE_BATCH tokens
  // skip channels where there is a threshold, each token its own. Called by member 0 of the gang.
  // Throws shape_error when shapes do not fit, value_error for experts that are not there.
  void multiply(sparsellm::cpu::gang_executor& gang, ggml_tensor& product);

  // The weight that ggml is to multiply instead for so many tokens; null when this one is.
  [[nodiscard]] ggml_tensor* instead_for(std::size_t tokens) const noexcept;

 private:
  struct plan;
  [[nodiscard]] static plan plan_for(const ggml_tensor& tensor, const void* data);
  packed_weight(const ggml_tensor& tensor, const void* data, plan skips);
  void multiply_matrix(sparsellm::cpu::gang_executor& gang, ggml_tensor& product);
  void multiply_experts(sparsellm::cpu::gang_executor& gang, ggml_tensor& product);
  // tokens: of the whole batch, which says whether channels are skipped.
  void multiply_rows(sparsellm::cpu::gang_executor& gang, const sparsellm::sparse_linear& matrix,
                     std::size_t tokens, sparsellm::matrix_view<const float> x,
                     sparsellm::matrix_view<float> y);
  void observe(sparsellm::matrix_view<const float> x);

  void set_threshold(float threshold);

  std::vector<sparsellm::sparse_linear> matrices_;  // one, or each expert's
  // Set once the threshold is there: contexts may multiply while another one finds it.
  std::atomic<bool> sparse_{false};
  std::atomic<bool> observes_{false};
  std::unique_ptr<observation> seen_;
  std::unique_ptr<ggml_copy> copy_;
};

}  // namespace sparsellm_ggml

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights of ggml's in a format of the library's, and the products that llama.cpp asks of them.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "ggml.h"
#include "ggml_copy.hpp"
#include "observation.hpp"
#include "offsets.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/gang_executor.hpp"
#include "sparsellm/model/sparse_linear.hpp"
#include "tensor_stack.hpp"

namespace sparsellm_ggml {

class packed_weight {
 public:
  // Of tensors for which is_taken() holds. Every number is kept as it is. Throws value_error for
  // one that no format stores (NaN, infinite), format_error for a table whose centres differ
  // between tensors that are stacked, and what threshold_of() and check_weight() throw.
  // Uses the threads of a pool of its own, and waits.
  explicit packed_weight(const tensor_stack& stack);
  // What was observed is kept for SPARSELLM_CALIBRATE.
  ~packed_weight();

  // The product of one of the stack's tensors, `part`, which node.src[0] is. node.src[1] are rows
  // of inputs [.., .., tokens, inputs] of float, node the rows of outputs; of experts as
  // multiply_experts() says. Batches up to SPARSELLM_SPARSE_BATCH tokens skip channels where there
  // is a threshold, each token its own. Called by member 0 of the gang. Throws shape_error when
  // shapes do not fit, value_error for experts that are not there.
  void multiply(sparsellm::cpu::gang_executor& gang, ggml_tensor& node, std::size_t part);

  // A graph is planned in which the node multiplies a part.
  void plan(const ggml_tensor& node, std::size_t part) const;

  // The weight that ggml is to multiply instead of a part for so many tokens; null when this one
  // is.
  [[nodiscard]] ggml_tensor* instead_for(std::size_t tokens, std::size_t part) const noexcept;

 private:
  // One of the stack's tensors, whose outputs are rows [first, last) of the matrix.
  struct part_of {
    std::size_t first, last;
    float threshold = -1;                 // below every |x|: nothing is skipped
    std::unique_ptr<observation> seen{};  // of its inputs
    std::unique_ptr<ggml_copy> copy{};
  };
  struct plan_of_part;
  [[nodiscard]] static std::vector<plan_of_part> plans_for(const tensor_stack& stack);
  packed_weight(const tensor_stack& stack, std::vector<plan_of_part> plans);
  [[nodiscard]] std::size_t outputs() const noexcept { return matrices_[0].shape().outputs; }

  void multiply_matrix(sparsellm::cpu::gang_executor& gang, ggml_tensor& node, std::size_t part);
  void multiply_together(sparsellm::cpu::gang_executor& gang, ggml_tensor& node, std::size_t part);
  void multiply_experts(sparsellm::cpu::gang_executor& gang, ggml_tensor& node);
  // tokens: of the whole batch, which says whether channels are skipped.
  void multiply_rows(sparsellm::cpu::gang_executor& gang, const sparsellm::sparse_linear& matrix,
                     std::size_t tokens, sparsellm::matrix_view<const float> x,
                     sparsellm::matrix_view<float> y);
  // y: rows of the part's outputs alone.
  void multiply_part(sparsellm::cpu::gang_executor& gang, std::size_t part,
                     sparsellm::matrix_view<const float> x, sparsellm::matrix_view<float> y);
  [[nodiscard]] bool skips(std::size_t tokens) const noexcept;
  void observe(std::size_t part, sparsellm::matrix_view<const float> x);
  void set_thresholds();

  std::vector<sparsellm::sparse_linear> matrices_;  // one, or each expert's
  std::vector<part_of> parts_;
  offsets offsets_;  // of products that skip
  // Set once the thresholds are there: contexts may multiply while another one finds them.
  std::atomic<bool> sparse_{false};
  std::atomic<bool> observes_{false};
  std::atomic<std::size_t> without_threshold_{0};  // parts
};

}  // namespace sparsellm_ggml

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How the tensors of a file become packed weights: one row of one tensor at a time is float, and
// pages of the file are given back as soon as they are packed.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "files/model_source.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/model/any_weight.hpp"
#include "sparsellm/model/sparse_linear.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "sparsellm/pack/layout_efficiencies.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/permute/channel_order.hpp"
#include "sparsellm/prune/mask.hpp"

namespace llama {

// A tensor whose rows and columns are packed in orders of their own; of size 0: as in the file.
struct placed_tensor {
  const tensor* t;
  const sparsellm::channel_order* rows;
  const sparsellm::channel_order* columns;

  // Row r of the packed weight.
  void read(std::size_t r, sparsellm::vector_view<float> out) const;
  // Row r of a pruned tensor as row `to` of a mask.
  void read_mask(std::size_t r, std::size_t to, sparsellm::weight_mask& mask) const;
};

// The layout of a dense weight, and the expected sparsity, which decides for a pruned one.
struct chosen_layout {
  sparsellm::layout_kind dense;
  double sparsity;
};

class weight_packer {
 public:
  // wanted: what weights are packed as; nothing for what each tensor is in the file. Layouts of
  // pruned weights are chosen by `machine`. Borrows what it is given by reference.
  weight_packer(sparsellm::cpu::executor& exec, const model_source& source,
                std::optional<sparsellm::element_kind> wanted,
                const sparsellm::layout_efficiencies& machine)
      : exec_(exec), source_(source), wanted_(wanted), machine_(machine) {}

  // One weight from tensors of one type, top to bottom. Throws value_error for levels of the file
  // that are wanted in another order.
  [[nodiscard]] sparsellm::sparse_linear pack(const std::vector<placed_tensor>& tensors,
                                              chosen_layout where);
  // The same for tensors of any types: neighbours of one type that are pruned to one pattern, or
  // are packed as dense ones, make one weight.
  [[nodiscard]] std::vector<sparsellm::sparse_linear> pack_linears(
      const std::vector<placed_tensor>& tensors, chosen_layout where);

 private:
  class stacked_rows;
  [[nodiscard]] bool packs_masks(tensor_type type, chosen_layout where) const;
  [[nodiscard]] std::optional<sparsellm::nm_pattern> packed_pattern(const placed_tensor& p,
                                                                    chosen_layout where) const;
  [[nodiscard]] std::optional<sparsellm::any_weight> pack_pruned(const stacked_rows& rows,
                                                                 chosen_layout where) const;
  [[nodiscard]] sparsellm::any_weight pack_dense(const stacked_rows& rows,
                                                 sparsellm::layout_kind where) const;

  sparsellm::cpu::executor& exec_;
  const model_source& source_;
  std::optional<sparsellm::element_kind> wanted_;
  const sparsellm::layout_efficiencies& machine_;
};

}  // namespace llama

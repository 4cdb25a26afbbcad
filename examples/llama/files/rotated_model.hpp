// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A model of the same function whose residual stream has another basis, made in memory: gains of
// RMSNorm are in the weights that read what they scale, and all of them are turned
// (sparsellm/rotate/rotation.hpp).
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "files/config.hpp"
#include "files/model_file.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/rotate/rotation.hpp"

namespace llama {

class rotated_model final : public model_file {
 public:
  // What cannot be turned: a model without RMSNorm, or one that is pruned. Throws format_error.
  static void check(const model_file& from, const config& c);

  // type: f32, f16 or bf16, of the weights that change; they take its bytes, the others stay where
  // they are: `from` must outlive this. The head is a tensor of its own, for the gains of the last
  // norm are in it. Throws as check() does, shape_error for a rotation of another width,
  // value_error for weights that are too large for the type.
  rotated_model(sparsellm::cpu::executor& exec, const model_file& from, const config& c,
                const sparsellm::rotation& turned, tensor_type type,
                const std::function<void(double share)>& tick);

  [[nodiscard]] const vocabulary* own_vocabulary() const noexcept override {
    return from_.own_vocabulary();
  }
  [[nodiscard]] std::string name_in_file(const std::string& name) const override {
    return from_.name_in_file(name);
  }
  [[nodiscard]] std::span<const stored_value> stored_values() const noexcept override {
    return from_.stored_values();
  }

 private:
  const model_file& from_;
  std::vector<sparsellm::buffer<std::byte>> made_;
};

}  // namespace llama

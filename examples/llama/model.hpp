// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A model's weights, packed: four linear layers a block, in the layout that the expected sparsity
// of each asks for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config.hpp"
#include "gguf.hpp"
#include "mapped_file.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/cpu/executor.hpp"
#include "sparsellm/model/sparse_linear.hpp"

namespace llama {

// TEAL's four inputs of a block, and the seven projections that read them.
enum class input { attention, output, mlp, down };
inline constexpr std::array<std::string_view, 7> projections{"q",    "k",  "v",   "o",
                                                             "gate", "up", "down"};
inline constexpr std::array<input, 7> input_of{input::attention, input::attention, input::attention,
                                               input::output,    input::mlp,       input::mlp,
                                               input::down};

struct block {
  std::vector<float> attention_norm, mlp_norm;  // [width]
  sparsellm::sparse_linear qkv;                 // [q; k; v] of the normalised residual stream
  sparsellm::sparse_linear out;                 // o
  sparsellm::sparse_linear gate_up;             // [gate; up]
  sparsellm::sparse_linear down;
};

using progress = std::function<void(double share)>;

struct load_options {
  sparsellm::storage weights = sparsellm::storage::bf16;
  double sparsity = 0.0;                                   // expected; decides the layouts
  const sparsellm::threshold_table* thresholds = nullptr;  // per-site sparsities instead
};

class model {
 public:
  // Throws file_error and format_error as mapped_file, gguf and read_config do, and when a tensor
  // is missing or has the wrong shape.
  model(sparsellm::cpu::executor& exec, const std::string& path, const load_options& options,
        const progress& report);

  [[nodiscard]] const config& shape() const noexcept { return config_; }
  [[nodiscard]] const gguf& file() const noexcept { return file_; }
  [[nodiscard]] std::vector<block>& blocks() noexcept { return blocks_; }
  [[nodiscard]] const std::vector<block>& blocks() const noexcept { return blocks_; }
  [[nodiscard]] const std::vector<float>& final_norm() const noexcept { return final_norm_; }
  [[nodiscard]] const sparsellm::sparse_linear& head() const noexcept { return *head_; }
  [[nodiscard]] std::size_t weight_bytes() const;

  // out [width] = the embedding of a token, straight from the file. Throws value_error for an id
  // outside the vocabulary.
  void embed(std::int32_t token, sparsellm::vector_view<float> out) const;

  // [rotary_size / 2], radians a position: RoPE's frequencies, scaling applied.
  [[nodiscard]] const std::vector<double>& rotary_frequencies() const noexcept {
    return frequencies_;
  }

  // The shape of a projection's weight.
  [[nodiscard]] sparsellm::extents extents_of(std::size_t projection) const noexcept;

  // Name and hash of all tensors. Reads the whole file: seconds for large ones.
  [[nodiscard]] sparsellm::model_identity identity() const;

  // Sets the thresholds of every projection. Throws format_error when the table is for another
  // model or lacks a site.
  void use(const sparsellm::threshold_table& table, const sparsellm::model_identity& self);

 private:
  mapped_file mapping_;
  gguf file_;
  config config_;
  std::vector<double> frequencies_;
  std::vector<block> blocks_;
  std::vector<float> final_norm_;
  std::optional<sparsellm::sparse_linear> head_;
};

}  // namespace llama

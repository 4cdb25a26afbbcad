// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A model's weights, packed: four linear layers per block, in the layout that the expected sparsity
// of each asks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "files/config.hpp"
#include "files/model_file.hpp"
#include "files/model_source.hpp"
#include "files/orders.hpp"
#include "files/projection.hpp"
#include "model/packing.hpp"
#include "model/stack.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/model/sparse_linear.hpp"
#include "sparsellm/pack/layout_efficiencies.hpp"

namespace llama {

// The model's kind of norm, and the order that what reads it wants: channel order[i] of the
// normalised stream is stored in place i. No order leaves channels where they are.
struct norm_step {
  std::vector<float> gain;  // [width]
  std::vector<float> bias;  // [width] with LayerNorm, else empty
  sparsellm::channel_order order;
};

struct block {
  norm_step attention_norm, mlp_norm;
  stack qkv;      // [q; k; v] of the normalised residual stream
  stack out;      // o
  stack gate_up;  // [gate; up], or [up] in an MLP without a gate
  stack down;
  std::vector<float> q_norm, k_norm;  // [head_size] gains of RMSNorm of each head, or empty
  std::size_t window = 0;             // positions that a token sees, itself too; 0: all
  // CATS: outputs of up and inputs of down with |silu(gate)| <= this are skipped; below 0 none.
  float gate_threshold = -1.0f;

  [[nodiscard]] stack& reading(activation_site site) noexcept {
    stack* const stacks[] = {&qkv, &out, &gate_up, &down};
    return *stacks[static_cast<std::size_t>(site)];
  }
  [[nodiscard]] const stack& reading(activation_site site) const noexcept {
    return const_cast<block*>(this)->reading(site);
  }
};

using progress = std::function<void(double share)>;

struct load_options {
  // What weights are packed as; nothing for what each tensor is in the file (files/levels.hpp).
  std::optional<sparsellm::element_kind> weights = sparsellm::element_kind::bf16;
  double sparsity = 0.0;                                   // expected; decides the layouts
  const sparsellm::threshold_table* thresholds = nullptr;  // per-site sparsities instead
  sparsellm::table_score score = sparsellm::table_score::magnitude;
  // Of every block, instead of what the file says; not for weights as they are in a GGUF file.
  const std::vector<block_orders>* orders = nullptr;
  bool skips_zeros = false;  // what a ReLU leaves at 0 will be skipped
  // What layouts are chosen by; null for what is the same on every machine.
  const sparsellm::layout_efficiencies* efficiencies = nullptr;

  [[nodiscard]] const sparsellm::layout_efficiencies& machine() const {
    return efficiencies != nullptr ? *efficiencies : sparsellm::default_efficiencies();
  }
};

class model {
 public:
  // Throws file_error and format_error as model_source and read_config do, and when a tensor is
  // missing or has the wrong shape, or an order is none of this model's.
  model(sparsellm::cpu::executor& exec, const std::string& path, const load_options& options,
        const progress& report)
      : model(exec, model_source(path), options, report) {}
  model(sparsellm::cpu::executor& exec, model_source source, const load_options& options,
        const progress& report);

  [[nodiscard]] const config& shape() const noexcept { return config_; }
  [[nodiscard]] const model_file& file() const noexcept { return source_.file(); }
  [[nodiscard]] std::vector<block>& blocks() noexcept { return blocks_; }
  [[nodiscard]] const std::vector<block>& blocks() const noexcept { return blocks_; }
  [[nodiscard]] const norm_step& final_norm() const noexcept { return final_norm_; }
  [[nodiscard]] const stack& head() const noexcept { return *head_; }
  [[nodiscard]] std::size_t weight_bytes() const;

  // A projection's weight in the file, [outputs, inputs].
  [[nodiscard]] const tensor& weight_of(std::size_t layer, projection p) const;
  // The orders that its rows and columns are packed in; of size 0 as in the file.
  [[nodiscard]] const sparsellm::channel_order& row_order(std::size_t layer, projection p) const;
  [[nodiscard]] const sparsellm::channel_order& column_order(std::size_t layer, projection p) const;
  // Its row r, rows and columns in the orders that they are packed in.
  void read_row(std::size_t layer, projection p, std::size_t r,
                sparsellm::vector_view<float> out) const;
  // [inputs]: ‖W_:,i‖₂ over all projections that read the activation.
  [[nodiscard]] std::vector<float> column_norms(sparsellm::cpu::executor& exec, std::size_t layer,
                                                activation_site site) const;

  // out [width] = the embedding of a token at a position, straight from the file. Throws
  // value_error for an id outside the vocabulary.
  void embed(std::int32_t token, std::size_t position, sparsellm::vector_view<float> out) const;

  // What embed() reads: a row for each token, and of learned positions, or nullptr, one for each
  // position, config::position_offset further on.
  [[nodiscard]] const tensor& embeddings() const { return *file().find("token_embd.weight"); }
  [[nodiscard]] const tensor* learned_positions() const {
    return config_.parts.positions == position_kind::learned ? file().find("position_embd.weight")
                                                             : nullptr;
  }

  // [positions][rotation.size / 2] pairs of cos, sin: what the positions turn heads by.
  [[nodiscard]] std::vector<float> rotary_table(std::size_t positions) const;

  // The shape of a projection's weight.
  [[nodiscard]] sparsellm::extents extents_of(projection p) const noexcept {
    return config_.extents_of(p);
  }

  // Name and hash of all tensors. Reads the whole file: seconds for large ones.
  [[nodiscard]] sparsellm::model_identity identity() const;
  // weight_hash of a projection's bytes in the file: what engines can check that see one weight at
  // a time.
  [[nodiscard]] std::uint64_t weight_hash_of(std::size_t layer, projection p) const;

  // Sets the thresholds, biases and centres of every projection. Throws format_error when the table
  // is for another model, or knows each weight alone and this model's are others, or lacks a site,
  // or when projections that read one activation have different centres.
  void use(sparsellm::cpu::executor& exec, const sparsellm::threshold_table& table,
           const sparsellm::model_identity& self);
  // The same for the projections that read one activation.
  void use(sparsellm::cpu::executor& exec, const sparsellm::threshold_table& table,
           std::size_t layer, activation_site site);

 private:
  void add_to(sparsellm::weight_hash& hash, const tensor& t) const;
  [[nodiscard]] placed_tensor placed(std::size_t layer, projection p) const;
  [[nodiscard]] block load_block(weight_packer& packer, const load_options& options,
                                 std::size_t layer) const;
  [[nodiscard]] stack load_stack(weight_packer& packer, const load_options& options,
                                 std::size_t layer, activation_site site) const;
  [[nodiscard]] std::vector<float> made_up_by(const sparsellm::threshold_table& table,
                                              std::size_t layer, activation_site site) const;
  [[nodiscard]] std::vector<float> centre_in(const sparsellm::threshold_table& table,
                                             std::size_t layer, activation_site site) const;
  [[nodiscard]] std::vector<float> load_bias(std::size_t layer, activation_site site) const;

  model_source source_;
  config config_;
  std::vector<block_orders> orders_;         // as the file or the options say, or empty
  std::vector<sparsellm::channel_order> v_;  // of v's rows, from orders_
  std::vector<double> frequencies_;
  std::vector<block> blocks_;
  norm_step final_norm_;
  std::optional<stack> head_;
};

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "packed_weight.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <future>
#include <utility>
#include <vector>

#include "joint_outputs.hpp"
#include "packing.hpp"
#include "projection.hpp"
#include "settings.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cpu/multiply_slice.hpp"
#include "thresholds.hpp"

namespace sparsellm_ggml {

using namespace sparsellm;

struct packed_weight::plan_of_part {
  const site_threshold* entry = nullptr;  // of the table
  double sparsity = 0;                    // that is expected
  bool observes = false;
  std::future<std::uint64_t> hash;  // of the weight, where somebody asks for it
};

std::vector<packed_weight::plan_of_part> packed_weight::plans_for(const tensor_stack& stack) {
  const settings& s = the_settings();
  std::vector<plan_of_part> plans;
  for (const tensor_bytes& t : stack.tensors()) {
    plan_of_part& p = plans.emplace_back();
    if (!site_of(t.tensor->name).has_value()) continue;
    p.entry = threshold_of(*t.tensor);
    p.observes = s.on_the_fly() || !s.calibrate.empty();
    p.sparsity = p.entry != nullptr ? p.entry->sparsity : s.on_the_fly() ? s.sparsity : 0;
    // While the weight is packed, which reads the same bytes.
    if (!s.calibrate.empty() || (p.entry != nullptr && p.entry->weight_hash != 0))
      p.hash = std::async(std::launch::async, [data = t.bytes, bytes = ggml_nbytes(t.tensor)] {
        weight_hash hash;
        hash.add(data, bytes);
        return hash.value();
      });
  }
  return plans;
}

namespace {

// Of all outputs, where parts differ.
template <class Plans>
double expected_sparsity(const tensor_stack& stack, const Plans& plans) {
  double skipped = 0;
  for (std::size_t p = 0; p < plans.size(); ++p)
    skipped += plans[p].sparsity * static_cast<double>(stack.outputs()[p]);
  return skipped / static_cast<double>(stack.shape().outputs);
}

// Where an expert's rows of inputs and outputs are.
struct expert_row {
  std::size_t slot, token;
};
using expert_rows = std::vector<expert_row>;

// ids [tokens, slots] of int32; rows [experts] of vectors that keep their memory.
void find_rows(const ggml_tensor& ids, std::vector<expert_rows>& rows) {
  const std::size_t experts = rows.size();
  for (expert_rows& of_one : rows) of_one.clear();
  for (std::size_t token = 0; token < static_cast<std::size_t>(ids.ne[1]); ++token)
    for (std::size_t slot = 0; slot < static_cast<std::size_t>(ids.ne[0]); ++slot) {
      std::int32_t id;
      std::memcpy(&id, static_cast<const char*>(ids.data) + token * ids.nb[1] + slot * ids.nb[0],
                  sizeof id);
      require<value_error>(id >= 0 && static_cast<std::size_t>(id) < experts, "an expert below ",
                           experts, " expected, got ", id);
      rows[static_cast<std::size_t>(id)].push_back({slot, token});
    }
}

}  // namespace

packed_weight::packed_weight(const tensor_stack& stack) : packed_weight(stack, plans_for(stack)) {}

packed_weight::packed_weight(const tensor_stack& stack, std::vector<plan_of_part> plans)
    : matrices_(pack(stack, expected_sparsity(stack, plans))) {
  std::size_t first = 0;
  for (std::size_t p = 0; p < plans.size(); ++p) {
    const auto [tensor, bytes] = stack.tensors()[p];
    part_of& part = parts_.emplace_back(part_of{first, first + shape_of(*tensor).outputs});
    first = part.last;
    const std::uint64_t hash = plans[p].hash.valid() ? plans[p].hash.get() : 0;
    if (plans[p].entry != nullptr) {
      if (hash != 0) check_weight(*tensor, hash);
      if (plans[p].sparsity > 0) {
        part.threshold = plans[p].entry->threshold;
        sparse_ = true;
      }
    }
    if (plans[p].observes) {
      part.seen =
          std::make_unique<observation>(site_of(tensor->name).value(), shape_of(*tensor), hash);
      ++without_threshold_;
      observes_ = true;
    }
    if (the_settings().prompts_to_ggml) part.copy = std::make_unique<ggml_copy>(*tensor, bytes);
  }
  if (sparse_) set_thresholds();
  std::vector<const site_threshold*> entries;
  for (const plan_of_part& p : plans) entries.push_back(p.entry);
  offsets_ = make_offsets(matrices_, entries);
}

packed_weight::~packed_weight() {
  if (the_settings().calibrate.empty()) return;
  for (part_of& part : parts_)
    if (part.seen != nullptr) keep_counts(*part.seen);
}

ggml_tensor* packed_weight::instead_for(std::size_t tokens, std::size_t part) const noexcept {
  constexpr std::size_t prompt = 32;  // a batch this large reads weights once for many tokens
  ggml_copy* const copy = parts_[part].copy.get();
  const bool theirs = copy != nullptr && tokens >= prompt && tokens > the_settings().sparse_batch &&
                      !observes_.load(std::memory_order_relaxed);
  return theirs ? copy->tensor() : nullptr;
}

void packed_weight::set_thresholds() {
  std::vector<float> all;
  for (const part_of& part : parts_) all.push_back(part.threshold);
  for (sparse_linear& m : matrices_) m.set_thresholds(all);
}

bool packed_weight::skips(std::size_t tokens) const noexcept {
  return sparse_.load(std::memory_order_acquire) && tokens <= the_settings().sparse_batch;
}

void packed_weight::plan(const ggml_tensor& node, std::size_t part) const {
  if (parts_.size() > 1) the_joint_outputs().plan(this, part, *node.src[1]);
}

void packed_weight::multiply(cpu::gang_executor& gang, ggml_tensor& node, std::size_t part) {
  constexpr std::int64_t few = 16;  // tokens whose outputs are copied in no time
  const ggml_tensor& x = *node.src[1];
  if (node.op == GGML_OP_MUL_MAT_ID)
    multiply_experts(gang, node);
  else if (parts_.size() > 1 && ggml_nrows(&x) <= few && ggml_is_contiguous(&x) &&
           the_joint_outputs().plans_all(this, parts_.size(), x))
    multiply_together(gang, node, part);
  else
    multiply_matrix(gang, node, part);
}

// All parts with the first of them, for each of which there will be a node with the same inputs.
void packed_weight::multiply_together(cpu::gang_executor& gang, ggml_tensor& node,
                                      std::size_t part) {
  const ggml_tensor& x = *node.src[1];
  const auto tokens = static_cast<std::size_t>(ggml_nrows(&x));
  joint_outputs& joint = the_joint_outputs();
  const float* from = joint.take(this, part, x);
  if (from == nullptr) {
    const matrix_view<const float> inputs(static_cast<const float*>(x.data), tokens,
                                          static_cast<std::size_t>(x.ne[0]));
    float* const y = joint.compute(this, parts_.size(), x, tokens * outputs());
    if (observes_.load(std::memory_order_relaxed))
      for (std::size_t p = 0; p < parts_.size(); ++p) observe(p, inputs);
    multiply_rows(gang, matrices_[0], tokens, inputs, {y, tokens, outputs()});
    from = joint.take(this, part, x);
  }
  const part_of& p = parts_[part];
  for (std::size_t t = 0; t < tokens; ++t)
    std::copy(from + t * outputs() + p.first, from + t * outputs() + p.last,
              reinterpret_cast<float*>(static_cast<char*>(node.data) + t * node.nb[1]));
}

void packed_weight::multiply_matrix(cpu::gang_executor& gang, ggml_tensor& node, std::size_t part) {
  const ggml_tensor& x = *node.src[1];
  const auto inputs = static_cast<std::size_t>(x.ne[0]);
  const auto outputs = static_cast<std::size_t>(node.ne[0]);
  const auto rows = [&](std::int64_t i2, std::int64_t i3, std::size_t tokens) {
    const auto* from = static_cast<const char*>(x.data) + static_cast<std::size_t>(i2) * x.nb[2] +
                       static_cast<std::size_t>(i3) * x.nb[3];
    auto* to = static_cast<char*>(node.data) + static_cast<std::size_t>(i2) * node.nb[2] +
               static_cast<std::size_t>(i3) * node.nb[3];
    multiply_part(gang, part,
                  {reinterpret_cast<const float*>(from), tokens, inputs, x.nb[1] / sizeof(float)},
                  {reinterpret_cast<float*>(to), tokens, outputs, node.nb[1] / sizeof(float)});
  };
  const auto evenly_spaced = [](const ggml_tensor& t) {
    return t.nb[2] == t.nb[1] * static_cast<std::size_t>(t.ne[1]) &&
           t.nb[3] == t.nb[2] * static_cast<std::size_t>(t.ne[2]);
  };
  // Several matrices of inputs are one batch where their rows follow each other.
  if (evenly_spaced(x) && evenly_spaced(node))
    return rows(0, 0, static_cast<std::size_t>(ggml_nrows(&x)));
  for (std::int64_t i3 = 0; i3 < x.ne[3]; ++i3)
    for (std::int64_t i2 = 0; i2 < x.ne[2]; ++i2) rows(i2, i3, static_cast<std::size_t>(x.ne[1]));
}

void packed_weight::multiply_part(cpu::gang_executor& gang, std::size_t part,
                                  matrix_view<const float> x, matrix_view<float> y) {
  if (x.rows() == 0) return;
  if (observes_.load(std::memory_order_relaxed)) observe(part, x);
  const sparse_linear& matrix = matrices_[0];
  if (parts_.size() == 1) return multiply_rows(gang, matrix, x.rows(), x, y);
  const part_of& p = parts_[part];
  const output_range slice{p.first, p.last};
  const auto run = [&](const auto& keep, matrix_view<const float> in) {
    if (in.rows() == 1)
      multiply_slice(gang, matrix.weight(), slice, keep, in.row(0), y.row(0));
    else
      multiply_slice(gang, matrix.weight(), slice, keep, in, y);
  };
  if (!skips(x.rows())) return run(keep_all{}, x);
  run(matrix.sections(), offsets_.away(x));
  offsets_.add_to(y, p.first);
}

// node.src[1] [tokens, 1 or slots, inputs] of float, node.src[2] [tokens, slots] which expert
// multiplies a slot of a token, node [tokens, slots, outputs].
void packed_weight::multiply_experts(cpu::gang_executor& gang, ggml_tensor& node) {
  const ggml_tensor &x = *node.src[1], &ids = *node.src[2];
  const auto tokens = static_cast<std::size_t>(ids.ne[1]);
  const extents shape = matrices_[0].shape();
  const auto from = [&](expert_row r) {
    return reinterpret_cast<const float*>(static_cast<const char*>(x.data) + r.token * x.nb[2] +
                                          r.slot % static_cast<std::size_t>(x.ne[1]) * x.nb[1]);
  };
  const auto to = [&](expert_row r) {
    return reinterpret_cast<float*>(static_cast<char*>(node.data) + r.token * node.nb[2] +
                                    r.slot * node.nb[1]);
  };
  thread_local std::vector<expert_rows> chosen;
  thread_local std::vector<float> inputs, outputs;  // of one expert
  chosen.resize(matrices_.size());
  find_rows(ids, chosen);
  const auto run = [&](std::size_t expert, matrix_view<const float> rows, matrix_view<float> y) {
    if (observes_.load(std::memory_order_relaxed)) observe(0, rows);
    multiply_rows(gang, matrices_[expert], tokens, rows, y);
  };
  for (std::size_t expert = 0; expert < chosen.size(); ++expert) {
    const expert_rows& rows = chosen[expert];
    if (rows.empty()) continue;
    if (rows.size() == 1) {  // as nearly all are of one token
      run(expert, {from(rows[0]), 1, shape.inputs}, {to(rows[0]), 1, shape.outputs});
      continue;
    }
    inputs.resize(std::max(inputs.size(), rows.size() * shape.inputs));
    outputs.resize(std::max(outputs.size(), rows.size() * shape.outputs));
    float* const in = inputs.data();  // this thread's, in the others' tasks too
    float* const out = outputs.data();
    gang.parallel_for(rows.size(), [&](std::size_t r) {
      std::copy_n(from(rows[r]), shape.inputs, in + r * shape.inputs);
    });
    run(expert, {in, rows.size(), shape.inputs}, {out, rows.size(), shape.outputs});
    gang.parallel_for(rows.size(), [&](std::size_t r) {
      std::copy_n(out + r * shape.outputs, shape.outputs, to(rows[r]));
    });
  }
}

void packed_weight::multiply_rows(cpu::gang_executor& gang, const sparse_linear& matrix,
                                  std::size_t tokens, matrix_view<const float> x,
                                  matrix_view<float> y) {
  if (!skips(tokens))
    return x.rows() == 1 ? matrix.dense(gang, x.row(0), y.row(0)) : matrix.dense(gang, x, y);
  const matrix_view<const float> away = offsets_.away(x);
  if (away.rows() == 1)
    matrix.sparse(gang, away.row(0), y.row(0));
  else
    matrix.sparse(gang, away, y);
  offsets_.add_to(y);
}

void packed_weight::observe(std::size_t part, matrix_view<const float> x) {
  const settings& s = the_settings();
  part_of& p = parts_[part];
  // Whose rows complete the warm-up makes the threshold; `add` says so to one context alone.
  const std::size_t tokens = p.seen->add(x);
  if (!s.on_the_fly() || tokens < s.warm_up || tokens - x.rows() >= s.warm_up) return;
  p.threshold = p.seen->end_with_quantile(s.sparsity);
  if (--without_threshold_ != 0) return;
  set_thresholds();
  observes_.store(false, std::memory_order_relaxed);
  sparse_.store(true, std::memory_order_release);
}

}  // namespace sparsellm_ggml

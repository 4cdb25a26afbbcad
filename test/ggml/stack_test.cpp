// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights that read the same input, which the plugin packs as one: products of all of them at once,
// and of each by itself.
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "catch2_any.hpp"
#include "ggml-alloc.h"
#include "ggml/graph.hpp"
#include "sparsellm/calibrate/table_json.hpp"

using namespace ggml_test;

namespace {

constexpr std::int64_t inputs = 512;

ggml_backend_buffer_type_t our_buffer_type() {
  REQUIRE(load_plugin() != nullptr);
  const ggml_backend_buffer_type_t ours = extra_buffer_type("SPARSELLM");
  REQUIRE(ours != nullptr);
  return ours;
}

// Weights in one buffer, as llama.cpp has a model's.
struct model {
  struct shape {
    const char* name;
    std::int64_t outputs;
  };
  model(ggml_backend_buffer_type_t where, ggml_type t, const std::vector<shape>& parts)
      : type(t), in(new_context()) {
    for (const shape& p : parts) {
      tensors.push_back(ggml_new_tensor_2d(in.get(), type, inputs, p.outputs));
      ggml_set_name(tensors.back(), p.name);
    }
    place.reset(ggml_backend_alloc_ctx_tensors_from_buft(in.get(), where));
    ggml_backend_buffer_set_usage(place.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    stored.resize(parts.size());
  }
  // Sets a weight to random numbers.
  void set(std::size_t part, unsigned seed) {
    const weight made(ggml_backend_cpu_buffer_type(), "any", type, tensors[part]->ne[1], inputs,
                      seed);
    ggml_backend_tensor_set(tensors[part], made.tensor->data, 0, ggml_nbytes(tensors[part]));
    stored[part] = made.stored;
  }
  void set_all() {
    for (std::size_t p = tensors.size(); p-- > 0;) set(p, static_cast<unsigned>(p + 1));
  }
  // W · x of a part, of the stored numbers.
  [[nodiscard]] std::vector<float> exact(std::size_t part, const std::vector<float>& x) const {
    std::vector<float> y;
    for (std::size_t t = 0; t < x.size() / inputs; ++t)
      for (std::size_t r = 0; r < stored[part].size() / inputs; ++r) {
        double sum = 0;
        for (std::size_t c = 0; c < inputs; ++c)
          sum += static_cast<double>(stored[part][r * inputs + c]) *
                 static_cast<double>(x[t * inputs + c]);
        y.push_back(static_cast<float>(sum));
      }
    return y;
  }

  ggml_type type;
  context in;
  std::vector<ggml_tensor*> tensors;
  buffer place;
  std::vector<std::vector<float>> stored;
};

struct allocator_deleter {
  void operator()(ggml_gallocr* a) const { ggml_gallocr_free(a); }
};

// Products of some parts with one x [tokens][inputs] in one graph, each used by another node before
// the next, so that ggml hands out its memory again. The graph is made in `memory`: another one
// there has tensors at the same addresses.
std::vector<std::vector<float>> multiply(ggml_backend_t cpu, const model& m,
                                         const std::vector<std::size_t>& parts,
                                         const std::vector<float>& x, std::vector<char>& memory) {
  memory.resize(ggml_tensor_overhead() * 64 + ggml_graph_overhead());
  const context c(ggml_init({memory.size(), memory.data(), true}));
  const auto tokens = static_cast<std::int64_t>(x.size()) / inputs;
  ggml_tensor* const input = ggml_new_tensor_2d(c.get(), GGML_TYPE_F32, inputs, tokens);
  ggml_set_input(input);
  ggml_cgraph* const graph = ggml_new_graph(c.get());
  std::vector<ggml_tensor*> results;
  for (const std::size_t p : parts) {
    ggml_tensor* const y = ggml_scale(c.get(), ggml_mul_mat(c.get(), m.tensors[p], input), 1.0f);
    ggml_set_output(y);
    ggml_build_forward_expand(graph, y);
    results.push_back(y);
  }
  const std::unique_ptr<ggml_gallocr, allocator_deleter> allocator(
      ggml_gallocr_new(ggml_backend_cpu_buffer_type()));
  REQUIRE(ggml_gallocr_alloc_graph(allocator.get(), graph));
  ggml_backend_tensor_set(input, x.data(), 0, ggml_nbytes(input));
  REQUIRE(ggml_backend_graph_compute(cpu, graph) == GGML_STATUS_SUCCESS);
  std::vector<std::vector<float>> out;
  for (ggml_tensor* const y : results) {
    out.emplace_back(static_cast<std::size_t>(ggml_nelements(y)));
    ggml_backend_tensor_get(y, out.back().data(), 0, ggml_nbytes(y));
  }
  return out;
}
std::vector<std::vector<float>> multiply(ggml_backend_t cpu, const model& m,
                                         const std::vector<std::size_t>& parts,
                                         const std::vector<float>& x) {
  std::vector<char> memory;
  return multiply(cpu, m, parts, x, memory);
}

std::vector<float> tokens_of(std::size_t tokens, unsigned seed = 7) {
  return random_floats(tokens * static_cast<std::size_t>(inputs), seed);
}

const std::vector<model::shape> attention = {
    {"blk.0.attn_q.weight", 200}, {"blk.0.attn_k.weight", 72}, {"blk.0.attn_v.weight", 72}};
const std::vector<model::shape> mlp = {{"blk.0.ffn_gate.weight", 300},
                                       {"blk.0.ffn_up.weight", 300}};

}  // namespace

TEST_CASE("stack: products of all its weights, and of each by itself, have the same bits") {
  const ggml_backend_buffer_type_t ours = our_buffer_type();
  const backend cpu = cpu_backend(2);
  for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_BF16, GGML_TYPE_Q4_1, GGML_TYPE_Q6_K})
    for (const auto& parts : {attention, mlp}) {
      CAPTURE(ggml_type_name(type));
      model m(ours, type, parts);
      m.set_all();
      for (const std::size_t tokens : {1u, 3u, 16u, 17u, 70u}) {
        CAPTURE(tokens);
        const std::vector<float> x = tokens_of(tokens);
        std::vector<std::size_t> all;
        for (std::size_t p = 0; p < parts.size(); ++p) all.push_back(p);
        const std::vector<std::vector<float>> together = multiply(cpu.get(), m, all, x);
        for (std::size_t p = 0; p < parts.size(); ++p) {
          CAPTURE(parts[p].name);
          CHECK(distance(together[p], m.exact(p, x)) < 0.01);
          CHECK(multiply(cpu.get(), m, {p}, x)[0] == together[p]);
        }
      }
    }
}

TEST_CASE("stack: what one graph computed ahead is not another graph's") {
  const ggml_backend_buffer_type_t ours = our_buffer_type();
  const backend cpu = cpu_backend(2);
  model m(ours, GGML_TYPE_F32, attention);
  m.set_all();
  std::vector<char> memory;  // of all graphs: tensors of the same addresses
  const std::vector<std::vector<std::size_t>> graphs = {{0, 1, 2}, {1},    {0, 1}, {2, 1, 0},
                                                        {2},       {1, 2}, {0, 2}, {0, 1, 2}};
  for (unsigned g = 0; g < graphs.size(); ++g) {
    CAPTURE(g);
    const std::vector<float> x = tokens_of(2, g);
    const std::vector<std::vector<float>> y = multiply(cpu.get(), m, graphs[g], x, memory);
    for (std::size_t i = 0; i < y.size(); ++i)
      CHECK(distance(y[i], m.exact(graphs[g][i], x)) < 1e-5);
  }
}

TEST_CASE("stack: weights that come late, again or never") {
  const ggml_backend_buffer_type_t ours = our_buffer_type();
  const backend cpu = cpu_backend(1);
  const std::vector<float> x = tokens_of(1);
  model m(ours, GGML_TYPE_Q8_0, mlp);
  m.set(0, 1);
  m.set(0, 2);  // before it was packed
  CHECK(distance(multiply(cpu.get(), m, {0}, x)[0], m.exact(0, x)) < 0.01);
  m.set(1, 3);
  CHECK(distance(multiply(cpu.get(), m, {0, 1}, x)[1], m.exact(1, x)) < 0.01);

  model again(ours, GGML_TYPE_Q8_0, mlp);
  again.set_all();
  again.set(1, 9);  // after it was packed with the other
  const std::vector<std::vector<float>> y = multiply(cpu.get(), again, {0, 1}, x);
  CHECK(distance(y[0], again.exact(0, x)) < 0.01);
  CHECK(distance(y[1], again.exact(1, x)) < 0.01);
}

TEST_CASE("stack: each weight has its own threshold and bias, and all one centre") {
  const std::string file =
      (std::filesystem::temp_directory_path() / "sparsellm_stack_table.json").string();
  sparsellm::threshold_table table;
  table.method = "uniform";
  table.target_sparsity = 0.5;
  const float thresholds[] = {0.3f, 0.9f, 0.6f};
  const char* const names[] = {"q", "k", "v"};
  std::vector<float> centre;
  for (std::int64_t i = 0; i < inputs; ++i) centre.push_back(0.1f * static_cast<float>(i % 3));
  for (std::size_t p = 0; p < 3; ++p) {
    const auto rows = static_cast<std::size_t>(attention[p].outputs);
    table.add({{0, names[p]}, {rows, centre.size()}, 0.5, thresholds[p]});
    table.sites.back().bias.assign(rows, 0.5f);
    table.sites.back().centre = centre;
  }
  save(table, file);
  REQUIRE(::setenv("SPARSELLM_THRESHOLDS", file.c_str(), 1) == 0);
  const ggml_backend_buffer_type_t ours = our_buffer_type();
  std::filesystem::remove(file);
  const backend cpu = cpu_backend(2);
  model m(ours, GGML_TYPE_BF16, attention);
  m.set_all();
  for (const std::size_t tokens : {1u, 5u}) {
    const std::vector<float> x = tokens_of(tokens);
    const std::vector<std::vector<float>> together = multiply(cpu.get(), m, {0, 1, 2}, x);
    for (std::size_t p = 0; p < 3; ++p) {
      CAPTURE(tokens, names[p]);
      std::vector<float> kept = x;
      for (std::size_t i = 0; i < kept.size(); ++i) {
        const float mostly = centre[i % centre.size()];
        if (std::fabs(kept[i] - mostly) <= thresholds[p]) kept[i] = mostly;
      }
      auto expected = m.exact(p, kept);
      for (auto& v : expected) v += 0.5f;
      CHECK(distance(together[p], expected) < 0.01);
      CHECK(multiply(cpu.get(), m, {p}, x)[0] == together[p]);
    }
  }
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The plugin as ggml meets it: loaded from its file, weights in its buffer type, products on ggml's
// threads.
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <thread>
#include <vector>

#include "catch2_any.hpp"
#include "ggml/graph.hpp"

using namespace ggml_test;

namespace {

constexpr ggml_type types[] = {GGML_TYPE_F32,    GGML_TYPE_F16,  GGML_TYPE_BF16, GGML_TYPE_Q8_0,
                               GGML_TYPE_Q4_0,   GGML_TYPE_Q4_1, GGML_TYPE_Q5_0, GGML_TYPE_Q5_1,
                               GGML_TYPE_IQ4_NL, GGML_TYPE_Q4_K, GGML_TYPE_Q5_K, GGML_TYPE_Q6_K};
constexpr const char* name = "blk.0.ffn_up.weight";

ggml_backend_buffer_type_t our_buffer_type() {
  REQUIRE(load_plugin() != nullptr);
  const ggml_backend_buffer_type_t ours = extra_buffer_type("SPARSELLM");
  REQUIRE(ours != nullptr);
  return ours;
}

bool offered(ggml_backend_buffer_type_t where, const char* tensor, ggml_type type,
             std::int64_t matrices = 1) {
  const context in = new_context();
  ggml_tensor* const w = ggml_new_tensor_3d(in.get(), type, 256, 64, matrices);
  ggml_set_name(w, tensor);
  ggml_tensor* const x = ggml_new_tensor_3d(in.get(), GGML_TYPE_F32, 256, 512, matrices);
  const buffer empty(ggml_backend_buft_alloc_buffer(where, 0));
  w->buffer = empty.get();
  return ggml_backend_dev_supports_op(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU),
                                      ggml_mul_mat(in.get(), w, x));
}

}  // namespace

TEST_CASE("plugin: products of every type and batch are as exact as ggml's own") {
  const ggml_backend_buffer_type_t ours = our_buffer_type();
  const backend cpu = cpu_backend(2);
  for (const ggml_type type : types) {
    CAPTURE(ggml_type_name(type));
    const weight w(ours, name, type, 200, 512);
    const weight plain(ggml_backend_cpu_buffer_type(), name, type, 200, 512);
    for (const std::int64_t tokens : {1, 2, 5, 17, 64}) {
      CAPTURE(tokens);
      const std::vector<float> x = random_floats(static_cast<std::size_t>(512 * tokens), 7);
      const std::vector<float> exact = reference(w, x);
      const double error = distance(multiply(cpu.get(), w, x, tokens), exact);
      const double theirs = distance(multiply(cpu.get(), plain, x, tokens), exact);
      CHECK(error <= 1.2 * theirs + 1e-6);
    }
  }
}

TEST_CASE("plugin: zeros that follow a pattern are not stored") {
  ::setenv("SPARSELLM_LOG", "tensors", 1);  // which ctest looks at
  const ggml_backend_buffer_type_t ours = our_buffer_type();
  const backend cpu = cpu_backend(2);
  for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16})
    for (const std::size_t group : {4, 8}) {
      CAPTURE(ggml_type_name(type), group);
      const weight w(ours, name, type, 96, 512, 1, group);
      const weight other(ours, "blk.1.ffn_up.weight", type, 96, 512, 1, 16);
      for (const std::int64_t tokens : {1, 3, 64}) {
        const std::vector<float> x = random_floats(static_cast<std::size_t>(512 * tokens), 7);
        CHECK(distance(multiply(cpu.get(), w, x, tokens), reference(w, x)) < 5e-3);
        CHECK(distance(multiply(cpu.get(), other, x, tokens), reference(other, x)) < 5e-3);
      }
    }
}

TEST_CASE("plugin: any number of ggml's threads gives the same bits") {
  const ggml_backend_buffer_type_t ours = our_buffer_type();
  for (const ggml_type type : types) {
    CAPTURE(ggml_type_name(type));
    const weight w(ours, name, type, 576, 1536);
    for (const std::int64_t tokens : {1, 3, 40}) {
      const std::vector<float> x = random_floats(static_cast<std::size_t>(1536 * tokens), 8);
      const std::vector<float> once = multiply(cpu_backend(1).get(), w, x, tokens);
      for (const int threads : {2, 3, 4})
        CHECK(multiply(cpu_backend(threads).get(), w, x, tokens) == once);
    }
  }
}

TEST_CASE("plugin: several matrices of inputs, and rows with gaps between them") {
  const ggml_backend_buffer_type_t ours = our_buffer_type();
  const backend cpu = cpu_backend(2);
  const weight w(ours, name, GGML_TYPE_BF16, 96, 128);
  const std::vector<float> x = random_floats(128 * 6, 9);
  const std::vector<float> rows = multiply(cpu.get(), w, x, 6);
  CHECK(distance(rows, reference(w, x)) < 5e-3);
  CHECK(multiply(cpu.get(), w, x, 6, 1, 12) == rows);
  CHECK(distance(multiply(cpu.get(), w, x, 3, 2), rows) < 5e-3);
  CHECK(distance(multiply(cpu.get(), w, x, 3, 2, 4), rows) < 5e-3);
}

TEST_CASE("plugin: takes projections and heads of its types, and leaves the rest to ggml") {
  const ggml_backend_buffer_type_t ours = our_buffer_type();
  for (const ggml_type type : types) CHECK(offered(ours, "blk.17.attn_q.weight", type));
  CHECK(offered(ours, "output.weight", GGML_TYPE_Q8_0));
  CHECK(offered(ours, "blk.0.attn_qkv.weight", GGML_TYPE_F16));
  CHECK_FALSE(offered(ours, "blk.0.attn_q.weight", GGML_TYPE_Q3_K));
  CHECK_FALSE(offered(ours, "blk.0.ffn_gate_exps.weight", GGML_TYPE_F16));
  CHECK_FALSE(offered(ours, "blk.0.ffn_up.weight", GGML_TYPE_F16, 3));
  CHECK_FALSE(offered(ours, "blk.x.ffn_up.weight", GGML_TYPE_F16));
  CHECK_FALSE(offered(ours, "blk.0.ffn_up.bias", GGML_TYPE_F16));
}

TEST_CASE("plugin: several contexts multiply at once") {
  const ggml_backend_buffer_type_t ours = our_buffer_type();
  const weight w(ours, name, GGML_TYPE_Q4_1, 512, 512);
  const std::vector<float> x = random_floats(512, 10);
  const std::vector<float> alone = multiply(cpu_backend(2).get(), w, x, 1);
  constexpr std::size_t contexts = 4;
  std::vector<std::size_t> wrong(contexts);
  std::vector<std::thread> threads;
  for (std::size_t c = 0; c < contexts; ++c)
    threads.emplace_back([&, c] {
      const backend cpu = cpu_backend(c % 2 == 0 ? 2 : 3);
      for (int round = 0; round < 50; ++round) wrong[c] += multiply(cpu.get(), w, x, 1) != alone;
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == std::vector<std::size_t>(contexts));
}

TEST_CASE("plugin: is there once when it is loaded again") {
  const ggml_backend_reg_t first = load_plugin();
  REQUIRE(first != nullptr);
  const weight w(extra_buffer_type("SPARSELLM"), name, GGML_TYPE_F32, 64, 64);
  const std::vector<float> x = random_floats(64, 11);
  const backend cpu = cpu_backend(2);
  const std::vector<float> before = multiply(cpu.get(), w, x, 1);
  ggml_backend_unload(first);
  CHECK(multiply(cpu.get(), w, x, 1) == before);
  CHECK(load_plugin() == first);
  CHECK(multiply(cpu.get(), w, x, 1) == before);
}

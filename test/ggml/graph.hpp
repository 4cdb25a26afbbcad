// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products as llama.cpp has them: a weight in a buffer of its own, a graph, ggml's CPU backend.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"

namespace ggml_test {

struct context_deleter {
  void operator()(ggml_context* c) const { ggml_free(c); }
};
struct buffer_deleter {
  void operator()(ggml_backend_buffer* b) const { ggml_backend_buffer_free(b); }
};
struct backend_deleter {
  void operator()(ggml_backend* b) const { ggml_backend_free(b); }
};
using context = std::unique_ptr<ggml_context, context_deleter>;
using buffer = std::unique_ptr<ggml_backend_buffer, buffer_deleter>;
using backend = std::unique_ptr<ggml_backend, backend_deleter>;

inline context new_context() {
  return context(ggml_init({ggml_tensor_overhead() * 64 + ggml_graph_overhead(), nullptr, true}));
}

// Loads the plugin; null when it refuses.
inline ggml_backend_reg_t load_plugin() {
  const char* const path = std::getenv("SPARSELLM_TEST_PLUGIN");
  if (path == nullptr)
    throw std::runtime_error("SPARSELLM_TEST_PLUGIN: the plugin's path expected");
  return ggml_backend_load(path);
}

// The CPU backend's extra buffer type of that name; null when it has none.
inline ggml_backend_buffer_type_t extra_buffer_type(const std::string& name) {
  const ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  const auto get =
      reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(ggml_backend_reg_get_proc_address(
          ggml_backend_dev_backend_reg(cpu), "ggml_backend_dev_get_extra_bufts"));
  for (ggml_backend_buffer_type_t* t = get(cpu); *t != nullptr; ++t)
    if (ggml_backend_buft_name(*t) == name) return *t;
  return nullptr;
}

inline std::vector<float> random_floats(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> v(n);
  for (float& x : v) x = normal(random);
  return v;
}

// A weight [outputs, inputs] of random numbers of a type, in a buffer type. group: of as many
// neighbouring inputs the second half is zero; 0 for none.
struct weight {
  weight(ggml_backend_buffer_type_t where, const char* name, ggml_type type, std::int64_t outputs,
         std::int64_t inputs, unsigned seed = 1, std::size_t group = 0)
      : in(new_context()), tensor(ggml_new_tensor_2d(in.get(), type, inputs, outputs)) {
    ggml_set_name(tensor, name);
    place.reset(ggml_backend_alloc_ctx_tensors_from_buft(in.get(), where));
    ggml_backend_buffer_set_usage(place.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    std::vector<float> numbers = random_floats(static_cast<std::size_t>(outputs * inputs), seed);
    for (std::size_t i = 0; group != 0 && i < numbers.size(); ++i)
      if (i % group >= group / 2) numbers[i] = 0;
    std::vector<char> bytes(ggml_nbytes(tensor));
    ggml_quantize_chunk(type, numbers.data(), bytes.data(), 0, outputs, inputs, nullptr);
    ggml_backend_tensor_set(tensor, bytes.data(), 0, bytes.size());
    stored.resize(numbers.size());
    const ggml_type_traits* const traits = ggml_get_type_traits(type);
    for (std::int64_t r = 0; r < outputs; ++r)
      if (float* const row = stored.data() + r * inputs; type == GGML_TYPE_F32)
        std::copy_n(numbers.data() + r * inputs, inputs, row);
      else
        traits->to_float(bytes.data() + static_cast<std::size_t>(r) * ggml_row_size(type, inputs),
                         row, inputs);
  }
  context in;
  ggml_tensor* tensor;
  buffer place;
  std::vector<float> stored;  // the numbers that the bytes stand for
};

inline backend cpu_backend(int threads) {
  backend b(ggml_backend_cpu_init());
  ggml_backend_cpu_set_n_threads(b.get(), threads);
  return b;
}

// y [matrices][tokens][outputs] = W · x [matrices][tokens][inputs]. gap: floats between the rows of
// x.
inline std::vector<float> multiply(ggml_backend_t cpu, const weight& w, const std::vector<float>& x,
                                   std::int64_t tokens, std::int64_t matrices = 1,
                                   std::int64_t gap = 0) {
  const context in = new_context();
  const std::int64_t inputs = w.tensor->ne[0];
  ggml_tensor* const wide =
      ggml_new_tensor_3d(in.get(), GGML_TYPE_F32, inputs + gap, tokens, matrices);
  ggml_tensor* const rows =
      ggml_view_3d(in.get(), wide, inputs, tokens, matrices, wide->nb[1], wide->nb[2], 0);
  ggml_tensor* const y = ggml_mul_mat(in.get(), w.tensor, rows);
  ggml_cgraph* const graph = ggml_new_graph(in.get());
  ggml_build_forward_expand(graph, y);
  const buffer place(ggml_backend_alloc_ctx_tensors(in.get(), cpu));
  for (std::int64_t r = 0; r < tokens * matrices; ++r)
    ggml_backend_tensor_set(wide, x.data() + r * inputs, static_cast<std::size_t>(r) * wide->nb[1],
                            static_cast<std::size_t>(inputs) * sizeof(float));
  if (!ggml_backend_supports_op(cpu, y)) throw std::runtime_error("the product is not supported");
  if (ggml_backend_graph_compute(cpu, graph) != GGML_STATUS_SUCCESS)
    throw std::runtime_error("the graph was not computed");
  std::vector<float> out(static_cast<std::size_t>(ggml_nelements(y)));
  ggml_backend_tensor_get(y, out.data(), 0, ggml_nbytes(y));
  return out;
}

// The same of the stored numbers, in double.
inline std::vector<float> reference(const weight& w, const std::vector<float>& x) {
  const auto inputs = static_cast<std::size_t>(w.tensor->ne[0]);
  const auto outputs = static_cast<std::size_t>(w.tensor->ne[1]);
  std::vector<float> y;
  for (std::size_t t = 0; t < x.size() / inputs; ++t)
    for (std::size_t r = 0; r < outputs; ++r) {
      double sum = 0;
      for (std::size_t c = 0; c < inputs; ++c)
        sum +=
            static_cast<double>(w.stored[r * inputs + c]) * static_cast<double>(x[t * inputs + c]);
      y.push_back(static_cast<float>(sum));
    }
  return y;
}

// |a - b| / |b|
inline double distance(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) throw std::runtime_error("results of different sizes");
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    size += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / size);
}

}  // namespace ggml_test

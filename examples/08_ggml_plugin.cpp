// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// A linear layer of a ggml program on the plugin, as llama.cpp's are: the program loads the plugin,
// places the weight in its buffer type, and computes its graphs as ever. One token skips the
// channels that a threshold table says; a prompt of many tokens is dense.
//   08_ggml_plugin libggml-sparsellm.so
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "sparsellm/sparsellm.hpp"

constexpr std::int64_t outputs = 256, inputs = 512, prompt = 32;
constexpr float tau = 0.7f;

ggml_context* new_context() {
  return ggml_init({ggml_tensor_overhead() * 16 + ggml_graph_overhead(), nullptr, true});
}

// What the CPU backend offers for weights beside its own memory, the plugin's among it.
ggml_backend_buffer_type_t plugin_buffer_type() {
  const auto cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  const auto get =
      reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(ggml_backend_reg_get_proc_address(
          ggml_backend_dev_backend_reg(cpu), "ggml_backend_dev_get_extra_bufts"));
  for (ggml_backend_buffer_type_t* type = get(cpu); *type != nullptr; ++type)
    if (std::strcmp(ggml_backend_buft_name(*type), "SPARSELLM") == 0) return *type;
  return nullptr;
}

// y [tokens][outputs] of x [tokens][inputs], by a graph of one product.
std::vector<float> multiply(ggml_backend_t cpu, ggml_tensor* w, const std::vector<float>& x) {
  ggml_context* const in = new_context();
  ggml_tensor* const rows =
      ggml_new_tensor_2d(in, GGML_TYPE_F32, inputs, static_cast<std::int64_t>(x.size()) / inputs);
  ggml_tensor* const y = ggml_mul_mat(in, w, rows);
  ggml_cgraph* const graph = ggml_new_graph(in);
  ggml_build_forward_expand(graph, y);
  const ggml_backend_buffer_t place = ggml_backend_alloc_ctx_tensors(in, cpu);
  ggml_backend_tensor_set(rows, x.data(), 0, ggml_nbytes(rows));
  std::vector<float> result(static_cast<std::size_t>(ggml_nelements(y)));
  if (ggml_backend_graph_compute(cpu, graph) == GGML_STATUS_SUCCESS)
    ggml_backend_tensor_get(y, result.data(), 0, ggml_nbytes(y));
  ggml_backend_buffer_free(place);
  ggml_free(in);
  return result;
}

// |y - W x| / |W x| of the first token, in double, where |x| <= skipped counts as 0.
double error(const std::vector<float>& y, const std::vector<float>& w, const std::vector<float>& x,
             float skipped) {
  double difference = 0, whole = 0;
  for (std::size_t o = 0; o < outputs; ++o) {
    double exact = 0;
    for (std::size_t i = 0; i < inputs; ++i)
      if (std::fabs(x[i]) > skipped)
        exact += static_cast<double>(w[o * inputs + i]) * static_cast<double>(x[i]);
    difference += std::pow(static_cast<double>(y[o]) - exact, 2);
    whole += exact * exact;
  }
  return std::sqrt(difference / whole);
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: 08_ggml_plugin libggml-sparsellm.so\n");
    return 2;
  }
  // The plugin reads its variables when it is loaded; programs usually get them from the shell.
  sparsellm::threshold_table table;
  table.method = "uniform";
  table.target_sparsity = 0.5;
  table.add({{0, "up"}, {outputs, inputs}, table.target_sparsity, tau});
  save(table, "08_thresholds.json");
  ::setenv("SPARSELLM_THRESHOLDS", "08_thresholds.json", 1);
  if (ggml_backend_load(argv[1]) == nullptr) return 1;  // the reason is on stderr
  const ggml_backend_buffer_type_t ours = plugin_buffer_type();
  if (ours == nullptr) return 1;

  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(outputs * inputs), x(prompt * inputs);
  for (std::vector<float>* v : {&numbers, &x})
    for (float& e : *v) e = normal(random);

  // By its name the plugin knows a weight: block 0, projection up.
  ggml_context* const in = new_context();
  ggml_tensor* const w = ggml_new_tensor_2d(in, GGML_TYPE_F32, inputs, outputs);
  ggml_set_name(w, "blk.0.ffn_up.weight");
  const ggml_backend_buffer_t place = ggml_backend_alloc_ctx_tensors_from_buft(in, ours);
  ggml_backend_buffer_set_usage(place, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
  ggml_backend_tensor_set(w, numbers.data(), 0, ggml_nbytes(w));

  const ggml_backend_t cpu = ggml_backend_cpu_init();
  ggml_backend_cpu_set_n_threads(cpu, 2);
  const std::vector<float> dense = multiply(cpu, w, x);  // y of all tokens; the first is compared
  const std::vector<float> sparse = multiply(cpu, w, {x.begin(), x.begin() + inputs});
  const double off_dense = error(dense, numbers, x, -1),
               off_sparse = error(sparse, numbers, x, tau), lost = error(sparse, numbers, x, -1);
  std::printf(
      "a prompt is dense: off by %.1e; one token skips |x| <= %.1f: off by %.1e, "
      "which changes y by %.0f %%\n",
      off_dense, static_cast<double>(tau), off_sparse, 100 * lost);
  ggml_backend_free(cpu);
  ggml_backend_buffer_free(place);
  ggml_free(in);
  return off_dense < 0.01 && off_sparse < 0.01 && lost > 0.1 && lost < 0.5 ? 0 : 1;
}

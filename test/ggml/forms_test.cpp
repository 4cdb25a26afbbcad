// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The plugin as devices of its own, with ggml's scheduler between them and the CPU. Each case is a
// process of its own: a process has one form.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <vector>

#include "catch2_any.hpp"
#include "ggml/graph.hpp"

using namespace ggml_test;

namespace {

struct scheduler_deleter {
  void operator()(ggml_backend_sched* s) const { ggml_backend_sched_free(s); }
};

// A block's MLP without its gate: down · relu(up · x), as a program computes it that gives the
// scheduler every device's backend. weights: the buffer type that the device offers for them.
std::vector<float> mlp(const std::vector<ggml_backend_t>& backends, const weight& up,
                       const weight& down, const std::vector<float>& x, std::int64_t tokens) {
  const context in = new_context();
  ggml_tensor* const input = ggml_new_tensor_2d(in.get(), GGML_TYPE_F32, up.tensor->ne[0], tokens);
  ggml_set_input(input);
  ggml_tensor* const hidden = ggml_relu(in.get(), ggml_mul_mat(in.get(), up.tensor, input));
  ggml_tensor* const y = ggml_mul_mat(in.get(), down.tensor, hidden);
  ggml_set_output(y);
  ggml_cgraph* const graph = ggml_new_graph(in.get());
  ggml_build_forward_expand(graph, y);
  std::vector<ggml_backend_t> all = backends;
  const std::unique_ptr<ggml_backend_sched, scheduler_deleter> scheduler(ggml_backend_sched_new(
      all.data(), nullptr, static_cast<int>(all.size()), GGML_DEFAULT_GRAPH_SIZE, false, true));
  if (!ggml_backend_sched_alloc_graph(scheduler.get(), graph))
    throw std::runtime_error("the graph was not allocated");
  ggml_backend_tensor_set(input, x.data(), 0, ggml_nbytes(input));
  if (ggml_backend_sched_graph_compute(scheduler.get(), graph) != GGML_STATUS_SUCCESS)
    throw std::runtime_error("the graph was not computed");
  std::vector<float> out(static_cast<std::size_t>(ggml_nelements(y)));
  ggml_backend_tensor_get(y, out.data(), 0, ggml_nbytes(y));
  return out;
}

std::vector<float> relu(std::vector<float> x) {
  for (float& v : x) v = std::max(v, 0.0f);
  return x;
}

void set_threads(ggml_backend_t backend, int threads) {
  const auto set = reinterpret_cast<ggml_backend_set_n_threads_t>(ggml_backend_reg_get_proc_address(
      ggml_backend_dev_backend_reg(ggml_backend_get_device(backend)),
      "ggml_backend_set_n_threads"));
  REQUIRE(set != nullptr);
  set(backend, threads);
}

// The form's devices, each with a backend, and the CPU's behind them.
void mlp_in(const char* form, const std::vector<const char*>& devices) {
  ::setenv("SPARSELLM_FORM", form, 1);
  REQUIRE(load_plugin() != nullptr);
  std::vector<backend> own;
  for (const char* const name : devices) {
    const ggml_backend_dev_t device = ggml_backend_dev_by_name(name);
    REQUIRE(device != nullptr);
    own.emplace_back(ggml_backend_dev_init(device, nullptr));
  }
  const ggml_backend_buffer_type_t place =
      ggml_backend_dev_buffer_type(ggml_backend_dev_by_name(devices[0]));
  for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_Q8_0}) {
    const weight up(place, "blk.0.ffn_up.weight", type, 384, 256, 1);
    const weight down(place, "blk.0.ffn_down.weight", type, 256, 384, 2);
    std::vector<float> once;
    for (const std::int64_t tokens : {1, 20})
      for (const int threads : {1, 2, 3}) {
        const std::vector<float> x = random_floats(static_cast<std::size_t>(256 * tokens), 5);
        const backend cpu = cpu_backend(threads);
        std::vector<ggml_backend_t> all;
        for (const backend& b : own) {
          set_threads(b.get(), threads);
          all.push_back(b.get());
        }
        all.push_back(cpu.get());
        const std::vector<float> y = mlp(all, up, down, x, tokens);
        CHECK(distance(y, reference(down, relu(reference(up, x)))) <
              (type == GGML_TYPE_F32 ? 1e-5 : 2e-2));
        if (threads == 1) once = y;
        CHECK(y == once);
      }
  }
}

}  // namespace

TEST_CASE("forms: two accelerators, one with the weights and one with the products") {
  mlp_in("accelerator", {"SPARSELLM", "SPARSELLM-PRODUCTS"});
}

TEST_CASE("forms: a device that has all of the graph") { mlp_in("device", {"SPARSELLM"}); }

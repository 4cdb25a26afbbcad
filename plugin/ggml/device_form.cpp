// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include <cstddef>

#include "cpu_traits.hpp"
#include "product.hpp"
#include "registration.hpp"
#include "registry_entry.hpp"
#include "weight_buffer.hpp"

namespace sparsellm_ggml {

namespace {

ggml_backend_device& device();

ggml_backend_t inner(ggml_backend_t backend) {
  return static_cast<ggml_backend_t>(backend->context);
}

ggml_backend_t new_backend(ggml_backend_dev_t of, const char*) {
  static ggml_guid guid = {0x73, 0x70, 0x61, 0x72, 0x73, 0x65, 0x6c, 0x6c,
                           0x6d, 0x2d, 0x67, 0x67, 0x6d, 0x6c, 0x2d, 0x32};
  const ggml_backend_t cpu = ggml_backend_dev_init(cpu_device(), nullptr);
  if (cpu == nullptr) return nullptr;
  ggml_backend_i functions{};
  functions.get_name = [](ggml_backend_t) { return "SPARSELLM"; };
  functions.free = [](ggml_backend_t b) {
    ggml_backend_free(inner(b));
    delete b;
  };
  // Products come back to us: our buffer type is among those that the CPU backend asks.
  functions.graph_compute = [](ggml_backend_t b, ggml_cgraph* graph) {
    return ggml_backend_graph_compute(inner(b), graph);
  };
  return new ggml_backend{&guid, functions, of, cpu};
}

void set_threads(ggml_backend_t backend, int threads) {
  const auto set = reinterpret_cast<ggml_backend_set_n_threads_t>(ggml_backend_reg_get_proc_address(
      ggml_backend_dev_backend_reg(cpu_device()), "ggml_backend_set_n_threads"));
  if (set != nullptr) set(inner(backend), threads);
}

// What the CPU runs on tensors of its own it runs on ours, which lie in memory as plainly; but a
// packed weight is for products alone.
bool supports(ggml_backend_dev_t, const ggml_tensor* node) {
  if (is_product(*node)) return true;
  ggml_tensor plain = *node;
  ggml_tensor sources[GGML_MAX_SRC];
  for (int i = 0; i < GGML_MAX_SRC; ++i) {
    if (node->src[i] == nullptr) continue;
    if (keeps_packed(*node->src[i])) return false;
    sources[i] = *node->src[i];
    sources[i].buffer = nullptr;
    plain.src[i] = &sources[i];
  }
  return ggml_backend_dev_supports_op(cpu_device(), &plain);
}

ggml_backend_reg& registration() {
  static ggml_backend_reg reg = registry_entry(
      [](ggml_backend_reg_t) { return std::size_t{1}; },
      [](ggml_backend_reg_t, std::size_t) { return &device(); }, address_of<set_threads>);
  return reg;
}

ggml_backend_device& device() {
  static ggml_backend_device d = [] {
    ggml_backend_device_i f{};
    f.get_name = [](ggml_backend_dev_t) { return "SPARSELLM"; };
    f.get_description = [](ggml_backend_dev_t) { return "sparse products on the CPU"; };
    f.get_memory = [](ggml_backend_dev_t, std::size_t* free, std::size_t* total) {
      ggml_backend_dev_memory(cpu_device(), free, total);
    };
    f.get_type = [](ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_GPU; };
    f.get_props = [](ggml_backend_dev_t self, ggml_backend_dev_props* p) {
      *p = {};
      p->name = ggml_backend_dev_name(self);
      p->description = ggml_backend_dev_description(self);
      p->type = GGML_BACKEND_DEVICE_TYPE_GPU;
      ggml_backend_dev_memory(self, &p->memory_free, &p->memory_total);
    };
    f.init_backend = new_backend;
    f.get_buffer_type = [](ggml_backend_dev_t) { return &weight_buffer_type(); };
    f.supports_op = supports;
    f.supports_buft = [](ggml_backend_dev_t, ggml_backend_buffer_type_t type) {
      return type == &weight_buffer_type() || ggml_backend_buft_is_host(type);
    };
    return ggml_backend_device{f, &registration(), nullptr};
  }();
  return d;
}

}  // namespace

ggml_backend_reg_t register_device() {
  weight_buffer_type().device = &device();
  return join_cpu_backend() ? &registration() : nullptr;
}

}  // namespace sparsellm_ggml

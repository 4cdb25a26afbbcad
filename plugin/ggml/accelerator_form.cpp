// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include <cstddef>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "ggml-impl.h"
#include "log.hpp"
#include "product.hpp"
#include "registration.hpp"
#include "registry_entry.hpp"
#include "weight_buffer.hpp"

namespace sparsellm_ggml {

#ifdef _OPENMP

namespace {

ggml_backend_device& owner();
ggml_backend_device& runner();

struct backend_context {
  int threads = omp_get_max_threads();
};
backend_context& context_of(ggml_backend_t backend) {
  return *static_cast<backend_context*>(backend->context);
}

// Products on OpenMP's threads, which are ggml's: threads of our own beside them would take turns
// with those that spin at ggml's barriers.
ggml_status compute(ggml_backend_t backend, ggml_cgraph* graph) {
#pragma omp parallel num_threads(context_of(backend).threads)
  for (int i = 0; i < graph->n_nodes; ++i) {
    ggml_tensor& node = *graph->nodes[i];
    if (!is_product_op(node.op) || (node.flags & GGML_TENSOR_FLAG_COMPUTE) == 0) continue;
    run_product(backend, omp_get_thread_num(), omp_get_num_threads(), node);
#pragma omp barrier
  }
  return GGML_STATUS_SUCCESS;
}

void set_threads(ggml_backend_t backend, int threads) { context_of(backend).threads = threads; }

ggml_backend_t new_backend(ggml_backend_dev_t device, const char*) {
  static ggml_guid guid = {0x73, 0x70, 0x61, 0x72, 0x73, 0x65, 0x6c, 0x6c,
                           0x6d, 0x2d, 0x67, 0x67, 0x6d, 0x6c, 0x2d, 0x31};
  ggml_backend_i functions{};
  functions.get_name = [](ggml_backend_t b) { return ggml_backend_dev_name(b->device); };
  functions.free = [](ggml_backend_t b) {
    delete &context_of(b);
    delete b;
  };
  functions.graph_compute = compute;
  return new ggml_backend{&guid, functions, device, new backend_context};
}

bool is_empty(ggml_op op) {
  return op == GGML_OP_NONE || op == GGML_OP_RESHAPE || op == GGML_OP_VIEW ||
         op == GGML_OP_PERMUTE || op == GGML_OP_TRANSPOSE;
}

// llama.cpp places weights with the owner, whose buffer type they get. In a graph, where weights
// lie in buffers that say so, the runner has the products.
bool supports(ggml_backend_dev_t device, const ggml_tensor* node) {
  if (is_empty(node->op)) return device == &runner();
  if (!is_product(*node)) return false;
  const bool placed = node->src[0]->buffer->usage == GGML_BACKEND_BUFFER_USAGE_WEIGHTS;
  return placed == (device == &runner());
}

ggml_backend_device_i device_functions() {
  ggml_backend_device_i f{};
  f.get_name = [](ggml_backend_dev_t d) {
    return d == &owner() ? "SPARSELLM" : "SPARSELLM-PRODUCTS";
  };
  f.get_description = [](ggml_backend_dev_t) { return "sparse products on the CPU"; };
  f.get_memory = [](ggml_backend_dev_t, std::size_t* free, std::size_t* total) {
    *free = *total = 0;  // the CPU's, which reports it
  };
  f.get_type = [](ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_ACCEL; };
  f.get_props = [](ggml_backend_dev_t d, ggml_backend_dev_props* p) {
    *p = {};
    p->name = ggml_backend_dev_name(d);
    p->description = ggml_backend_dev_description(d);
    p->type = GGML_BACKEND_DEVICE_TYPE_ACCEL;
    p->caps.mmap_support = true;
  };
  f.init_backend = new_backend;
  f.get_buffer_type = [](ggml_backend_dev_t d) {
    return d == &owner() ? &weight_buffer_type() : ggml_backend_dev_buffer_type(cpu_device());
  };
  f.supports_op = supports;
  f.supports_buft = [](ggml_backend_dev_t d, ggml_backend_buffer_type_t type) {
    return type == &weight_buffer_type() || (d == &runner() && ggml_backend_buft_is_host(type));
  };
  return f;
}

ggml_backend_reg& registration() {
  static ggml_backend_reg reg = registry_entry(
      [](ggml_backend_reg_t) { return std::size_t{2}; },
      [](ggml_backend_reg_t, std::size_t i) { return i == 0 ? &owner() : &runner(); },
      address_of<set_threads>);
  return reg;
}
ggml_backend_device& owner() {
  static ggml_backend_device device{device_functions(), &registration(), nullptr};
  return device;
}
ggml_backend_device& runner() {
  static ggml_backend_device device{device_functions(), &registration(), nullptr};
  return device;
}

}  // namespace

ggml_backend_reg_t register_accelerators() {
  if (cpu_device_or_say() == nullptr) return nullptr;
  weight_buffer_type().device = &owner();
  return &registration();
}

#else

ggml_backend_reg_t register_accelerators() {
  say("SPARSELLM_FORM=accelerator needs a plugin that was built with OpenMP");
  return nullptr;
}

#endif

}  // namespace sparsellm_ggml

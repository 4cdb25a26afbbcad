// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "cpu_traits.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <vector>

#include "ggml-cpu/traits.h"
#include "log.hpp"
#include "product.hpp"
#include "registry_entry.hpp"
#include "sparsellm/core/error.hpp"
#include "weight_buffer.hpp"

// ggml declares these and has them in its CPU library, which a plugin cannot link to: where
// backends are loaded at run time its symbols are nobody else's.
namespace ggml::cpu {
tensor_traits::~tensor_traits() = default;
extra_buffer_type::~extra_buffer_type() = default;
}  // namespace ggml::cpu

namespace sparsellm_ggml {

namespace {

class product_traits final : public ggml::cpu::tensor_traits {
 public:
  // Asked for each node when a graph is planned: the place to say that ggml is to run it, whose own
  // kernels then say how much memory they need. Our products need none of it.
  bool work_size(int, const ggml_tensor* node, std::size_t& size) override {
    if (!plan_product(*const_cast<ggml_tensor*>(node))) return false;
    size = 0;
    return true;
  }
  bool compute_forward(ggml_compute_params* params, ggml_tensor* node) override {
    run_product(params->threadpool, params->ith, params->nth, *node);
    return true;
  }
};

class placement final : public ggml::cpu::extra_buffer_type {
 public:
  bool supports_op(ggml_backend_dev_t, const ggml_tensor* node) override {
    return is_product(*node);
  }
  // Asked for every node of every graph, by every thread.
  ggml::cpu::tensor_traits* get_tensor_traits(const ggml_tensor* node) override {
    const bool ours = is_product_op(node->op) && holds_packed(*node->src[0]);
    return ours ? &traits_ : nullptr;
  }

 private:
  product_traits traits_;
};

using buffer_types = std::vector<ggml_backend_buffer_type_t>;

// ggml_backend_cpu_get_extra_buffer_types() of the library that the CPU backend is in; null where
// it is not exported.
buffer_types* extra_buffer_types(const ggml_backend_device& cpu) {
  Dl_info where{};
  if (::dladdr(reinterpret_cast<const void*>(cpu.iface.get_name), &where) == 0) return nullptr;
  void* library = ::dlopen(where.dli_fname, RTLD_NOLOAD | RTLD_LAZY);
  if (library == nullptr) library = ::dlopen(nullptr, RTLD_LAZY);  // in the program itself
  if (library == nullptr) return nullptr;
  using function = buffer_types& (*)();
  const auto list =
      reinterpret_cast<function>(::dlsym(library, "_Z39ggml_backend_cpu_get_extra_buffer_typesv"));
  ::dlclose(library);  // it stays loaded: the registry has it
  return list == nullptr ? nullptr : &list();
}

}  // namespace

bool join_cpu_backend() {
  const ggml_backend_dev_t cpu = cpu_device_or_say();
  if (cpu == nullptr) return false;
  buffer_types* const types = extra_buffer_types(*cpu);
  if (types == nullptr) {
    say("the program's CPU backend does not export its extra buffer types");
    return false;
  }
  static placement place;
  ggml_backend_buffer_type& ours = weight_buffer_type();
  ours.context = static_cast<ggml::cpu::extra_buffer_type*>(&place);
  if (std::find(types->begin(), types->end(), &ours) == types->end())
    types->insert(types->begin(), &ours);
  return true;
}

}  // namespace sparsellm_ggml

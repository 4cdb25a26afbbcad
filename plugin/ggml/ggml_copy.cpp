// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "ggml_copy.hpp"

#include <cstdint>
#include <new>

#include "ggml-alloc.h"
#include "projection.hpp"
#include "registry_entry.hpp"
#include "weight_buffer.hpp"

namespace sparsellm_ggml {

namespace {

// Tensors without memory.
ggml_context* new_context() {
  ggml_context* const c = ggml_init({ggml_tensor_overhead() * 8, nullptr, true});
  if (c == nullptr) throw std::bad_alloc();
  return c;
}

// As llama.cpp asks: with an empty buffer of the type, and a batch.
bool takes(ggml_backend_dev_t cpu, ggml_backend_buffer_type_t type, const ggml_tensor& weight) {
  ggml_context* const c = new_context();
  ggml_tensor* const w = ggml_dup_tensor(c, &weight);
  constexpr std::int64_t tokens = 512;
  ggml_tensor* const x = ggml_new_tensor_3d(c, GGML_TYPE_F32, weight.ne[0], 1, tokens);
  ggml_tensor* const product =
      is_of_experts(weight)
          ? ggml_mul_mat_id(c, w, x, ggml_new_tensor_2d(c, GGML_TYPE_I32, 1, tokens))
          : ggml_mul_mat(c, w, ggml_reshape_2d(c, x, weight.ne[0], tokens));
  w->buffer = ggml_backend_buft_alloc_buffer(type, 0);
  const bool taken = w->buffer != nullptr && ggml_backend_dev_supports_op(cpu, product);
  ggml_backend_buffer_free(w->buffer);
  ggml_free(c);
  return taken;
}

ggml_backend_buffer_type_t place_for(const ggml_tensor& weight) {
  const ggml_backend_dev_t cpu = cpu_device();
  const auto extra =
      reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(ggml_backend_reg_get_proc_address(
          ggml_backend_dev_backend_reg(cpu), "ggml_backend_dev_get_extra_bufts"));
  if (extra != nullptr)
    for (ggml_backend_buffer_type_t* t = extra(cpu); t != nullptr && *t != nullptr; ++t)
      if (*t != &weight_buffer_type() && takes(cpu, *t, weight)) return *t;
  return ggml_backend_dev_buffer_type(cpu);
}

}  // namespace

ggml_copy::ggml_copy(const ggml_tensor& weight, const void* data)
    : context_(new_context()), tensor_(ggml_dup_tensor(context_.get(), &weight)) {
  ggml_set_name(tensor_, weight.name);
  buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(context_.get(), place_for(weight)));
  if (buffer_ == nullptr) throw std::bad_alloc();
  ggml_backend_buffer_set_usage(buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
  ggml_backend_tensor_set(tensor_, data, 0, ggml_nbytes(tensor_));
}

}  // namespace sparsellm_ggml

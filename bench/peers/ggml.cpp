// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// ggml's mul_mat on its CPU backend, the way llama.cpp calls it: a persistent pool of threads, and
// weights in the repacked layout where ggml has one for the type (Q4_0 here; others stay as in the
// file).
#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>

#include <cstring>
#include <stdexcept>
#include <vector>

#include "peers.hpp"
#include "shapes.hpp"

namespace bench {
namespace {

class ggml_gemv final : public peer_gemv {
 public:
  ggml_gemv(std::string name, ggml_type type) : name_(std::move(name)), type_(type) {}
  ~ggml_gemv() override { clear(); }

  [[nodiscard]] std::string name() const override { return "ggml/" + name_; }
  [[nodiscard]] std::string version() const override { return ggml_version(); }
  [[nodiscard]] double bytes(sparsellm::extents e) const override {
    return static_cast<double>(ggml_row_size(type_, static_cast<std::int64_t>(e.inputs))) *
           static_cast<double>(e.outputs);
  }

  void prepare(sparsellm::extents shape, std::size_t threads) override {
    if (shape == shape_) return;
    clear();
    shape_ = shape;
    const auto in = static_cast<std::int64_t>(shape.inputs);
    const auto out = static_cast<std::int64_t>(shape.outputs);
    backend_ = ggml_backend_cpu_init();
    ggml_threadpool_params params = ggml_threadpool_params_default(static_cast<int>(threads));
    pool_ = ggml_threadpool_new(&params);
    ggml_backend_cpu_set_n_threads(backend_, static_cast<int>(threads));
    ggml_backend_cpu_set_threadpool(backend_, pool_);

    std::vector<float> rows(shape.inputs * shape.outputs);
    for (std::size_t r = 0; r < shape.outputs; ++r)
      fill_row(r, {rows.data() + r * shape.inputs, shape.inputs});
    std::vector<char> packed(static_cast<std::size_t>(bytes(shape)));
    ggml_quantize_chunk(type_, rows.data(), packed.data(), 0, out, in, nullptr);

    const std::size_t copies = rotation(packed.size());
    const ggml_init_params sizes{copies * (ggml_graph_overhead_custom(8, false) + 1024) +
                                     ggml_tensor_overhead() * (copies * 2 + 8),
                                 nullptr, true};
    weights_context_ = ggml_init(sizes);
    context_ = ggml_init(sizes);
    std::vector<ggml_tensor*> weights;
    for (std::size_t i = 0; i < copies; ++i)
      weights.push_back(ggml_new_tensor_2d(weights_context_, type_, in, out));
    x_ = ggml_new_tensor_1d(context_, GGML_TYPE_F32, in);
    for (ggml_tensor* w : weights) {
      ggml_cgraph* const graph = ggml_new_graph_custom(context_, 8, false);
      y_.push_back(ggml_mul_mat(context_, w, x_));
      ggml_build_forward_expand(graph, y_.back());
      graphs_.push_back(graph);
    }
    weights_buffer_ = ggml_backend_alloc_ctx_tensors_from_buft(
        weights_context_, buffer_type_for(weights.front(), y_.front()));
    buffer_ = ggml_backend_alloc_ctx_tensors(context_, backend_);
    if (weights_buffer_ == nullptr || buffer_ == nullptr)
      throw std::runtime_error("ggml: no memory");
    for (ggml_tensor* w : weights) ggml_backend_tensor_set(w, packed.data(), 0, packed.size());
  }

  void run(const float* x, float* y) override {
    std::memcpy(x_->data, x, shape_.inputs * sizeof(float));
    ggml_backend_graph_compute(backend_, graphs_[at_]);
    std::memcpy(y, y_[at_]->data, shape_.outputs * sizeof(float));
    at_ = (at_ + 1) % graphs_.size();
  }

 private:
  // The first of the CPU's special buffer types that takes this product, else the plain one.
  ggml_backend_buffer_type_t buffer_type_for(ggml_tensor* w, const ggml_tensor* product) const {
    ggml_backend_dev_t const device = ggml_backend_get_device(backend_);
    const auto extra =
        reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(ggml_backend_reg_get_proc_address(
            ggml_backend_dev_backend_reg(device), "ggml_backend_dev_get_extra_bufts"));
    for (ggml_backend_buffer_type_t* t = extra == nullptr ? nullptr : extra(device);
         t != nullptr && *t != nullptr; ++t) {
      // As llama.cpp asks: with a buffer of no bytes standing for the weight's.
      w->buffer = ggml_backend_buft_alloc_buffer(*t, 0);
      const bool takes = ggml_backend_dev_supports_op(device, product);
      ggml_backend_buffer_free(w->buffer);
      w->buffer = nullptr;
      if (takes) return *t;
    }
    return ggml_backend_get_default_buffer_type(backend_);
  }

  void clear() {
    if (backend_ == nullptr) return;
    ggml_backend_buffer_free(weights_buffer_);
    ggml_backend_buffer_free(buffer_);
    ggml_free(weights_context_);
    ggml_free(context_);
    ggml_backend_free(backend_);
    ggml_threadpool_free(pool_);
    graphs_.clear();
    y_.clear();
    backend_ = nullptr;
    at_ = 0;
  }

  std::string name_;
  ggml_type type_;
  sparsellm::extents shape_{};
  ggml_backend_t backend_ = nullptr;
  ggml_threadpool_t pool_ = nullptr;
  ggml_context *weights_context_ = nullptr, *context_ = nullptr;
  ggml_backend_buffer_t weights_buffer_ = nullptr, buffer_ = nullptr;
  ggml_tensor* x_ = nullptr;
  std::vector<ggml_tensor*> y_;
  std::vector<ggml_cgraph*> graphs_;
  std::size_t at_ = 0;
};

}  // namespace

void add_ggml(std::vector<std::shared_ptr<peer_gemv>>& to) {
  to.push_back(std::make_shared<ggml_gemv>("bf16", GGML_TYPE_BF16));
  to.push_back(std::make_shared<ggml_gemv>("q8_0", GGML_TYPE_Q8_0));
  to.push_back(std::make_shared<ggml_gemv>("q4_0", GGML_TYPE_Q4_0));
  to.push_back(std::make_shared<ggml_gemv>("q4_1", GGML_TYPE_Q4_1));
}

}  // namespace bench

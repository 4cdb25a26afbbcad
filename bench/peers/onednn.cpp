// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// oneDNN's matmul with one row, weights in the format it asks for, bf16 in and f32 out.
#include <omp.h>

#include <dnnl.hpp>
#include <vector>

#include "peers.hpp"
#include "shapes.hpp"
#include "sparsellm/core/scalar.hpp"

namespace bench {
namespace {

class onednn_bf16 final : public peer_gemv {
 public:
  [[nodiscard]] std::string name() const override { return "onednn/bf16"; }
  [[nodiscard]] std::string version() const override {
    const dnnl_version_t* v = dnnl_version();
    return std::to_string(v->major) + "." + std::to_string(v->minor) + "." +
           std::to_string(v->patch);
  }
  [[nodiscard]] double bytes(sparsellm::extents e) const override {
    return static_cast<double>(e.outputs * e.inputs) * 2;
  }

  void prepare(sparsellm::extents shape, std::size_t threads) override {
    if (shape == shape_) return;
    shape_ = shape;
    omp_set_num_threads(static_cast<int>(threads));
    using dt = dnnl::memory::data_type;
    using tag = dnnl::memory::format_tag;
    const auto in = static_cast<dnnl::memory::dim>(shape.inputs);
    const auto out = static_cast<dnnl::memory::dim>(shape.outputs);
    const dnnl::memory::desc x({1, in}, dt::bf16, tag::ab), any({in, out}, dt::bf16, tag::any),
        y({1, out}, dt::f32, tag::ab), plain({in, out}, dt::f32, tag::ba);
    const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(x, any, y), engine_);
    matmul_ = dnnl::matmul(description);
    x_ = dnnl::memory(x, engine_);
    y_ = dnnl::memory(y, engine_);
    std::vector<float> rows(shape.inputs * shape.outputs);
    for (std::size_t r = 0; r < shape.outputs; ++r)
      fill_row(r, {rows.data() + r * shape.inputs, shape.inputs});
    dnnl::memory source(plain, engine_, rows.data());
    weights_.clear();
    for (std::size_t i = 0; i < rotation(shape.inputs * shape.outputs * 2); ++i) {
      weights_.emplace_back(description.weights_desc(), engine_);
      dnnl::reorder(source, weights_.back()).execute(stream_, source, weights_.back());
    }
    stream_.wait();
  }

  void run(const float* x, float* y) override {
    auto* const rounded = static_cast<sparsellm::bfloat16*>(x_.get_data_handle());
    for (std::size_t c = 0; c < shape_.inputs; ++c)
      rounded[c] = sparsellm::narrow<sparsellm::bfloat16>(x[c]);
    y_.set_data_handle(y);
    matmul_.execute(stream_,
                    {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, weights_[at_]}, {DNNL_ARG_DST, y_}});
    stream_.wait();
    at_ = (at_ + 1) % weights_.size();
  }

 private:
  sparsellm::extents shape_{};
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::matmul matmul_;
  dnnl::memory x_, y_;
  std::vector<dnnl::memory> weights_;
  std::size_t at_ = 0;
};

}  // namespace

void add_onednn(std::vector<std::shared_ptr<peer_gemv>>& to) {
  to.push_back(std::make_shared<onednn_bf16>());
}

}  // namespace bench

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// OpenBLAS's sgemv: it has no bfloat16 product in Debian, so it reads twice the bytes.
#include <cblas.h>

#include <vector>

#include "peers.hpp"
#include "shapes.hpp"

extern "C" {
void openblas_set_num_threads(int);
char* openblas_get_config();
}

namespace bench {
namespace {

class openblas_f32 final : public peer_gemv {
 public:
  [[nodiscard]] std::string name() const override { return "openblas/f32"; }
  [[nodiscard]] std::string version() const override { return openblas_get_config(); }
  [[nodiscard]] double bytes(sparsellm::extents e) const override {
    return static_cast<double>(e.outputs * e.inputs) * 4;
  }

  void prepare(sparsellm::extents shape, std::size_t threads) override {
    if (shape == shape_) return;
    shape_ = shape;
    openblas_set_num_threads(static_cast<int>(threads));
    weights_.clear();
    for (std::size_t i = 0; i < rotation(shape.inputs * shape.outputs * 4); ++i) {
      weights_.emplace_back(shape.inputs * shape.outputs);
      for (std::size_t r = 0; r < shape.outputs; ++r)
        fill_row(r, {weights_.back().data() + r * shape.inputs, shape.inputs});
    }
  }

  void run(const float* x, float* y) override {
    cblas_sgemv(CblasRowMajor, CblasNoTrans, static_cast<int>(shape_.outputs),
                static_cast<int>(shape_.inputs), 1.0f, weights_[at_].data(),
                static_cast<int>(shape_.inputs), x, 1, 0.0f, y, 1);
    at_ = (at_ + 1) % weights_.size();
  }

 private:
  sparsellm::extents shape_{};
  std::vector<std::vector<float>> weights_;
  std::size_t at_ = 0;
};

}  // namespace

void add_openblas(std::vector<std::shared_ptr<peer_gemv>>& to) {
  to.push_back(std::make_shared<openblas_f32>());
}

}  // namespace bench

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Eigen's matrix-vector product, compiled for this machine. It runs on one thread, so our pool
// gives each thread a share of the rows.
#include <Eigen/Core>
#include <vector>

#include "peers.hpp"
#include "shapes.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

namespace bench {
namespace {

class eigen_f32 final : public peer_gemv {
 public:
  using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  [[nodiscard]] std::string name() const override { return "eigen/f32"; }
  [[nodiscard]] std::string version() const override {
    return std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
           std::to_string(EIGEN_MINOR_VERSION);
  }
  [[nodiscard]] double bytes(sparsellm::extents e) const override {
    return static_cast<double>(e.outputs * e.inputs) * 4;
  }

  void prepare(sparsellm::extents shape, std::size_t threads) override {
    if (shape == shape_) return;
    shape_ = shape;
    exec_ = std::make_unique<sparsellm::cpu::executor>(threads);
    weights_.clear();
    for (std::size_t i = 0; i < rotation(shape.inputs * shape.outputs * 4); ++i) {
      weights_.emplace_back(shape.outputs, shape.inputs);
      for (std::size_t r = 0; r < shape.outputs; ++r)
        fill_row(r, {weights_.back().data() + r * shape.inputs, shape.inputs});
    }
  }

  void run(const float* x, float* y) override {
    const std::size_t tasks = exec_->concurrency();
    exec_->parallel_for(tasks, [&](std::size_t t) {
      const auto first = static_cast<Eigen::Index>(shape_.outputs * t / tasks);
      const auto n = static_cast<Eigen::Index>(shape_.outputs * (t + 1) / tasks) - first;
      const auto in = static_cast<Eigen::Index>(shape_.inputs);
      Eigen::Map<Eigen::VectorXf>(y + first, n).noalias() =
          weights_[at_].middleRows(first, n) * Eigen::Map<const Eigen::VectorXf>(x, in);
    });
    at_ = (at_ + 1) % weights_.size();
  }

 private:
  sparsellm::extents shape_{};
  std::unique_ptr<sparsellm::cpu::executor> exec_;
  std::vector<matrix> weights_;
  std::size_t at_ = 0;
};

}  // namespace

void add_eigen(std::vector<std::shared_ptr<peer_gemv>>& to) {
  to.push_back(std::make_shared<eigen_f32>());
}

}  // namespace bench

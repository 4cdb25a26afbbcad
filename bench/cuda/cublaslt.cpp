// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// cuBLASLt's dense product, with the algorithm that its heuristic puts first.
#include <cublasLt.h>

#include "cuda/peers.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cuda/copy.cuh"

namespace bench {
namespace {

using sparsellm::cuda::device_buffer;

void check(cublasStatus_t status, const char* what) {
  sparsellm::require<sparsellm::device_error>(status == CUBLAS_STATUS_SUCCESS, "cublaslt: ", what,
                                              ": ", cublasLtGetStatusString(status));
}

class cublaslt final : public cuda_peer {
 public:
  cublaslt() {
    check(cublasLtCreate(&handle_), "handle");
    check(cublasLtMatmulDescCreate(&product_, CUBLAS_COMPUTE_32F, CUDA_R_32F), "product");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    check(cublasLtMatmulDescSetAttribute(product_, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                         sizeof transposed),
          "transposition");
    check(cublasLtMatmulPreferenceCreate(&wanted_), "preference");
    check(cublasLtMatmulPreferenceSetAttribute(wanted_, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                               &workspace_bytes, sizeof workspace_bytes),
          "workspace");
  }
  cublaslt(const cublaslt&) = delete;
  cublaslt& operator=(const cublaslt&) = delete;
  ~cublaslt() override {
    forget();
    (void)cublasLtMatmulPreferenceDestroy(wanted_);
    (void)cublasLtMatmulDescDestroy(product_);
    (void)cublasLtDestroy(handle_);
  }

  [[nodiscard]] std::string name() const override { return "cublaslt/bf16"; }
  [[nodiscard]] std::string version() const override {
    return std::to_string(cublasLtGetVersion());
  }
  [[nodiscard]] double bytes(sparsellm::extents e) const override {
    return 2.0 * static_cast<double>(e.outputs) * static_cast<double>(e.inputs);
  }
  [[nodiscard]] bool takes(std::size_t) const override { return true; }

  void prepare(sparsellm::extents e, std::size_t tokens, std::size_t copies,
               cudaStream_t stream) override {
    forget();
    weight_size_ = e.outputs * e.inputs;
    weights_ = device_buffer<std::uint16_t>(stream, copies * weight_size_);
    x_ = device_buffer<std::uint16_t>(stream, tokens * e.inputs);
    y_ = device_buffer<float>(stream, tokens * e.outputs);
    workspace_ = device_buffer<std::byte>(stream, workspace_bytes);
    // 0x3c3c is 0.0115: any finite value takes the same time.
    sparsellm::cuda::check(
        cudaMemsetAsync(weights_.data(), 0x3c, weights_.size() * sizeof(std::uint16_t), stream),
        "cublaslt: weights");
    sparsellm::cuda::check(
        cudaMemsetAsync(x_.data(), 0x3c, x_.size() * sizeof(std::uint16_t), stream), "cublaslt: x");
    // Column-major: its columns are the rows of W, and each column of y is a token.
    check(cublasLtMatrixLayoutCreate(&w_layout_, CUDA_R_16BF, e.inputs, e.outputs,
                                     static_cast<std::int64_t>(e.inputs)),
          "layout");
    check(cublasLtMatrixLayoutCreate(&x_layout_, CUDA_R_16BF, e.inputs, tokens,
                                     static_cast<std::int64_t>(e.inputs)),
          "layout");
    check(cublasLtMatrixLayoutCreate(&y_layout_, CUDA_R_32F, e.outputs, tokens,
                                     static_cast<std::int64_t>(e.outputs)),
          "layout");
    int found = 0;
    check(cublasLtMatmulAlgoGetHeuristic(handle_, product_, w_layout_, x_layout_, y_layout_,
                                         y_layout_, wanted_, 1, &chosen_, &found),
          "heuristic");
    sparsellm::require<sparsellm::device_error>(found == 1, "cublaslt: no algorithm for ",
                                                e.outputs, "x", e.inputs, " and ", tokens,
                                                " tokens");
  }
  void run(std::size_t copy, cudaStream_t stream) override {
    const float one = 1.0f, zero = 0.0f;
    check(cublasLtMatmul(handle_, product_, &one, weights_.data() + copy * weight_size_, w_layout_,
                         x_.data(), x_layout_, &zero, y_.data(), y_layout_, y_.data(), y_layout_,
                         &chosen_.algo, workspace_.data(), workspace_bytes, stream),
          "product");
  }

 private:
  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

  void forget() {
    for (cublasLtMatrixLayout_t* layout : {&w_layout_, &x_layout_, &y_layout_}) {
      if (*layout != nullptr) (void)cublasLtMatrixLayoutDestroy(*layout);
      *layout = nullptr;
    }
  }

  cublasLtHandle_t handle_ = nullptr;
  cublasLtMatmulDesc_t product_ = nullptr;
  cublasLtMatmulPreference_t wanted_ = nullptr;
  cublasLtMatrixLayout_t w_layout_ = nullptr, x_layout_ = nullptr, y_layout_ = nullptr;
  cublasLtMatmulHeuristicResult_t chosen_{};
  std::size_t weight_size_ = 0;
  device_buffer<std::uint16_t> weights_, x_;
  device_buffer<float> y_;
  device_buffer<std::byte> workspace_;
};

}  // namespace

void add_cublaslt(std::vector<std::shared_ptr<cuda_peer>>& to) {
  to.push_back(std::make_shared<cublaslt>());
}

}  // namespace bench

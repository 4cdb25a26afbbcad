// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// cuSPARSELt's 2:4 product, its algorithm searched for as its documentation advises.
#include <cusparseLt.h>

#include "cuda/peers.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cuda/copy.cuh"

namespace bench {
namespace {

using sparsellm::cuda::device_buffer;

void check(cusparseStatus_t status, const char* what) {
  sparsellm::require<sparsellm::device_error>(status == CUSPARSE_STATUS_SUCCESS,
                                              "cusparselt: ", what, ": ",
                                              cusparseLtGetErrorString(status));
}

class cusparselt final : public cuda_peer {
 public:
  cusparselt() { check(cusparseLtInit(&handle_), "handle"); }
  cusparselt(const cusparselt&) = delete;
  cusparselt& operator=(const cusparselt&) = delete;
  ~cusparselt() override {
    forget();
    (void)cusparseLtDestroy(&handle_);
  }

  [[nodiscard]] std::string name() const override { return "cusparselt/bf16/2:4"; }
  [[nodiscard]] std::string version() const override {
    int version = 0;
    check(cusparseLtGetVersion(&handle_, &version), "version");
    return std::to_string(version);
  }
  // Kept values, and two bits for each.
  [[nodiscard]] double bytes(sparsellm::extents e) const override {
    return 1.125 * static_cast<double>(e.outputs) * static_cast<double>(e.inputs);
  }
  [[nodiscard]] bool takes(std::size_t tokens) const override { return tokens % 8 == 0; }

  void prepare(sparsellm::extents e, std::size_t tokens, std::size_t copies,
               cudaStream_t stream) override {
    forget();
    const auto outputs = static_cast<std::int64_t>(e.outputs),
               inputs = static_cast<std::int64_t>(e.inputs),
               columns = static_cast<std::int64_t>(tokens);
    constexpr std::uint32_t alignment = 16;
    check(cusparseLtStructuredDescriptorInit(&handle_, &w_, outputs, inputs, inputs, alignment,
                                             CUDA_R_16BF, CUSPARSE_ORDER_ROW,
                                             CUSPARSELT_SPARSITY_50_PERCENT),
          "weight");
    check(cusparseLtDenseDescriptorInit(&handle_, &x_of_, inputs, columns, inputs, alignment,
                                        CUDA_R_16BF, CUSPARSE_ORDER_COL),
          "x");
    check(cusparseLtDenseDescriptorInit(&handle_, &y_of_, outputs, columns, outputs, alignment,
                                        CUDA_R_16BF, CUSPARSE_ORDER_COL),
          "y");
    check(cusparseLtMatmulDescriptorInit(&handle_, &product_, CUSPARSE_OPERATION_NON_TRANSPOSE,
                                         CUSPARSE_OPERATION_NON_TRANSPOSE, &w_, &x_of_, &y_of_,
                                         &y_of_, CUSPARSE_COMPUTE_32F),
          "product");
    check(cusparseLtMatmulAlgSelectionInit(&handle_, &algorithm_, &product_,
                                           CUSPARSELT_MATMUL_ALG_DEFAULT),
          "algorithm");
    check(cusparseLtMatmulPlanInit(&handle_, &plan_, &product_, &algorithm_), "plan");
    planned_ = true;

    device_buffer<std::uint16_t> dense(stream, e.outputs * e.inputs);
    x_ = device_buffer<std::uint16_t>(stream, tokens * e.inputs);
    y_ = device_buffer<std::uint16_t>(stream, tokens * e.outputs);
    const auto fill = [&](device_buffer<std::uint16_t>& b) {
      sparsellm::cuda::check(
          cudaMemsetAsync(b.data(), 0x3c, b.size() * sizeof(std::uint16_t), stream),
          "cusparselt: memory");
    };
    fill(dense);
    fill(x_);
    check(cusparseLtSpMMAPrune(&handle_, &product_, dense.data(), dense.data(),
                               CUSPARSELT_PRUNE_SPMMA_STRIP, stream),
          "pruning");
    std::size_t scratch_bytes = 0;
    check(cusparseLtSpMMACompressedSize(&handle_, &plan_, &weight_bytes_, &scratch_bytes), "size");
    weight_bytes_ = (weight_bytes_ + 255) / 256 * 256;
    weights_ = device_buffer<std::byte>(stream, copies * weight_bytes_);
    device_buffer<std::byte> scratch(stream, scratch_bytes);
    for (std::size_t i = 0; i < copies; ++i)
      check(cusparseLtSpMMACompress(&handle_, &plan_, dense.data(),
                                    weights_.data() + i * weight_bytes_, scratch.data(), stream),
            "compression");
    const float one = 1.0f, zero = 0.0f;
    check(cusparseLtMatmulSearch(&handle_, &plan_, &one, weights_.data(), x_.data(), &zero,
                                 y_.data(), y_.data(), nullptr, &stream, 1),
          "search");
    std::size_t workspace = 0;
    check(cusparseLtMatmulGetWorkspace(&handle_, &plan_, &workspace), "workspace");
    workspace_ = device_buffer<std::byte>(stream, workspace);
  }
  void run(std::size_t copy, cudaStream_t stream) override {
    const float one = 1.0f, zero = 0.0f;
    check(cusparseLtMatmul(&handle_, &plan_, &one, weights_.data() + copy * weight_bytes_,
                           x_.data(), &zero, y_.data(), y_.data(), workspace_.data(), &stream, 1),
          "product");
  }

 private:
  void forget() {
    if (!planned_) return;
    (void)cusparseLtMatmulPlanDestroy(&plan_);
    (void)cusparseLtMatmulAlgSelectionDestroy(&algorithm_);
    for (cusparseLtMatDescriptor_t* d : {&w_, &x_of_, &y_of_})
      (void)cusparseLtMatDescriptorDestroy(d);
    planned_ = false;
  }

  cusparseLtHandle_t handle_{};
  cusparseLtMatDescriptor_t w_{}, x_of_{}, y_of_{};
  cusparseLtMatmulDescriptor_t product_{};
  cusparseLtMatmulAlgSelection_t algorithm_{};
  cusparseLtMatmulPlan_t plan_{};
  bool planned_ = false;
  std::size_t weight_bytes_ = 0;
  device_buffer<std::uint16_t> x_, y_;
  device_buffer<std::byte> weights_, workspace_;
};

}  // namespace

void add_cusparselt(std::vector<std::shared_ptr<cuda_peer>>& to) {
  to.push_back(std::make_shared<cusparselt>());
}

}  // namespace bench

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// cuBLASLt's dense product, with any of the algorithms that its heuristic puts first.
#include "cuda/measure/peers.hpp"

#if !__has_include(<cublasLt.h>)
#include "sparsellm/core/error.hpp"

std::unique_ptr<bench::cuda_peer> bench::make_cublaslt() {
  sparsellm::raise<sparsellm::error>("the machine that built this had no cublasLt.h");
}
#else
#include <cublasLt.h>

#include <array>
#include <cstdint>

#include "cuda/measure/random.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cuda/device_buffer.cuh"

namespace bench {
namespace {

using sparsellm::cuda::device_buffer;

// The library's functions that are used, found when the program runs.
struct functions {
  functions() {
    library.take(create, "cublasLtCreate");
    library.take(destroy, "cublasLtDestroy");
    library.take(version, "cublasLtGetVersion");
    library.take(describe, "cublasLtMatmulDescCreate");
    library.take(set, "cublasLtMatmulDescSetAttribute");
    library.take(forget, "cublasLtMatmulDescDestroy");
    library.take(prefer, "cublasLtMatmulPreferenceCreate");
    library.take(set_preference, "cublasLtMatmulPreferenceSetAttribute");
    library.take(forget_preference, "cublasLtMatmulPreferenceDestroy");
    library.take(lay_out, "cublasLtMatrixLayoutCreate");
    library.take(forget_layout, "cublasLtMatrixLayoutDestroy");
    library.take(suggest, "cublasLtMatmulAlgoGetHeuristic");
    library.take(multiply, "cublasLtMatmul");
  }
  shared_library library{{"libcublasLt.so.13", "libcublasLt.so.12"}};
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtDestroy) destroy;
  decltype(&cublasLtGetVersion) version;
  decltype(&cublasLtMatmulDescCreate) describe;
  decltype(&cublasLtMatmulDescSetAttribute) set;
  decltype(&cublasLtMatmulDescDestroy) forget;
  decltype(&cublasLtMatmulPreferenceCreate) prefer;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference;
  decltype(&cublasLtMatmulPreferenceDestroy) forget_preference;
  decltype(&cublasLtMatrixLayoutCreate) lay_out;
  decltype(&cublasLtMatrixLayoutDestroy) forget_layout;
  decltype(&cublasLtMatmulAlgoGetHeuristic) suggest;
  decltype(&cublasLtMatmul) multiply;
};
const functions& lt() {
  static const functions found;
  return found;
}

void check(cublasStatus_t status, const char* what) {
  sparsellm::require<sparsellm::error>(status == CUBLAS_STATUS_SUCCESS, "cublaslt: ", what,
                                       ": status ", static_cast<int>(status));
}

class cublaslt final : public cuda_peer {
 public:
  cublaslt() {
    check(lt().create(&handle_), "handle");
    check(lt().describe(&product_, CUBLAS_COMPUTE_32F, CUDA_R_32F), "product");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    check(lt().set(product_, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
          "transposition");
    check(lt().prefer(&wanted_), "preference");
    check(lt().set_preference(wanted_, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes,
                              sizeof workspace_bytes),
          "workspace");
  }
  cublaslt(const cublaslt&) = delete;
  ~cublaslt() override {
    forget();
    (void)lt().forget_preference(wanted_);
    (void)lt().forget(product_);
    (void)lt().destroy(handle_);
  }

  [[nodiscard]] std::string name() const override { return "cublaslt/bf16"; }
  [[nodiscard]] std::string version() const override {
    return std::to_string(lt().version()) + " (" + lt().library.file("cublasLtCreate") + ")";
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
    fill_random(weights_.data(), weights_.size(), weight_scale, 1, stream);
    fill_random(x_.data(), x_.size(), 1.0f, 2, stream);
    // Column-major: its columns are the rows of W, and each column of y is a token.
    const auto lay_out = [](cublasLtMatrixLayout_t& to, cudaDataType type, std::size_t rows,
                            std::size_t cols) {
      check(lt().lay_out(&to, type, rows, cols, static_cast<std::int64_t>(rows)), "layout");
    };
    lay_out(w_layout_, CUDA_R_16BF, e.inputs, e.outputs);
    lay_out(x_layout_, CUDA_R_16BF, e.inputs, tokens);
    lay_out(y_layout_, CUDA_R_32F, e.outputs, tokens);
    int found = 0;
    check(lt().suggest(handle_, product_, w_layout_, x_layout_, y_layout_, y_layout_, wanted_,
                       static_cast<int>(suggested_.size()), suggested_.data(), &found),
          "heuristic");
    sparsellm::require<sparsellm::error>(found >= 1, "cublaslt: no algorithm for ", e.outputs, "x",
                                         e.inputs, " and ", tokens, " tokens");
    found_ = static_cast<std::size_t>(found);
    chosen_ = 0;
  }
  [[nodiscard]] std::size_t algorithms() const override { return found_; }
  void choose(std::size_t which) override { chosen_ = which; }
  void run(std::size_t copy, cudaStream_t stream) override {
    const float one = 1.0f, zero = 0.0f;
    check(lt().multiply(handle_, product_, &one, weights_.data() + copy * weight_size_, w_layout_,
                        x_.data(), x_layout_, &zero, y_.data(), y_layout_, y_.data(), y_layout_,
                        &suggested_[chosen_].algo, workspace_.data(), workspace_bytes, stream),
          "product");
  }

 private:
  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

  void forget() {
    for (cublasLtMatrixLayout_t* layout : {&w_layout_, &x_layout_, &y_layout_}) {
      if (*layout != nullptr) (void)lt().forget_layout(*layout);
      *layout = nullptr;
    }
  }

  cublasLtHandle_t handle_ = nullptr;
  cublasLtMatmulDesc_t product_ = nullptr;
  cublasLtMatmulPreference_t wanted_ = nullptr;
  cublasLtMatrixLayout_t w_layout_ = nullptr, x_layout_ = nullptr, y_layout_ = nullptr;
  std::array<cublasLtMatmulHeuristicResult_t, 8> suggested_{};
  std::size_t found_ = 0, chosen_ = 0, weight_size_ = 0;
  device_buffer<std::uint16_t> weights_, x_;
  device_buffer<float> y_;
  device_buffer<std::byte> workspace_;
};

}  // namespace

std::unique_ptr<cuda_peer> make_cublaslt() { return std::make_unique<cublaslt>(); }

}  // namespace bench
#endif

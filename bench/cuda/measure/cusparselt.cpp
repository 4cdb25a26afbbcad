// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// cuSPARSELt's 2:4 product, its algorithm searched for as its documentation advises.
#include "cuda/measure/cusparselt_abi.hpp"
#include "cuda/measure/peers.hpp"
#include "cuda/measure/random.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cuda/device_buffer.cuh"

namespace bench {
namespace {

namespace abi = cusparselt_abi;
using sparsellm::cuda::device_buffer;

struct functions {
  functions() {
    library.take(property, "cusparseLtGetProperty");
    library.take(init, "cusparseLtInit");
    library.take(destroy, "cusparseLtDestroy");
    library.take(version, "cusparseLtGetVersion");
    library.take(dense, "cusparseLtDenseDescriptorInit");
    library.take(structured, "cusparseLtStructuredDescriptorInit");
    library.take(forget, "cusparseLtMatDescriptorDestroy");
    library.take(product, "cusparseLtMatmulDescriptorInit");
    library.take(select, "cusparseLtMatmulAlgSelectionInit");
    library.take(plan, "cusparseLtMatmulPlanInit");
    library.take(forget_plan, "cusparseLtMatmulPlanDestroy");
    library.take(workspace, "cusparseLtMatmulGetWorkspace");
    library.take(prune, "cusparseLtSpMMAPrune");
    library.take(size, "cusparseLtSpMMACompressedSize");
    library.take(compress, "cusparseLtSpMMACompress");
    library.take(search, "cusparseLtMatmulSearch");
    library.take(multiply, "cusparseLtMatmul");
    int major = -1, minor = -1;
    (void)property(abi::major_version, &major), (void)property(abi::minor_version, &minor);
    sparsellm::require<sparsellm::error>(
        major == 0 && minor >= abi::oldest_minor && minor <= abi::newest_minor, "cusparselt: 0.",
        abi::oldest_minor, " to 0.", abi::newest_minor, " expected, got ", major, ".", minor);
  }
  shared_library library{{"libcusparseLt.so.0"}};
  abi::get_property property;
  abi::init init;
  abi::destroy destroy;
  abi::get_version version;
  abi::dense_descriptor dense;
  abi::structured_descriptor structured;
  abi::destroy_descriptor forget;
  abi::product_descriptor product;
  abi::select_algorithm select;
  abi::make_plan plan;
  abi::destroy_plan forget_plan;
  abi::get_workspace workspace;
  abi::prune prune;
  abi::compressed_size size;
  abi::compress compress;
  abi::search search;
  abi::multiply multiply;
};
const functions& lt() {
  static const functions found;
  return found;
}

void check(abi::status status, const char* what) {
  sparsellm::require<sparsellm::error>(status == 0, "cusparselt: ", what, ": status ", status);
}

class cusparselt final : public cuda_peer {
 public:
  cusparselt() { check(lt().init(&handle_), "handle"); }
  cusparselt(const cusparselt&) = delete;
  ~cusparselt() override {
    forget();
    (void)lt().destroy(&handle_);
  }

  [[nodiscard]] std::string name() const override { return "cusparselt/bf16/2:4"; }
  [[nodiscard]] std::string version() const override {
    int version = 0;
    check(lt().version(&handle_, &version), "version");
    return std::to_string(version) + " (" + lt().library.file("cusparseLtInit") + ")";
  }
  // Kept values, and two bits for each.
  [[nodiscard]] double bytes(sparsellm::extents e) const override {
    return 1.125 * static_cast<double>(e.outputs) * static_cast<double>(e.inputs);
  }
  [[nodiscard]] bool takes(std::size_t tokens) const override { return tokens % 8 == 0; }

  void prepare(sparsellm::extents e, std::size_t tokens, std::size_t copies,
               cudaStream_t stream) override {
    forget();
    describe(e, tokens);
    device_buffer<std::uint16_t> dense(stream, e.outputs * e.inputs);
    x_ = device_buffer<std::uint16_t>(stream, tokens * e.inputs);
    y_ = device_buffer<std::uint16_t>(stream, tokens * e.outputs);
    fill_random(dense.data(), dense.size(), weight_scale, 1, stream);
    fill_random(x_.data(), x_.size(), 1.0f, 2, stream);
    check(lt().prune(&handle_, &product_, dense.data(), dense.data(), abi::prune_strip, stream),
          "pruning");
    std::size_t scratch_bytes = 0;
    check(lt().size(&handle_, &plan_, &weight_bytes_, &scratch_bytes), "size");
    weight_bytes_ = (weight_bytes_ + 255) / 256 * 256;
    weights_ = device_buffer<std::byte>(stream, copies * weight_bytes_);
    device_buffer<std::byte> scratch(stream, scratch_bytes);
    for (std::size_t i = 0; i < copies; ++i)
      check(lt().compress(&handle_, &plan_, dense.data(), weights_.data() + i * weight_bytes_,
                          scratch.data(), stream),
            "compression");
    const float one = 1.0f, zero = 0.0f;
    check(lt().search(&handle_, &plan_, &one, weights_.data(), x_.data(), &zero, y_.data(),
                      y_.data(), nullptr, &stream, 1),
          "search");
    std::size_t workspace = 0;
    check(lt().workspace(&handle_, &plan_, &workspace), "workspace");
    workspace_ = device_buffer<std::byte>(stream, workspace);
  }
  void run(std::size_t copy, cudaStream_t stream) override {
    const float one = 1.0f, zero = 0.0f;
    check(lt().multiply(&handle_, &plan_, &one, weights_.data() + copy * weight_bytes_, x_.data(),
                        &zero, y_.data(), y_.data(), workspace_.data(), &stream, 1),
          "product");
  }

 private:
  void describe(sparsellm::extents e, std::size_t tokens) {
    const auto outputs = static_cast<std::int64_t>(e.outputs),
               inputs = static_cast<std::int64_t>(e.inputs),
               columns = static_cast<std::int64_t>(tokens);
    constexpr std::uint32_t alignment = 16;
    check(lt().structured(&handle_, &w_, outputs, inputs, inputs, alignment, CUDA_R_16BF,
                          abi::row_order, abi::half_of_values),
          "weight");
    check(lt().dense(&handle_, &x_of_, inputs, columns, inputs, alignment, CUDA_R_16BF,
                     abi::column_order),
          "x");
    check(lt().dense(&handle_, &y_of_, outputs, columns, outputs, alignment, CUDA_R_16BF,
                     abi::column_order),
          "y");
    check(lt().product(&handle_, &product_, abi::not_transposed, abi::not_transposed, &w_, &x_of_,
                       &y_of_, &y_of_, abi::compute_32f),
          "product");
    check(lt().select(&handle_, &algorithm_, &product_, abi::default_algorithm), "algorithm");
    check(lt().plan(&handle_, &plan_, &product_, &algorithm_), "plan");
    planned_ = true;
  }
  void forget() {
    if (!planned_) return;
    (void)lt().forget_plan(&plan_);
    for (abi::opaque* d : {&w_, &x_of_, &y_of_}) (void)lt().forget(d);
    planned_ = false;
  }

  abi::opaque handle_{}, w_{}, x_of_{}, y_of_{}, product_{}, algorithm_{}, plan_{};
  bool planned_ = false;
  std::size_t weight_bytes_ = 0;
  device_buffer<std::uint16_t> x_, y_;
  device_buffer<std::byte> weights_, workspace_;
};

}  // namespace

std::unique_ptr<cuda_peer> make_cusparselt() { return std::make_unique<cusparselt>(); }

}  // namespace bench

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// 2:4 products of bfloat16 weights: few tokens bound by memory, many on sparse tensor cores, beside
// cuBLASLt's dense and cuSPARSELt's 2:4 ones.
#include <memory>
#include <string>

#include "cuda/measure/product.cuh"
#include "sparsellm/pack/n_of_m.hpp"

namespace bench {
namespace {

using F = sparsellm::n_of_m<sparsellm::bfloat16, 2, 4>;

void products_of(environment& env, const projection& p, const std::vector<std::size_t>& batches) {
  shared_weight<F> weight;
  for (const std::size_t tokens : batches) {
    contest products(env, "nm", p.shape, tokens);
    products.add("n_of_m/bf16/2:4", [&] {
      if (!weight) weight = make_weight<F>(env, p.shape);
      return product<F>(env, weight, p, 0.0, tokens);
    });
    products.add_cublaslt();
    products.add_cusparselt();
    products.run();
  }
}

}  // namespace

void measure_nm(environment& env) {
  const std::size_t most = env.tiny ? 24 : 4096;
  for (const projection& p : env.shapes({0, 4, 5}))
    products_of(env, p, {1, 8, 16, 64, std::min<std::size_t>(512, most), most});
  for (const projection& p : env.shapes({1, 2, 9})) products_of(env, p, {1, 8});
}

}  // namespace bench

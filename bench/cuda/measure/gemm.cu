// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Prefill: many tokens of dense weights, beside cuBLASLt's product.
#include <memory>
#include <string>

#include "cuda/measure/product.cuh"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/quantized.hpp"

namespace bench {
namespace {

template <class F>
void add(environment& env, contest& to, const std::string& name, const projection& p,
         shared_weight<F>& weight, std::size_t tokens) {
  to.add(name, [&] {
    if (!weight) weight = make_weight<F>(env, p.shape);
    return product<F>(env, weight, p, 0.0, tokens);
  });
}

}  // namespace

void measure_gemm(environment& env) {
  using namespace sparsellm;
  for (const projection& p : env.shapes({0, 4})) {
    shared_weight<channel_major<bfloat16>> bf16;
    shared_weight<channel_major<q4_1>> q4;
    for (const std::size_t tokens : {16, 64, 512}) {
      contest products(env, "gemm", p.shape, env.tiny ? tokens / 16 + 8 : tokens);
      add(env, products, "channel_major/bf16", p, bf16, env.tiny ? tokens / 16 + 8 : tokens);
      add(env, products, "channel_major/q4_1", p, q4, env.tiny ? tokens / 16 + 8 : tokens);
      products.add_cublaslt();
      products.run();
    }
  }
}

}  // namespace bench

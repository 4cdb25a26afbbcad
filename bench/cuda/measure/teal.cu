// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// TEAL's products of bfloat16 weights: one token, what it skips, beside cuBLASLt's dense product.
#include <memory>
#include <string>

#include "cuda/measure/product.cuh"
#include "sparsellm/pack/channel_major.hpp"

namespace bench {

void measure_teal(environment& env) {
  using F = sparsellm::channel_major<sparsellm::bfloat16>;
  for (const projection& p : env.shapes({0, 1, 2, 4, 5, 9})) {
    contest one_token(env, "teal", p.shape, 1);
    shared_weight<F> weight;
    for (const double sparsity : {0.0, 0.25, 0.4, 0.5, 0.65})
      one_token.add("channel_major/bf16", [&] {
        if (!weight) weight = make_weight<F>(env, p.shape);
        return product<F>(env, weight, p, sparsity, 1);
      });
    one_token.add_cublaslt();
    one_token.run();
  }
}

}  // namespace bench

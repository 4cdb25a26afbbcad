// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The other formats' products: quantised, gated, N:M that skips, rows, batches of tokens that skip
// channels of their own each.
#include <cstdint>
#include <memory>
#include <string>

#include "cuda/measure/product.cuh"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/row_major.hpp"

namespace bench {
namespace {

using namespace sparsellm;

template <class F>
void add(environment& env, contest& to, const std::string& name, const projection& p,
         const std::vector<double>& sparsities, std::size_t tokens = 1) {
  shared_weight<F> weight;
  for (const double sparsity : sparsities)
    to.add(name, [&] {
      if (!weight) weight = make_weight<F>(env, p.shape);
      return product<F>(env, weight, p, sparsity, tokens);
    });
}

// p: gate alone.
template <class F>
void add_gated(environment& env, contest& to, const std::string& name, const projection& p) {
  shared_weight<F> weight;
  for (const double sparsity : {0.0, 0.5})
    to.add(name, [&] {
      const extents both{2 * p.shape.outputs, p.shape.inputs};
      if (!weight) weight = make_weight<F>(env, both);
      return gated_product<F>(env, weight, p, sparsity);
    });
}

}  // namespace

void measure_formats(environment& env) {
  const std::vector<double> some{0.0, 0.25, 0.4, 0.5, 0.65}, two{0.0, 0.5};
  for (const projection& p : env.shapes({0, 4, 5, 9})) {
    contest quantised(env, "quantised", p.shape, 1);
    add<channel_major<q8_0>>(env, quantised, "channel_major/q8_0", p, some);
    add<channel_major<q4_1>>(env, quantised, "channel_major/q4_1", p, some);
    quantised.add_cublaslt();
    quantised.run();
  }
  for (const projection& p : env.shapes({1, 4})) {
    // Of both, as the peer's is.
    contest gated(env, "gated", {2 * p.shape.outputs, p.shape.inputs}, 1);
    add_gated<channel_major<bfloat16>>(env, gated, "gated/channel_major/bf16", p);
    add_gated<channel_major<q4_1>>(env, gated, "gated/channel_major/q4_1", p);
    gated.add_cublaslt();
    gated.run();
  }
  for (const projection& p : env.shapes({0, 4})) {
    contest one(env, "other", p.shape, 1);
    add<channel_bitmap<bfloat16, 2, 4>>(env, one, "channel_bitmap/bf16/2:4", p, two);
    add<n_of_m<bfloat16, 4, 8>>(env, one, "n_of_m/bf16/4:8", p, {0.0});
    add<n_of_m<std::int8_t, 2, 4>>(env, one, "n_of_m/i8/2:4", p, {0.0});
    add<row_major<bfloat16>>(env, one, "row_major/bf16", p, {0.0});
    add<channel_major<half>>(env, one, "channel_major/f16", p, two);
    add<channel_major<float>>(env, one, "channel_major/f32", p, two);
    one.add_cublaslt();
    one.run();
    contest eight(env, "batch", p.shape, 8);
    add<channel_major<bfloat16>>(env, eight, "channel_major/bf16", p, {0.0, 0.5, 0.65}, 8);
    add<channel_major<q8_0>>(env, eight, "channel_major/q8_0", p, two, 8);
    add<channel_major<q4_1>>(env, eight, "channel_major/q4_1", p, two, 8);
    eight.add_cublaslt();
    eight.run();
  }
}

}  // namespace bench

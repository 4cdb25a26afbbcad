// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// multiply() and multiply_gated() as contenders.
#pragma once

#include <memory>
#include <utility>

#include "cuda/measure/contest.cuh"
#include "cuda/measure/operands.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/cuda/multiply_gated.cuh"

namespace bench {

template <sparsellm::packed_format F>
using shared_weight = std::shared_ptr<const rotating_weight<F>>;
template <sparsellm::packed_format F>
[[nodiscard]] shared_weight<F> make_weight(environment& env, sparsellm::extents shape) {
  return std::make_shared<rotating_weight<F>>(env, shape);
}

// x · Wᵀ of so many tokens, a share of each one's channels skipped.
template <sparsellm::packed_format F>
[[nodiscard]] contender product(environment& env, const shared_weight<F>& weight,
                                const projection& p, double sparsity, std::size_t tokens) {
  struct state {
    shared_weight<F> weight;
    rotating_inputs x;
    sparsellm::cuda::device_buffer<float> y;
  };
  const auto s = std::make_shared<state>(state{weight, rotating_inputs(env, p, sparsity, tokens),
                                               env.exec.allocate<float>(tokens * p.shape.outputs)});
  contender c;
  c.sparsity = sparsity;
  c.skipped = s->x.skipped;
  c.bytes =
      weight_bytes<F>(p.shape, c.skipped) + vector_bytes(tokens, p.shape.inputs, p.shape.outputs);
  c.copies = weight->copies.size();
  c.step = [&env, s = s.get(), tokens, outputs = p.shape.outputs](std::size_t i) {
    const sparsellm::matrix_view<float, sparsellm::device_space> y(s->y.data(), tokens, outputs);
    if (s->x.dense)
      multiply(env.exec, s->weight->copies[i], s->x.view(), y);
    else
      multiply(env.exec, s->weight->copies[i], s->x.keep, s->x.view(), y);
  };
  c.owns = s;
  // Not a number where it was not written.
  sparsellm::cuda::check(
      cudaMemsetAsync(s->y.data(), 0xff, s->y.size() * sizeof(float), env.exec.stream()),
      "bench: y");
  c.step(0);
  c.error = relative_error(last_token(env, s->y, p.shape.outputs), [&](std::size_t o) {
    return exact_output(weight->packed, s->x.keep, s->x.last, o);
  });
  sparsellm::require<sparsellm::error>(std::isfinite(c.error), "not all outputs were written");
  return c;
}

// silu(gate · x) ∘ (up · x); p: gate alone, as many rows of up lie below it in the weight.
template <sparsellm::packed_format F>
[[nodiscard]] contender gated_product(environment& env, const shared_weight<F>& weight,
                                      const projection& p, double sparsity) {
  struct state {
    shared_weight<F> weight;
    rotating_inputs x;
    sparsellm::cuda::device_buffer<float> h;
  };
  const auto s = std::make_shared<state>(state{weight, rotating_inputs(env, p, sparsity, 1),
                                               env.exec.allocate<float>(p.shape.outputs)});
  const sparsellm::extents both{2 * p.shape.outputs, p.shape.inputs};
  contender c;
  c.sparsity = sparsity;
  c.skipped = s->x.skipped;
  c.bytes = weight_bytes<F>(both, c.skipped) + vector_bytes(1, p.shape.inputs, p.shape.outputs);
  c.copies = weight->copies.size();
  c.step = [&env, s = s.get(), hidden = p.shape.outputs](std::size_t i) {
    multiply_gated(env.exec, s->weight->copies[i], s->x.keep, s->x.view(),
                   sparsellm::matrix_view<float, sparsellm::device_space>(s->h.data(), 1, hidden));
  };
  c.owns = s;
  c.step(0);
  c.error = relative_error(last_token(env, s->h, p.shape.outputs), [&](std::size_t o) {
    const double gate = exact_output(weight->packed, s->x.keep, s->x.last, o);
    return gate / (1.0 + std::exp(-gate)) *
           exact_output(weight->packed, s->x.keep, s->x.last, p.shape.outputs + o);
  });
  return c;
}

}  // namespace bench

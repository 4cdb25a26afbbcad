// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights and activations of a measurement, what of them must be read, and how far from exact a
// product is.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <utility>
#include <vector>

#include "activations.hpp"
#include "cuda/measure/environment.hpp"
#include "cuda/measure/random.hpp"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace bench {

// A random weight, packed on the host; compiled once for the formats of packing.cpp, by the host's
// compiler.
template <sparsellm::packed_format F>
[[nodiscard]] sparsellm::packed_matrix<F> random_weight(sparsellm::cpu::executor& host,
                                                        sparsellm::extents shape);

// The same, and copies of it on the device.
template <sparsellm::packed_format F>
struct rotating_weight {
  using on_device = sparsellm::packed_matrix<F, sparsellm::device_space>;
  rotating_weight(environment& env, sparsellm::extents shape)
      : packed(random_weight<F>(env.host, shape)) {
    copies.push_back(sparsellm::cuda::to_device(env.exec, packed));
    const auto first = copies.front().storage_view();
    const std::size_t wanted = env.copies(static_cast<double>(packed.bytes()));
    while (copies.size() < wanted) {
      auto bytes = env.exec.template allocate<std::byte>(first.size());
      sparsellm::cuda::check(cudaMemcpyAsync(bytes.data(), first.data(), first.size(),
                                             cudaMemcpyDeviceToDevice, env.exec.stream()),
                             "bench: weights");
      copies.emplace_back(shape, std::move(bytes));
    }
    env.exec.wait();
  }
  sparsellm::packed_matrix<F> packed;
  std::vector<on_device> copies;
};

// Activations [tokens, inputs], each token's own, and the threshold that skips a share of them.
struct rotating_inputs {
  rotating_inputs(environment& env, const projection& p, double sparsity, std::size_t tokens)
      : tokens(tokens),
        dense(sparsity == 0.0),
        memory(env.exec.allocate<float>(tokens * p.shape.inputs)) {
    if (dense) {
      fill_random(memory.data(), memory.size(), 1.0f, 2, env.exec.stream());
      last.resize(p.shape.inputs);
      sparsellm::cuda::copy(env.exec,
                            sparsellm::vector_view<const float, sparsellm::device_space>(
                                memory.data() + (tokens - 1) * p.shape.inputs, p.shape.inputs),
                            sparsellm::vector_view<float>(last));
      return;
    }
    const std::vector<float> all = activations(tokens * p.shape.inputs, p.input, 0);
    keep = {sparsellm::magnitude{}, sparsellm::above{threshold_for(all, sparsity)}};
    std::size_t dead = 0;
    for (std::size_t c = 0; c < p.shape.inputs; ++c) {
      bool any = false;
      for (std::size_t t = 0; t < tokens; ++t) any |= keep.keeps(all[t * p.shape.inputs + c], c);
      dead += any ? 0 : 1;
    }
    skipped = static_cast<double>(dead) / static_cast<double>(p.shape.inputs);
    last.assign(all.end() - static_cast<std::ptrdiff_t>(p.shape.inputs), all.end());
    sparsellm::cuda::copy(env.exec, sparsellm::vector_view<const float>(all), memory.view());
    env.exec.wait();
  }
  [[nodiscard]] sparsellm::matrix_view<const float, sparsellm::device_space> view() const {
    return {memory.data(), tokens, memory.size() / tokens};
  }
  std::size_t tokens;
  bool dense;  // nothing is skipped, nor asked for
  sparsellm::teal keep{sparsellm::magnitude{}, sparsellm::above{-1.0f}};
  double skipped = 0;  // of the channels, by all tokens
  sparsellm::cuda::device_buffer<float> memory;
  std::vector<float> last;  // the last token's
};

// What a product must read of a weight when a share of its channels is skipped, scales and masks
// included.
template <sparsellm::packed_format F>
[[nodiscard]] double weight_bytes(sparsellm::extents e, double skipped) {
  using element = typename F::element;
  const double weights = static_cast<double>(e.outputs) * static_cast<double>(e.inputs);
  if constexpr (sparsellm::is_pruned(F::layout)) {
    const double kept = static_cast<double>(F::pattern.n) / static_cast<double>(F::pattern.m);
    const bool skips = F::layout == sparsellm::layout_kind::channel_bitmap;
    return weights * sizeof(element) * kept * (skips ? 1.0 - skipped : 1.0) + weights / 8 +
           (F::has_scales ? 4.0 * static_cast<double>(e.outputs) : 0.0);
  } else if constexpr (requires { F::block_channels; }) {
    const auto blocks = static_cast<double>(F::blocks(e));
    return weights * F::bits / 8 * (1.0 - skipped) +
           blocks * static_cast<double>(e.outputs) * (F::affine ? 4.0 : 2.0);
  } else {
    return weights * sizeof(element) * (1.0 - skipped);
  }
}
// The floats of x and y.
[[nodiscard]] inline double vector_bytes(std::size_t tokens, std::size_t inputs,
                                         std::size_t outputs) {
  return 4.0 * static_cast<double>(tokens) * static_cast<double>(inputs + outputs);
}

// ‖y − exact‖ / ‖exact‖ of at most 64 outputs, spread over all of them; exact(o) in double.
template <class Exact>
[[nodiscard]] double relative_error(const std::vector<float>& y, const Exact& exact) {
  const std::size_t apart = (y.size() + 63) / 64;
  double wrong = 0, all = 0;
  for (std::size_t o = 0; o < y.size(); o += apart) {
    const double right = exact(o);
    wrong += (static_cast<double>(y[o]) - right) * (static_cast<double>(y[o]) - right);
    all += right * right;
  }
  return std::sqrt(wrong / all);
}
// Output o of the packed weight's product with x [inputs], only the channels that are kept.
template <sparsellm::packed_format F, class S>
[[nodiscard]] double exact_output(const sparsellm::packed_matrix<F>& w, const S& keep,
                                  const std::vector<float>& x, std::size_t o) {
  std::vector<float> row(x.size());
  F::unpack_row(w.view(), o, sparsellm::vector_view<float>(row));
  double sum = 0;
  for (std::size_t c = 0; c < x.size(); ++c)
    if (keep.keeps(x[c], c)) sum += static_cast<double>(row[c]) * static_cast<double>(x[c]);
  return sum;
}
// The last token's of y [tokens, outputs], on the host.
[[nodiscard]] inline std::vector<float> last_token(environment& env,
                                                   const sparsellm::cuda::device_buffer<float>& y,
                                                   std::size_t outputs) {
  std::vector<float> last(outputs);
  sparsellm::cuda::copy(env.exec,
                        sparsellm::vector_view<const float, sparsellm::device_space>(
                            y.data() + (y.size() - outputs), outputs),
                        sparsellm::vector_view<float>(last));
  return last;
}

}  // namespace bench

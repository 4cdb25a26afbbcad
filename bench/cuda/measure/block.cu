// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The products of a Llama-3-8B block for one token as one graph: q, k, v in one pass, o, gate and
// up in one gated pass, down; no attention. 436 MB of bfloat16 weights, more than any cache.
#include <array>
#include <memory>

#include "cuda/measure/product.cuh"
#include "sparsellm/pack/channel_major.hpp"

namespace bench {
namespace {

using F = sparsellm::channel_major<sparsellm::bfloat16>;

std::array<projection, 4> products(bool tiny) {
  const std::size_t width = tiny ? 128 : 4096, keys = tiny ? 32 : 1024, hidden = tiny ? 256 : 14336;
  return {{{"q, k, v", {width + 2 * keys, width}, "attn-h1"},
           {"o", {width, width}, "attn-h2"},
           {"gate and up", {2 * hidden, width}, "mlp-h1"},
           {"down", {width, hidden}, "mlp-h2"}}};
}

contender ours(environment& env, const std::array<shared_weight<F>, 4>& weights, double sparsity) {
  std::array<contender, 4> steps;
  const auto of = products(env.tiny);
  contender block;
  for (std::size_t i = 0; i < of.size(); ++i) {
    projection p = of[i];
    const bool gated = i == 2;
    if (gated) p.shape.outputs /= 2;
    steps[i] = gated ? gated_product<F>(env, weights[i], p, sparsity)
                     : product<F>(env, weights[i], p, sparsity, 1);
    block.bytes += steps[i].bytes;
    block.error = i == 0 ? steps[i].error : std::fmax(block.error, steps[i].error);
    block.skipped += steps[i].skipped / static_cast<double>(of.size());
  }
  block.sparsity = sparsity;
  block.copies = 2;
  block.owns = std::make_shared<std::array<contender, 4>>(std::move(steps));
  block.step = [all = static_cast<std::array<contender, 4>*>(block.owns.get())](std::size_t i) {
    for (const contender& one : *all) one.step(i % one.copies);
  };
  return block;
}

contender cublaslt(environment& env) {
  auto peers = std::make_shared<std::array<std::shared_ptr<cuda_peer>, 4>>();
  const auto of = products(env.tiny);
  contender block;
  block.copies = 2;
  for (std::size_t i = 0; i < of.size(); ++i) {
    auto& peer = (*peers)[i] = make_cublaslt();
    peer->prepare(of[i].shape, 1, block.copies, env.exec.stream());
    block.bytes += peer->bytes(of[i].shape) + 2.0 * static_cast<double>(of[i].shape.inputs) +
                   4.0 * static_cast<double>(of[i].shape.outputs);
    contender alone;
    alone.copies = block.copies;
    alone.step = [&](std::size_t copy) { peer->run(copy, env.exec.stream()); };
    choose_fastest(env, *peer, alone);
  }
  block.step = [&env, all = peers.get()](std::size_t copy) {
    for (const auto& peer : *all) peer->run(copy, env.exec.stream());
  };
  block.owns = peers;
  return block;
}

}  // namespace

void measure_block(environment& env) {
  // As one weight of so many outputs for each of its inputs.
  std::size_t weights = 0;
  const auto of = products(env.tiny);
  for (const projection& p : of) weights += p.shape.outputs * p.shape.inputs;
  contest block(env, "block", {weights / of[0].shape.inputs, of[0].shape.inputs}, 1);
  std::array<shared_weight<F>, 4> packed;
  for (const double sparsity : {0.0, 0.5})
    block.add("block/channel_major/bf16", [&] {
      for (std::size_t i = 0; i < of.size(); ++i)
        if (!packed[i]) packed[i] = make_weight<F>(env, of[i].shape);
      return ours(env, packed, sparsity);
    });
  if (env.peers) block.add("cublaslt/bf16/block", [&] { return cublaslt(env); });
  block.run();
}

}  // namespace bench

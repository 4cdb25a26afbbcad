// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Choices that a caller has, each beside its alternative: a graph or single launches, one pass over
// a stack or a product each, the gate in the product or after it, channels listed before or judged
// on the way, which channels stay by threshold or by rank.
#include <memory>
#include <utility>

#include "cuda/measure/product.cuh"
#include "sparsellm/cuda/active_set.cuh"
#include "sparsellm/cuda/gate.cuh"
#include "sparsellm/cuda/top_k.cuh"
#include "sparsellm/pack/channel_major.hpp"

namespace bench {
namespace {

using namespace sparsellm;
using F = channel_major<bfloat16>;
constexpr double sparsity = 0.5;

// A contender made of others' steps, one after the other.
contender together(std::vector<contender> parts) {
  contender all;
  all.sparsity = sparsity;
  for (const contender& p : parts) {
    all.bytes += p.bytes;
    all.skipped += p.skipped / static_cast<double>(parts.size());
    all.copies = std::max(all.copies, p.copies);
  }
  all.owns = std::make_shared<std::vector<contender>>(std::move(parts));
  all.step = [steps = static_cast<std::vector<contender>*>(all.owns.get())](std::size_t i) {
    for (const contender& p : *steps) p.step(i % p.copies);
  };
  return all;
}

void launches(environment& env, const projection& p) {
  contest ways(env, "choices: launches", p.shape, 1);
  const auto weight = make_weight<F>(env, p.shape);
  ways.add("one graph", [&] { return product<F>(env, weight, p, sparsity, 1); });
  ways.add("a launch each", [&] {
    contender c = product<F>(env, weight, p, sparsity, 1);
    c.launched = true;
    return c;
  });
  ways.run();
}

// q, k and v of grouped queries.
void stacks(environment& env, projection p) {
  const std::size_t queries = p.shape.outputs, keys = p.shape.outputs / 4;
  p.shape.outputs = queries + 2 * keys;
  contest ways(env, "choices: q, k, v", p.shape, 1);
  ways.add("one stack",
           [&] { return product<F>(env, make_weight<F>(env, p.shape), p, sparsity, 1); });
  ways.add("three products", [&] {
    std::vector<contender> parts;
    for (const std::size_t outputs : {queries, keys, keys}) {
      p.shape.outputs = outputs;
      parts.push_back(product<F>(env, make_weight<F>(env, p.shape), p, sparsity, 1));
    }
    return together(std::move(parts));
  });
  ways.run();
}

// p: gate alone.
void gates(environment& env, const projection& p) {
  const std::size_t hidden = p.shape.outputs;
  projection both = p;
  both.shape.outputs = 2 * hidden;
  contest ways(env, "choices: gate", both.shape, 1);
  const auto weight = make_weight<F>(env, both.shape);
  ways.add("multiply_gated", [&] { return gated_product<F>(env, weight, p, sparsity); });
  ways.add("multiply, then gate", [&] {
    contender stack = product<F>(env, weight, both, sparsity, 1), after;
    struct state {
      sparsellm::cuda::device_buffer<float> both, h;
    };
    const auto s = std::make_shared<state>(
        state{env.exec.allocate<float>(2 * hidden), env.exec.allocate<float>(hidden)});
    fill_random(s->both.data(), 2 * hidden, 1.0f, 5, env.exec.stream());
    after.owns = s;
    after.bytes = 12.0 * static_cast<double>(hidden);
    after.step = [&env, s = s.get(), hidden](std::size_t) {
      gate(env.exec, vector_view<const float, device_space>(s->both.data(), hidden),
           vector_view<const float, device_space>(s->both.data() + hidden, hidden),
           vector_view<float, device_space>(s->h.data(), hidden));
    };
    std::vector<contender> parts;
    parts.push_back(std::move(stack));
    parts.push_back(std::move(after));
    return together(std::move(parts));
  });
  ways.run();
}

// Listing the channels alone: S decides about x [inputs].
template <class S>
contender listing(environment& env, const projection& p, const S& keep) {
  struct state {
    rotating_inputs x;
    active_set<device_space> active;
    S keep;
  };
  const auto s =
      std::make_shared<state>(state{rotating_inputs(env, p, sparsity, 1),
                                    active_set<device_space>(env.exec, p.shape.inputs), keep});
  contender c;
  c.sparsity = sparsity;
  c.skipped = s->x.skipped;
  c.bytes = 8.0 * static_cast<double>(p.shape.inputs);
  c.step = [&env, s = s.get(), n = p.shape.inputs](std::size_t) {
    sparsify(env.exec, s->keep, vector_view<const float, device_space>(s->x.memory.data(), n),
             s->active);
  };
  c.owns = s;
  return c;
}

void lists(environment& env, const projection& p) {
  contest ways(env, "choices: lists", p.shape, 1);
  const rotating_inputs x(env, p, sparsity, 1);
  ways.add("sparsify by threshold", [&] { return listing(env, p, x.keep); });
  ways.add("sparsify by rank",
           [&] { return listing(env, p, sparsifier{magnitude{}, top_k{p.shape.inputs / 2}}); });
  ways.run();
}

}  // namespace

void measure_choices(environment& env) {
  for (const projection& p : env.shapes({0, 4})) launches(env, p);
  for (const projection& p : env.shapes({0})) stacks(env, p);
  for (const projection& p : env.shapes({4})) gates(env, p);
  for (const projection& p : env.shapes({0, 5})) lists(env, p);
}

}  // namespace bench

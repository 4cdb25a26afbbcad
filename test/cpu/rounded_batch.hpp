// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Large batches of bfloat16 weights, whose activations an instruction rounds to bfloat16 and adds
// in an order of its own: what the tests of such instructions share.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/pack/pack.hpp"

struct rounded_batch {
  sparsellm::extents shape;
  std::size_t tokens;
  std::vector<float> w, x;  // the weights are bfloat16's

  rounded_batch(sparsellm::extents e, std::size_t n, unsigned seed) : shape(e), tokens(n) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    w.resize(e.outputs * e.inputs);
    x.resize(n * e.inputs);
    for (float& v : w) v = rounded(normal(random));
    for (float& v : x) v = normal(random);
  }
  sparsellm::matrix_view<const float> weights() const {
    return {w.data(), shape.outputs, shape.inputs};
  }
  sparsellm::matrix_view<const float> inputs() const { return {x.data(), tokens, shape.inputs}; }

  // Every output = sum_of(its weights, a token's activations, inputs).
  std::vector<float> sums(float (*sum_of)(const float*, const float*, std::size_t)) const {
    std::vector<float> y(tokens * shape.outputs);
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t o = 0; o < shape.outputs; ++o)
        y[t * shape.outputs + o] = sum_of(&w[o * shape.inputs], &x[t * shape.inputs], shape.inputs);
    return y;
  }

  // How many of y are further from the exact sums than n roundings and rounded activations allow.
  std::size_t outside_bound(const std::vector<float>& y, double n) const {
    constexpr double u = 0x1p-24;
    std::size_t count = 0;
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t o = 0; o < shape.outputs; ++o) {
        double sum = 0, magnitude = 0;
        for (std::size_t c = 0; c < shape.inputs; ++c) {
          const double term = static_cast<double>(w[o * shape.inputs + c]) *
                              static_cast<double>(x[t * shape.inputs + c]);
          sum += term;
          magnitude += std::fabs(term);
        }
        count += !(std::fabs(static_cast<double>(y[t * shape.outputs + o]) - sum) <=
                   (n * u / (1 - n * u) + 0x1p-8 + 0x1p-16) * magnitude);
      }
    return count;
  }

  // Subnormal and small numbers and zeros of both signs among weights and activations.
  void make_small() {
    const auto bits = [](std::uint32_t b) { return __builtin_bit_cast(float, b); };
    for (std::size_t i = 0; i < w.size(); i += 3)
      w[i] = bits(0x00010000u * static_cast<std::uint32_t>(1 + i % 127));
    for (std::size_t i = 0; i < w.size(); i += 5) w[i] *= 0x1p-60f;
    for (std::size_t i = 0; i < w.size(); i += 7) w[i] = i % 2 == 0 ? 0.0f : -0.0f;
    for (std::size_t i = 0; i < x.size(); i += 3) x[i] *= 0x1p-70f;
    for (std::size_t i = 0; i < x.size(); i += 11)
      x[i] = bits(0x00000001u + 7919u * static_cast<std::uint32_t>(i) % 0x7fffffu);
    for (float& v : w) v = rounded(v);
  }

 private:
  static float rounded(float v) {
    return sparsellm::widen(sparsellm::narrow<sparsellm::bfloat16>(v));
  }
};

// NaN is NaN, whatever its sign and payload; everything else to the bit.
inline std::size_t different(const std::vector<float>& a, const std::vector<float>& b) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    count += !(std::isnan(a[i]) && std::isnan(b[i])) && std::memcmp(&a[i], &b[i], 4) != 0;
  return count;
}

template <class F>
std::vector<float> product(sparsellm::cpu::executor& exec, const rounded_batch& p) {
  std::vector<float> y(p.tokens * p.shape.outputs, -1.0f);
  multiply(exec, sparsellm::pack<F>(exec, p.weights()), p.inputs(),
           sparsellm::matrix_view<float>(y.data(), p.tokens, p.shape.outputs));
  return y;
}

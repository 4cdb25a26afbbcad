// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// An adaptor keeps the executor's laws, and products on it have the bits they have on the pool.
#pragma once

#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "laws/executor_laws.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/pack.hpp"

template <class E>
void adaptor_laws(E& exec) {
  using namespace sparsellm;
  executor_laws(exec);
  std::mt19937 random(31);
  std::normal_distribution<float> normal;
  std::vector<float> w(300 * 500), x(500), a(300), b(300);
  for (float& v : w) v = normal(random);
  for (float& v : x) v = normal(random);
  cpu::executor pool(1);
  const auto packed =
      pack<channel_major<bfloat16>>(exec, matrix_view<const float>(w.data(), 300, 500));
  const sparsifier s{magnitude{}, above{0.5f}};
  multiply(exec, packed, s, x, a);
  multiply(pool, packed, s, x, b);
  CHECK(a == b);
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Laws every packed_format keeps: unpack(pack(w)) is w rounded to the storage type, for awkward
// shapes, however the rows are divided between threads, and bytes() is what is written.
#pragma once

#include <cstddef>
#include <cstring>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/pack.hpp"

template <sparsellm::packed_format F>
void format_laws() {
  using namespace sparsellm;
  using T = typename F::element;
  std::mt19937 random(13);
  std::normal_distribution<float> normal;
  cpu::executor one(1), three(3);
  for (const extents e :
       {extents{1, 1}, {1, 33}, {31, 2}, {32, 16}, {33, 17}, {65, 300}, {576, 64}}) {
    INFO(F::name << " " << e.outputs << "x" << e.inputs);
    std::vector<float> w(e.outputs * e.inputs), back(w.size());
    for (float& x : w) x = normal(random);
    w[0] = -0.0f;
    auto packed = pack<F>(one, matrix_view<const float>(w.data(), e.outputs, e.inputs));
    unpack(packed, matrix_view<float>(back.data(), e.outputs, e.inputs));
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const float expected = widen(narrow<T>(w[i]));
      wrong += std::memcmp(&expected, &back[i], sizeof(float)) != 0;
    }
    CHECK(wrong == 0);
    auto other = pack<F>(three, matrix_view<const float>(w.data(), e.outputs, e.inputs));
    CHECK(packed.bytes() == F::bytes(e));
    CHECK(std::memcmp(packed.storage(), other.storage(), packed.bytes()) == 0);
  }
}

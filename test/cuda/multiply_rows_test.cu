// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/cuda/multiply_rows.cuh"

#include <cstddef>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/cuda/multiply.cuh"

using namespace sparsellm;

TEMPLATE_TEST_CASE("cuda: rows that are asked for are the product's, the others 0", "", float, half,
                   bfloat16) {
  device d;
  for (const extents e : {extents{1, 1}, {37, 70}, {130, 256}}) {
    const auto weight = d.pack<row_major<TestType>>(normal(e.outputs * e.inputs, 101), e);
    const std::vector<float> x = normal(11 * e.inputs, 102), scores = normal(11 * e.outputs, 103);
    const auto xs = d.up(x), asked = d.up(scores);
    auto all = d.exec.allocate<float>(11 * e.outputs),
         some = d.exec.allocate<float>(11 * e.outputs);
    for (const std::size_t tokens : {1, 3, 11}) {
      INFO(e.outputs << "x" << e.inputs << ", " << tokens << " tokens");
      const matrix_view<const float, device_space> in(xs.data(), tokens, e.inputs);
      // Token by token: a batch of more than 8 on tensor cores has bits of its own.
      for (std::size_t t = 0; t < tokens; ++t)
        multiply(d.exec, weight,
                 vector_view<const float, device_space>(xs.data() + t * e.inputs, e.inputs),
                 vector_view<float, device_space>(all.data() + t * e.outputs, e.outputs));
      multiply_rows(d.exec, weight.view(),
                    matrix_view<const float, device_space>(asked.data(), tokens, e.outputs),
                    sparsifier{magnitude{}, above{0.7f}}, in,
                    matrix_view<float, device_space>(some.data(), tokens, e.outputs));
      const std::vector<float> wanted = d.down(all, tokens * e.outputs),
                               got = d.down(some, tokens * e.outputs);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < got.size(); ++i)
        wrong += got[i] != (std::fabs(scores[i]) > 0.7f ? wanted[i] : 0.0f);
      CHECK(wrong == 0);
    }
    // One token, by its scores and by a list of rows.
    const sparsifier keep{magnitude{}, above{0.7f}};
    const vector_view<const float, device_space> x0(xs.data(), e.inputs),
        scores0(asked.data(), e.outputs);
    const vector_view<float, device_space> y0(some.data(), e.outputs);
    multiply_rows(d.exec, weight, scores0, keep, x0, y0);
    const std::vector<float> by_score = d.down(some, e.outputs);
    active_set rows(d.exec, e.outputs);
    sparsify(d.exec, keep, scores0, rows);
    multiply_rows(d.exec, weight, rows, x0, y0);
    CHECK(d.down(some, e.outputs) == by_score);
    for (std::size_t o = 0; o < e.outputs; ++o)
      CHECK((by_score[o] != 0.0f) == (std::fabs(scores[o]) > 0.7f));
  }
  const auto weight = d.pack<row_major<TestType>>(normal(6, 104), {2, 3});
  auto memory = d.exec.template allocate<float>(12);
  const matrix_view<float, device_space> y(memory.data(), 1, 2);
  CHECK_THROWS_AS(multiply_rows(d.exec, weight.view(), y, keep_all{},
                                matrix_view<const float, device_space>(memory.data() + 4, 1, 2), y),
                  shape_error);
}

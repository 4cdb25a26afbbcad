// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/model/sparse_linear.hpp"

#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/multiply.hpp"

using namespace sparsellm;

namespace {

constexpr std::size_t inputs = 96, outputs = 80;

struct weights {
  std::vector<float> w = std::vector<float>(outputs * inputs), x = std::vector<float>(inputs);
  weights() {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    for (float& v : w) v = normal(random);
    for (float& v : x) v = normal(random);
  }
  sparse_linear linear(cpu::executor& exec, element_kind type, layout_kind where,
                       const std::vector<std::size_t>& sizes) const {
    return {any_weight(exec, type, where, {outputs, inputs},
                       [&](std::size_t r, vector_view<float> out) {
                         std::copy_n(w.data() + r * inputs, inputs, out.data());
                       }),
            sizes};
  }
};

}  // namespace

TEST_CASE("sparse_linear: every storage and layout keeps what it is asked to") {
  cpu::executor exec(2);
  const weights t;
  for (const element_kind type : {element_kind::f32, element_kind::f16, element_kind::bf16,
                                  element_kind::q8_0, element_kind::q4_0, element_kind::q4_1})
    for (const layout_kind where :
         {layout_kind::panel, layout_kind::channel_major, layout_kind::row_major}) {
      INFO(name(type) << " " << static_cast<int>(where));
      if (is_quantized(type) && where == layout_kind::row_major) {
        CHECK_SAYS(t.linear(exec, type, where, {outputs}), value_error,
                   "packed as panel or channel_major");
        continue;
      }
      sparse_linear l = t.linear(exec, type, where, {outputs});
      CHECK(l.shape() == extents{outputs, inputs});
      CHECK(l.element() == type);
      CHECK(l.layout() == where);
      std::vector<float> dense(outputs), sparse(outputs), listed(outputs);
      l.dense(exec, vector_view<const float>(t.x), vector_view<float>(dense));
      l.sparse(exec, t.x, sparse);
      CHECK(sparse == dense);  // no threshold set: everything stays
      l.set_thresholds({0.5f});
      l.sparse(exec, t.x, sparse);
      CHECK(sparse != dense);
      active_set active(inputs);
      sparsify(exec, sparsifier{magnitude{}, above{0.5f}}, t.x, active);
      l.active(exec, active.view(), vector_view<float>(listed));
      CHECK(listed == sparse);
    }
}

TEST_CASE("sparse_linear: scales and top-k") {
  cpu::executor exec(1);
  const weights t;
  sparse_linear l = t.linear(exec, element_kind::f32, layout_kind::channel_major, {50, 30});
  std::vector<float> scale(inputs), y(outputs), expected(outputs);
  for (std::size_t c = 0; c < inputs; ++c) scale[c] = static_cast<float>(c % 7);
  const auto product = [&](const auto& keep) {
    active_set active(inputs);
    sparsify(exec, keep, t.x, active);
    l.active(exec, active.view(), vector_view<float>(expected));
  };
  l.set_thresholds({1.5f, 1.5f});
  l.set_scale(scale);
  l.sparse(exec, t.x, y);
  product(sparsifier{column_scaled{scale.data()}, above{1.5f}});
  CHECK(y == expected);

  l.set_scale({});
  l.set_top_k(20);
  l.sparse(exec, t.x, y);
  product(sparsifier{magnitude{}, top_k{20}});
  CHECK(y == expected);
  std::vector<float> batch(2 * outputs), twice(t.x);
  twice.insert(twice.end(), t.x.begin(), t.x.end());
  l.sparse(exec, matrix_view<const float>(twice.data(), 2, inputs),
           matrix_view<float>(batch.data(), 2, outputs));
  CHECK(std::equal(y.begin(), y.end(), batch.begin() + outputs));

  l.set_thresholds({1.5f, 1.5f});  // which ends top-k
  CHECK(!l.top_k().has_value());
  l.sparse(exec, t.x, expected);
  l.dense(exec, vector_view<const float>(t.x), vector_view<float>(y));
  CHECK(y != expected);
}

TEST_CASE("sparse_linear: keeps its scales when it moves") {
  cpu::executor exec(1);
  const weights t;
  sparse_linear a = t.linear(exec, element_kind::f32, layout_kind::channel_major, {outputs});
  a.set_scale(std::vector<float>(inputs, 2.0f));
  a.set_thresholds({1.0f});
  std::vector<float> before(outputs), after(outputs);
  a.sparse(exec, t.x, before);
  const sparse_linear b = std::move(a);
  b.sparse(exec, t.x, after);
  CHECK(before == after);
}

TEST_CASE("sparse_linear: refuses sizes that do not fit") {
  cpu::executor exec(1);
  const weights t;
  CHECK_SAYS(t.linear(exec, element_kind::f32, layout_kind::panel, {50, 31}), shape_error,
             "projections of 80 outputs together expected, got 2 of 81");
  CHECK_SAYS(t.linear(exec, element_kind::f32, layout_kind::panel, {}), shape_error, "got 0 of 0");
  sparse_linear l = t.linear(exec, element_kind::f32, layout_kind::panel, {50, 30});
  CHECK_SAYS(l.set_thresholds({1.0f}), shape_error, "2 thresholds expected, got 1");
  CHECK_SAYS(l.set_scale({1.0f}), shape_error, "96 scales expected, got 1");
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/multiply/multiply.hpp"

#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/multiply/reference.hpp"
#include "sparsellm/pack/pack.hpp"

using namespace sparsellm;

TEST_CASE("multiply: refuses shapes that do not fit, saying what was expected") {
  cpu::executor exec(1);
  std::vector<float> w(6, 1.0f), x(3, 1.0f), y(2), room(20, 1.0f);
  const auto packed = pack<panel<float>>(exec, matrix_view<const float>(w.data(), 2, 3));
  CHECK_NOTHROW(multiply(exec, packed, x, y));
  CHECK(y == std::vector<float>{3, 3});
  CHECK_SAYS(multiply(exec, packed, y, y), shape_error, "x must have 3 elements, got 2");
  CHECK_SAYS(multiply(exec, packed, x, x), shape_error, "y must have 2 elements, got 3");
  CHECK_SAYS(multiply(exec, packed, vector_view<const float>(room.data(), 3),
                      vector_view<float>(room.data() + 2, 2)),
             shape_error, "x and y overlap");
  const auto batch = [&](std::size_t xr, std::size_t xc, std::size_t yr, std::size_t yc) {
    multiply(exec, packed, matrix_view<const float>(room.data(), xr, xc),
             matrix_view<float>(room.data() + 10, yr, yc));
  };
  CHECK_NOTHROW(batch(2, 3, 2, 2));
  CHECK_SAYS(batch(2, 3, 1, 2), shape_error, "X has 2 rows and Y 1");
  CHECK_SAYS(batch(0, 3, 0, 2), shape_error, "at least 1 row");
  CHECK_SAYS(batch(2, 2, 2, 2), shape_error, "X must have 3 columns, got 2");
  CHECK_SAYS(batch(2, 3, 2, 3), shape_error, "Y must have 2 columns, got 3");
  CHECK_SAYS(batch(4, 3, 4, 2), shape_error, "X and Y overlap");
  active_set small(2);
  CHECK_SAYS(multiply(exec, packed, keep_all{}, x, y, small), shape_error, "holds 2");
  std::vector<double> d(1);
  CHECK_SAYS(reference_multiply(packed, keep_all{}, x, d), shape_error, "W is 2x3");
}

TEST_CASE("multiply: sparsifiers that see all scores go through an active set") {
  cpu::executor exec(1);
  const std::vector<float> w{1, 10, 100, 2, 20, 200}, x{3, -5, 4};
  std::vector<float> y(2);
  active_set active(3);
  const auto packed = pack<channel_major<float>>(exec, matrix_view<const float>(w.data(), 2, 3));
  multiply(exec, packed, sparsifier{magnitude{}, top_k{2}}, x, y, active);
  CHECK(y == std::vector<float>{350, 700});
  CHECK(active.size() == 2);
}

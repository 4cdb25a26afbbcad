// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "catch2_any.hpp"
#include "reconstruct/matrices.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/rotate/principal_axes.hpp"
#include "sparsellm/rotate/rotation.hpp"

using namespace sparsellm;

namespace {

constexpr std::size_t channels = 40;

double dot(vector_view<const float> a, vector_view<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

}  // namespace

TEST_CASE("principal_axes: orthogonal, and energies are what lies along them, falling") {
  cpu::executor exec(2);
  const matrix x = activations(300, channels, 3);
  const axes_of_gram found = principal_axes(gram_of(exec, x));
  REQUIRE(found.energies.size() == channels);
  for (std::size_t j = 0; j < channels; ++j) {
    double along = 0;
    for (std::size_t r = 0; r < x.rows; ++r) {
      const double y = dot(x.view().row(r), found.matrix().row(j));
      along += y * y;
    }
    CHECK(std::fabs(found.energies[j] - along) <= 1e-4 * found.energies[0]);
    if (j != 0) CHECK(found.energies[j] <= found.energies[j - 1]);
    for (std::size_t i = 0; i <= j; ++i)
      REQUIRE(std::fabs(dot(found.matrix().row(i), found.matrix().row(j)) - (i == j ? 1 : 0)) <
              1e-5);
    float largest = 0;
    for (const float v : found.matrix().row(j))
      if (std::fabs(v) > std::fabs(largest)) largest = v;
    CHECK(largest > 0);
  }
  // Neighbours are alike: few axes have most of it, and no axis can beat the first.
  CHECK(found.energies[0] > 3 * gram_of(exec, x)(1, 1));
}

TEST_CASE("principal_axes: of channels that vary alone they are the channels") {
  gram seen(3);
  seen.observe(std::vector<float>{1, 0, 0});
  seen.observe(std::vector<float>{0, -3, 0});
  seen.observe(std::vector<float>{0, 0, 2});
  const axes_of_gram found = principal_axes(seen);
  CHECK(found.energies == std::vector<double>{9, 4, 1});
  const std::vector<float> expected{0, 1, 0, 0, 0, 1, 1, 0, 0};
  for (std::size_t i = 0; i < 9; ++i) CHECK(std::fabs(found.axes[i] - expected[i]) < 1e-6f);
}

TEST_CASE("principal_axes: of what is not finite they say so") {
  gram seen(2);
  seen.observe(std::vector<float>{1, std::numeric_limits<float>::infinity()});
  CHECK_SAYS(principal_axes(seen), value_error, "channel 1 had a value that is not finite");
}

TEST_CASE("rotation: what reads and what writes the stream stay the same functions") {
  cpu::executor exec(2);
  const matrix x = activations(300, channels, 4);
  const axes_of_gram found = principal_axes(gram_of(exec, x));
  const rotation turned(exec, found.matrix());
  matrix along(x.rows, channels);
  turned.turn(exec, x.view(), along.view());
  for (std::size_t r = 0; r < x.rows; ++r)
    REQUIRE(std::fabs(dot(along.view().row(r), along.view().row(r)) /
                          dot(x.view().row(r), x.view().row(r)) -
                      1) < 1e-5);

  // A reader W Q of x Q is W of x.
  const matrix reader = weights(9, channels, 5);
  matrix turned_reader(9, channels);
  turned.turn(exec, reader.view(), turned_reader.view());
  CHECK(output_error(x, reader, along, turned_reader) < 1e-6 * 300 * 9 * channels);

  // A writer Qᵀ W adds Qᵀ of what W adds; 600 columns are more than are turned at once.
  const matrix writer = weights(channels, 600, 6);
  matrix turned_writer = writer;
  turned.turn_outputs(exec, turned_writer.view());
  for (const std::size_t c : {0u, 255u, 256u, 599u})
    for (std::size_t j = 0; j < channels; ++j) {
      double expected = 0;
      for (std::size_t i = 0; i < channels; ++i)
        expected +=
            static_cast<double>(found.matrix()(j, i)) * static_cast<double>(writer.view()(i, c));
      REQUIRE(std::fabs(static_cast<double>(std::as_const(turned_writer).view()(j, c)) - expected) <
              1e-4);
    }
}

TEST_CASE("rotation: the same bits for any number of threads") {
  const matrix x = activations(300, channels, 7);
  const matrix writer = weights(channels, 300, 8);
  std::vector<float> first;
  for (const std::size_t threads : {1u, 2u, 3u}) {
    cpu::executor exec(threads);
    const rotation turned(exec, principal_axes(gram_of(exec, x)).matrix());
    matrix along(x.rows, channels), written = writer;
    turned.turn(exec, x.view(), along.view());
    turned.turn_outputs(exec, written.view());
    std::vector<float> all = along.data;
    all.insert(all.end(), written.data.begin(), written.data.end());
    if (first.empty()) first = all;
    CHECK(all == first);
  }
}

TEST_CASE("rotation: axes that are none, and other sizes, are refused") {
  cpu::executor exec(1);
  const auto made = [&](std::vector<float> axes, std::size_t rows, std::size_t cols) {
    return rotation(exec, matrix_view<const float>(axes.data(), rows, cols));
  };
  CHECK_SAYS(made({1, 0}, 1, 2), shape_error, "square matrix expected, got 1x2");
  CHECK_SAYS(made({}, 0, 0), shape_error, "square matrix expected, got 0x0");
  CHECK_SAYS(made({1, 0, 0, 2}, 2, 2), value_error, "got 4 as the product of axes 1 and 1");
  CHECK_SAYS(made({1, 0, 1, 0}, 2, 2), value_error, "got 1 as the product of axes 0 and 1");
  CHECK_SAYS(made({1, 0, 0, std::numeric_limits<float>::quiet_NaN()}, 2, 2), value_error,
             "expected a finite number");
  const rotation turned = made({0, 1, 1, 0}, 2, 2);
  matrix three(3, 1), wide(1, 3), out(1, 2);
  CHECK_SAYS(turned.turn_outputs(exec, three.view()), shape_error, "2 outputs expected, got 3");
  CHECK_THROWS_AS(turned.turn(exec, std::as_const(wide).view(), out.view()), shape_error);
}

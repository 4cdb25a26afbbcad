// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/core/views.hpp"

#include <array>
#include <span>
#include <vector>

#include "catch2_any.hpp"

using namespace sparsellm;

namespace {

// As std::mdspan looks, which g++ 12 does not have.
struct toy_mdspan {
  const float* data;
  std::size_t rows, cols, row_stride, col_stride;
  static constexpr std::size_t rank() { return 2; }
  [[nodiscard]] const float* data_handle() const { return data; }
  [[nodiscard]] std::size_t extent(int r) const { return r == 0 ? rows : cols; }
  [[nodiscard]] std::size_t stride(int r) const { return r == 0 ? row_stride : col_stride; }
};

float sum(vector_view<const float> v) {
  float total = 0;
  for (const float x : v) total += x;
  return total;
}

}  // namespace

TEST_CASE("views: contiguous ranges convert, const is added and never dropped") {
  std::vector<float> v{1, 2, 3};
  std::array<float, 2> a{4, 5};
  CHECK(sum(v) == 6);
  CHECK(sum(a) == 9);
  CHECK(sum(std::span<float>(v)) == 6);
  CHECK(sum(vector_view<float>(v)) == 6);
  static_assert(!std::is_constructible_v<vector_view<float>, const std::vector<float>&>);
  static_assert(!std::is_constructible_v<vector_view<float>, std::vector<double>&>);
  static_assert(!std::is_convertible_v<vector_view<float, device_space>, vector_view<float>>,
                "device memory never passes for host memory");
}

TEST_CASE("views: matrices address rows through the stride") {
  std::vector<float> m{1, 2, 0, 3, 4, 0};
  const matrix_view<float> view(m.data(), 2, 2, 3);
  CHECK(view(1, 0) == 3);
  CHECK(sum(view.row(1)) == 7);
  CHECK_SAYS((matrix_view<float>(m.data(), 2, 3, 2)), shape_error, "at least the 3 columns, got 2");
}

TEST_CASE("views: an mdspan of rank two converts when its columns are contiguous") {
  const std::vector<float> m{1, 2, 3, 4, 5, 6};
  const matrix_view<const float> view = toy_mdspan{m.data(), 2, 3, 3, 1};
  CHECK(view(1, 2) == 6);
  CHECK_SAYS((matrix_view<const float>(toy_mdspan{m.data(), 3, 2, 2, 3})), shape_error,
             "columns must be contiguous");
}

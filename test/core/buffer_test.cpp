// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/core/buffer.hpp"

#include <cstdint>
#include <limits>

#include "catch2_any.hpp"

using namespace sparsellm;

TEST_CASE("buffer: aligned, sized, movable, cloned only when asked") {
  buffer<float> a(7, 2.5f);
  CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % buffer_alignment == 0);
  CHECK(a.size() == 7);
  CHECK(a[6] == 2.5f);
  buffer<float> copy = a.clone();
  copy[0] = 1;
  CHECK(a[0] == 2.5f);
  const buffer<float> b = std::move(a);
  CHECK(b.size() == 7);
  CHECK(a.size() == 0);  // NOLINT(bugprone-use-after-move): the moved-from state is documented
  static_assert(!std::is_copy_constructible_v<buffer<float>>);
}

TEST_CASE("buffer: nothing is a size, and too much is an error") {
  CHECK(buffer<double>(0).data() == nullptr);
  CHECK_SAYS(buffer<double>(std::numeric_limits<std::size_t>::max() / 2), shape_error,
             "do not fit the address space");
}

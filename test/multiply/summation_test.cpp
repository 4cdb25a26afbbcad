// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/multiply/summation.hpp"

#include "catch2_any.hpp"

using namespace sparsellm::detail;

TEST_CASE("summation: the parts cover every channel once, in order, for every width") {
  for (std::size_t inputs = 1; inputs < 5000; ++inputs) {
    const summation_parts parts = summation_of(inputs);
    REQUIRE(parts.begin(0) == 0);
    REQUIRE(parts.end(parts.count - 1) == inputs);
    for (std::size_t p = 1; p < parts.count; ++p) {
      REQUIRE(parts.begin(p) == parts.end(p - 1));
      REQUIRE(parts.begin(p) % 16 == 0);
    }
    REQUIRE(parts.count <= 8);
  }
}

TEST_CASE("summation: the layer shapes of real models divide evenly") {
  for (const std::size_t inputs : {576, 1536, 4096, 11008, 14336}) {
    const summation_parts parts = summation_of(inputs);
    CHECK(parts.length * parts.count == inputs);
  }
}

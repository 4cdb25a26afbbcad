// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/core/error.hpp"

#include "catch2_any.hpp"

using namespace sparsellm;

TEST_CASE("error: require joins its parts only when it fails") {
  CHECK_NOTHROW(require<shape_error>(true, "unused"));
  CHECK_SAYS(require<shape_error>(false, "expected ", 3, ", got ", 2.5), shape_error,
             "expected 3, got 2.5");
  CHECK_THROWS_AS(raise<file_error>("x"), error);
}

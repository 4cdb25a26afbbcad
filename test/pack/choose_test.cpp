// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/pack/choose.hpp"

#include <limits>

#include "catch2_any.hpp"

using namespace sparsellm;

TEST_CASE("choose_layout: dense weights are panels, long rows that skip much are channel_major") {
  CHECK(choose_layout({4096, 4096}, element_kind::bf16, 0.0) == layout_kind::panel);
  CHECK(choose_layout({4096, 4096}, element_kind::bf16, 0.1) == layout_kind::panel);
  CHECK(choose_layout({4096, 4096}, element_kind::bf16, 0.5) == layout_kind::channel_major);
  CHECK(choose_layout({192, 576}, element_kind::bf16, 0.4) == layout_kind::panel);
  CHECK(choose_layout({576, 1536}, element_kind::bf16, 0.5) == layout_kind::channel_major);
  CHECK(choose_layout({576, 1536}, element_kind::q4_1, 0.3) == layout_kind::panel);
  CHECK(choose_layout({576, 1536}, element_kind::q4_1, 0.4) == layout_kind::channel_major);
  CHECK(choose_layout({192, 576}, element_kind::q4_1, 0.9) == layout_kind::panel);
}

TEST_CASE("choose_layout: more sparsity or longer rows never argue for the panel") {
  bool last = false;
  for (double s = 0; s < 1; s += 0.01) {
    const bool sparse =
        choose_layout({1024, 64}, element_kind::bf16, s) == layout_kind::channel_major;
    CHECK((sparse || !last));
    last = sparse;
  }
  double efficiency = 0;
  for (std::size_t bytes = 0; bytes < 20000; bytes += 64) {
    CHECK(channel_efficiency(bytes, false) >= efficiency);
    efficiency = channel_efficiency(bytes, false);
  }
  CHECK(efficiency < 1);
}

TEST_CASE("choose_layout: refuses sparsities below 0, and 1 or more") {
  CHECK_SAYS(choose_layout({1, 1}, element_kind::bf16, 1.0), value_error,
             "must be in [0, 1), got 1");
  CHECK_THROWS_AS(
      choose_layout({1, 1}, element_kind::bf16, std::numeric_limits<double>::quiet_NaN()),
      value_error);
}

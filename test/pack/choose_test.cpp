// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/pack/choose.hpp"

#include <limits>

#include "catch2_any.hpp"
#include "sparsellm/pack/layout_efficiencies.hpp"

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
}

TEST_CASE("choose_layout: what a machine says decides, for the class of the weight's elements") {
  const efficiency_curve slow(0, {{1, 0.2}}), fast(0, {{1, 0.9}});
  const layout_efficiencies floats_fast{fast, slow, slow}, blocks_fast{slow, fast, slow},
      k_fast{slow, slow, fast};
  const auto chosen = [](element_kind e, const layout_efficiencies& machine) {
    return choose_layout({4096, 4096}, e, 0.4, machine) == layout_kind::channel_major;
  };
  for (const element_kind e : {element_kind::f32, element_kind::f16, element_kind::bf16,
                               element_kind::q8_0, element_kind::q4_0, element_kind::q4_1,
                               element_kind::q4_k, element_kind::q5_k, element_kind::q6_k}) {
    CAPTURE(name(e));
    CHECK(chosen(e, floats_fast) == !is_quantized(e));
    CHECK(chosen(e, blocks_fast) == (is_quantized(e) && !has_super_blocks(e)));
    CHECK(chosen(e, k_fast) == has_super_blocks(e));
    // Without a machine, and nothing skipped: as ever.
    CHECK(choose_layout({4096, 4096}, e, 0.0, {fast, fast, fast}) == layout_kind::panel);
    CHECK(choose_layout({4096, 4096}, e, 0.4) ==
          choose_layout({4096, 4096}, e, 0.4, default_efficiencies()));
  }
  const extents shape{4096, 4096};
  CHECK(choose_layout(shape, element_kind::bf16, {2, 4}, 0.4, floats_fast) ==
        layout_kind::channel_bitmap);
  CHECK(choose_layout(shape, element_kind::i8, {2, 4}, 0.4, blocks_fast) == layout_kind::n_of_m);
}

TEST_CASE("choose_layout: dense weights are panels, however well channels are read") {
  const efficiency_curve best(0, {{1, 1.0}});
  CHECK(choose_layout({4096, 4096}, element_kind::bf16, 0.0, {best, best, best}) ==
        layout_kind::panel);
  CHECK(choose_layout({4096, 4096}, element_kind::bf16, 0.01, {best, best, best}) ==
        layout_kind::channel_major);
}

TEST_CASE("choose_layout: refuses sparsities below 0, and 1 or more") {
  CHECK_SAYS(choose_layout({1, 1}, element_kind::bf16, 1.0), value_error,
             "must be in [0, 1), got 1");
  CHECK_THROWS_AS(
      choose_layout({1, 1}, element_kind::bf16, std::numeric_limits<double>::quiet_NaN()),
      value_error);
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/cpu/executors/serial_executor.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/sparsify.hpp"

#include <limits>
#include <vector>

#include "catch2_any.hpp"

using namespace sparsellm;

namespace {

struct even_channels {  // a sparsifier of the user's
  [[nodiscard]] bool keeps(float, std::size_t channel) const noexcept { return channel % 2 == 0; }
};
static_assert(pointwise_sparsifier<even_channels>);

template <class S>
std::vector<std::uint32_t> kept(const S& s, const std::vector<float>& x) {
  active_set active(x.size());
  cpu::serial_executor exec;
  sparsify(exec, s, x, active);
  for (std::size_t i = 0; i < active.size(); ++i) {
    const float was = x[active.indices()[i]], is = active.values()[i];
    CHECK((was == is || (was != was && is != is)));
  }
  return {active.indices().begin(), active.indices().end()};
}

using indices = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("sparsifier: magnitude above a threshold, ascending, values as they were") {
  const std::vector<float> x{0.1f, -0.9f, 0.5f, 0.7f, -0.0f};
  CHECK(kept(sparsifier{magnitude{}, above{0.5f}}, x) == indices{1, 3});
  CHECK(kept(keep_all{}, x) == indices{0, 1, 2, 3, 4});
  CHECK(kept(even_channels{}, x) == indices{0, 2, 4});
  CHECK(kept(sparsifier{magnitude{}, top_k{2}}, x) == indices{1, 3});
}

TEST_CASE("sparsifier: column_scaled weighs by the channel") {
  const std::vector<float> scale{10, 1, 0};
  const sparsifier s{column_scaled{scale.data()}, above{0.95f}};
  CHECK(kept(s, {0.1f, 0.9f, 5.0f}) == indices{0});
}

TEST_CASE("sparsifier: NaN reaches the result instead of vanishing") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(kept(sparsifier{magnitude{}, above{1.0f}}, {0.5f, nan}) == indices{1});
}

TEST_CASE("sparsifier: an active set without room is refused") {
  active_set small(2);
  cpu::serial_executor exec;
  CHECK_SAYS(sparsify(exec, keep_all{}, std::vector<float>{1, 2, 3}, small), shape_error,
             "for 3 channels expected, this one holds 2");
}

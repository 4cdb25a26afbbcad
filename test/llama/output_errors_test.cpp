// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "methods/output_errors.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "llama/loaded_tiny.hpp"
#include "llama/stream_of.hpp"
#include "methods/perplexity.hpp"
#include "model/session.hpp"
#include "sparsellm/core/error.hpp"

using namespace llama;
using sparsellm::element_kind;
using sparsellm::threshold_table;
using sparsellm::value_error;

namespace {

// Skips what is up to `threshold` for k, and zeros elsewhere.
threshold_table for_k(const model& m, float threshold) {
  threshold_table table;
  table.model = m.identity();
  for (std::size_t l = 0; l < m.shape().layers; ++l)
    for (const projection p : m.shape().projections())
      table.add({{l, name(p)}, m.extents_of(p), 0.5, p == projection::k ? threshold : 0.0f});
  return table;
}

output_errors measured(loaded_tiny& t, const threshold_table& table, std::size_t dense) {
  t.m.use(t.exec, table, t.m.identity());
  output_errors errors(t.exec, t.m, 24);
  const activation_observer observe = [&](std::size_t l, activation_site site, const_rows x) {
    errors.add(l, site, x, dense);
  };
  session s(t.exec, t.m, 24, 24);
  (void)measure_perplexity(t.exec, s, {some_tokens(24, 2)}, dense, &observe, quiet);
  return errors;
}

}  // namespace

TEST_CASE("output_errors: all of what is skipped altogether, nothing of what is kept") {
  loaded_tiny t;
  const output_errors errors = measured(t, for_k(t.m, std::numeric_limits<float>::max()), 0);
  CHECK(errors.of(projection::k) == 1.0);
  CHECK(errors.of(projection::v) < 1e-9);  // the sparse product adds in another order
  CHECK(errors.of(projection::down) < 1e-9);
  CHECK(std::fabs(errors.total() - 1.0 / 7) < 1e-9);
  CHECK(measured(t, for_k(t.m, std::numeric_limits<float>::max()), 24).total() == 0.0);
}

TEST_CASE("output_errors: are those of the products, less what biases make up for") {
  std::vector<double> of_one;
  for (const std::size_t threads : {1, 2}) {
    loaded_tiny t({}, {element_kind::f32}, threads);
    threshold_table table = for_k(t.m, 0.5f);
    t.m.use(t.exec, table, t.m.identity());
    // The first layer's inputs, W · x from the file, and what is left of it.
    const config& c = t.m.shape();
    session s(t.exec, t.m, 24, 24);
    std::vector<double> missing(t.m.extents_of(projection::k).outputs);  // the mean
    std::vector<std::vector<double>> lost;
    double whole = 0;
    const activation_observer observe = [&](std::size_t l, activation_site site, const_rows x) {
      if (l != 0 || site != activation_site::attention_input) return;
      std::vector<float> w(c.width);
      lost.assign(x.rows(), std::vector<double>(missing.size()));
      for (std::size_t i = 0; i < missing.size(); ++i) {
        t.m.read_row(0, projection::k, i, sparsellm::vector_view<float>(w));
        for (std::size_t r = 0; r < x.rows(); ++r) {
          double y = 0;
          for (std::size_t ch = 0; ch < c.width; ++ch) {
            const double part = static_cast<double>(w[ch]) * static_cast<double>(x(r, ch));
            y += part;
            if (std::fabs(x(r, ch)) <= 0.5f) lost[r][i] += part;
          }
          whole += y * y;
          missing[i] += lost[r][i] / static_cast<double>(x.rows());
        }
      }
    };
    s.append(some_tokens(24, 2), 0, &observe);
    double error = 0, left = 0;
    for (const std::vector<double>& row : lost)
      for (std::size_t i = 0; i < row.size(); ++i) {
        error += row[i] * row[i];
        left += (row[i] - missing[i]) * (row[i] - missing[i]);
      }
    REQUIRE(left < 0.99 * error);
    // Later layers read other inputs, so the first is looked at alone.
    const auto of_first = [&] {
      t.m.use(t.exec, table, t.m.identity());
      output_errors errors(t.exec, t.m, 24);
      const activation_observer first = [&](std::size_t l, activation_site site, const_rows x) {
        if (l == 0) errors.add(l, site, x, 0);
      };
      s.rewind();
      s.append(some_tokens(24, 2), 0, &first);
      return errors.of(projection::k) * static_cast<double>(c.layers);
    };
    const double without = of_first();
    CHECK(std::fabs(without - error / whole) < 1e-4 * without);
    for (sparsellm::site_threshold& site : table.sites)
      if (site.where.layer == 0 && site.where.projection == "k")
        site.bias.assign(missing.begin(), missing.end());
    const double with = of_first();
    CHECK(std::fabs(with - left / whole) < 1e-4 * with);
    if (threads == 1) of_one = {without, with};
    CHECK(std::vector<double>{without, with} == of_one);
  }
}

TEST_CASE("output_errors: CATS' scores are refused") {
  loaded_tiny t;
  threshold_table table = for_k(t.m, 0.0f);
  table.score = sparsellm::table_score::gate;
  for (sparsellm::site_threshold& s : table.sites) s.threshold = 0.1f;
  t.m.use(t.exec, table, t.m.identity());
  CHECK_SAYS(output_errors(t.exec, t.m, 24), value_error, "got CATS'");
}

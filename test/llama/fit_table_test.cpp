// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "methods/fit_table.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "files/orders.hpp"
#include "llama/loaded_tiny.hpp"
#include "llama/pruned.hpp"
#include "llama/stream_of.hpp"
#include "methods/fisher.hpp"
#include "methods/threshold_descent.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/calibrate/uniform.hpp"
#include "sparsellm/core/error.hpp"

using namespace llama;
using sparsellm::element_kind;
using sparsellm::threshold_table;
using sparsellm::value_error;

namespace {

threshold_table calibrated(loaded_tiny& t, const std::vector<window>& windows) {
  calibration how;
  how.shares = allocate(sparsellm::uniform{0.5}, t.m, how.score);
  how.sequential = true;
  how.dense_prefix = 8;
  return calibrate_model(t.exec, t.m, windows, how, quiet);
}

double skipped_of(const model& m, const threshold_table& table) {
  double skipped = 0, all = 0;
  for (const sparsellm::site_threshold& s : table.sites) {
    const auto size = static_cast<double>(s.shape.outputs * s.shape.inputs);
    skipped += size * s.sparsity;
    all += size;
  }
  REQUIRE(table.sites.size() == m.shape().layers * m.shape().projections().size());
  return skipped / all;
}

}  // namespace

TEST_CASE("fit_table: lowers the divergence, with the same bits for every number of threads") {
  std::vector<window> windows;
  for (std::size_t w = 0; w < 4; ++w) windows.push_back(some_tokens(32, w + 1));
  std::string of_one;
  for (const std::size_t threads : {1, 2}) {
    loaded_tiny t({}, {element_kind::bf16}, threads);
    threshold_table table = calibrated(t, windows);
    const std::vector<double> met =
        fit_table(t.exec, t.m, windows, 8, {12, 4, 0.1, 0.1}, table, quiet);
    REQUIRE(met.size() == 12);
    CHECK(met.back() < 0.97 * met.front());
    CHECK(table.has_biases());
    CHECK(table.at({1, "down"}).bias.size() == t.m.shape().width);
    CHECK(table.at({1, "k"}).bias.size() == t.m.extents_of(projection::k).outputs);
    // The model leaves with what the table says.
    const std::vector<float> in_use = t.m.blocks()[1].down.sparse_bias();
    CHECK(in_use == table.at({1, "down"}).bias);
    CHECK(t.m.blocks()[1].down.linears()[0].threshold(0) == table.at({1, "down"}).threshold);
    const std::string text = to_json(table);
    if (threads == 1) of_one = text;
    CHECK(text == of_one);
    // And another takes it over from the text.
    loaded_tiny other({}, {element_kind::bf16}, threads);
    other.m.use(other.exec, sparsellm::table_from_json(text), other.m.identity());
    CHECK(other.m.blocks()[1].down.sparse_bias() == in_use);
    CHECK(other.m.blocks()[1].down.bias().empty());
  }
}

TEST_CASE("biases: decoding adds them as a batch does, and dense positions get none") {
  loaded_tiny t;
  threshold_table table = calibrated(t, {some_tokens(32, 1)});
  const std::vector<float> without = stream_of(t, 24, 0), dense = stream_of(t, 24, 24);
  for (sparsellm::site_threshold& s : table.sites)
    for (std::size_t i = 0; i < s.shape.outputs; ++i)
      s.bias.push_back(0.01f * static_cast<float>(i % 7));
  t.m.use(t.exec, table, t.m.identity());
  const std::vector<float> at_once = stream_of(t, 24, 0);
  CHECK(apart(at_once, stream_of(t, 1, 0)) < 1e-3);
  CHECK(apart(at_once, without) > 1e-2);
  CHECK(stream_of(t, 24, 24) == dense);
}

TEST_CASE("fit_table: refuses what has no way back, and options that mean nothing") {
  std::vector<window> windows{some_tokens(32, 1)};
  loaded_tiny t;
  threshold_table table = calibrated(t, windows);
  const auto fit = [&](std::size_t prefix, const table_fit& how) {
    return fit_table(t.exec, t.m, windows, prefix, how, table, quiet);
  };
  CHECK_THROWS_AS(fit(32, {4, 1, 0.1, 0.1}), value_error);
  CHECK_THROWS_AS(fit(8, {4, 0, 0.1, 0.1}), value_error);
  CHECK_SAYS(fit(8, {4, 1, 0.0, 0.0}), value_error, "a rate above 0 expected");
  CHECK_SAYS(fit(8, {4, 1, 0.1, -1.0}), value_error, "at least 0 expected, got -1");
  t.m.blocks()[0].down.set_top_k(3);
  CHECK_SAYS(fit(8, {4, 1, 0.1, 0.1}), value_error, "top-k is not supported");
}

TEST_CASE("fit_table: either alone leaves the other as it was") {
  std::vector<window> windows{some_tokens(32, 1), some_tokens(32, 2)};
  loaded_tiny t;
  const threshold_table before = calibrated(t, windows);
  threshold_table biases = before;
  (void)fit_table(t.exec, t.m, windows, 8, {3, 2, 0.1, 0.0}, biases, quiet);
  CHECK(biases.has_biases());
  for (std::size_t s = 0; s < before.sites.size(); ++s) {
    CHECK(biases.sites[s].threshold == before.sites[s].threshold);
    CHECK(biases.sites[s].sparsity == before.sites[s].sparsity);
  }
  threshold_table thresholds = before;
  t.m.use(t.exec, thresholds, t.m.identity());
  (void)fit_table(t.exec, t.m, windows, 8, {3, 2, 0.0, 0.1}, thresholds, quiet);
  CHECK(!thresholds.has_biases());
  CHECK(thresholds.sites[0].threshold != before.sites[0].threshold);
  CHECK(std::fabs(skipped_of(t.m, thresholds) - skipped_of(t.m, before)) < 1e-9);
}

TEST_CASE("fit_table: biases stand in the order of the file's rows") {
  std::vector<window> windows{some_tokens(32, 1), some_tokens(32, 2)};
  loaded_tiny plain;
  const std::vector<block_orders> orders = random_orders(plain.m.shape(), 3);
  loaded_tiny permuted(
      {}, {element_kind::f32, 0.0, nullptr, sparsellm::table_score::magnitude, &orders});
  threshold_table table = calibrated(permuted, windows);
  (void)fit_table(permuted.exec, permuted.m, windows, 8, {3, 2, 0.1, 0.0}, table, quiet);
  const std::vector<float> fitted = stream_of(permuted, 24, 0);
  for (const projection p : {projection::v, projection::gate, projection::up}) {
    const std::vector<float>& bias = table.at({1, name(p)}).bias;
    CHECK(bias.front() != bias.back());
  }
  // The model has what its table gives it, and so has the one in the file's order.
  permuted.m.use(permuted.exec, table, permuted.m.identity());
  CHECK(stream_of(permuted, 24, 0) == fitted);
  plain.m.use(plain.exec, table, plain.m.identity());
  CHECK(apart(stream_of(plain, 24, 0), fitted) < 1e-3);
}

TEST_CASE("threshold_descent: sparsity goes where it costs less, and stays the same together") {
  loaded_tiny t;
  const threshold_table before = calibrated(t, {some_tokens(32, 1)});
  const config& c = t.m.shape();
  threshold_descent descent(t.exec, t.m, before);
  // Inputs up to twice the threshold; to skip one costs something in layer 0 alone.
  const auto show = [&] {
    for (std::size_t l = 0; l < c.layers; ++l)
      for (const projection p : c.projections()) {
        const std::size_t n = t.m.extents_of(p).inputs;
        const float most = 2 * before.at({l, name(p)}).threshold;
        std::vector<float> input(4 * n), gradient(4 * n);
        for (std::size_t i = 0; i < input.size(); ++i) {
          input[i] = most * static_cast<float>(i + 1) / static_cast<float>(input.size());
          gradient[i] = l == 0 ? -input[i] : 0.0f;
        }
        descent.see(l, p, {gradient.data(), 4, n}, {input.data(), 4, n});
      }
  };
  threshold_table after = before;
  for (int step = 0; step < 40; ++step) {
    show();
    descent.step(0.02);
    descent.put_into(after);
  }
  CHECK(std::fabs(skipped_of(t.m, after) - skipped_of(t.m, before)) < 1e-6);
  for (std::size_t s = 0; s < before.sites.size(); ++s) {
    const sparsellm::site_threshold &was = before.sites[s], &is = after.sites[s];
    INFO("layer " << was.where.layer << " " << was.where.projection);
    if (was.where.layer == 0)
      CHECK(is.threshold < was.threshold);
    else
      CHECK(is.threshold > was.threshold);
    CHECK(is.sparsity <= 0.95);
  }
}

TEST_CASE("allocate_by_fisher: meets the sparsity, the same for every number of threads") {
  std::vector<window> windows;
  for (std::size_t w = 0; w < 3; ++w) windows.push_back(some_tokens(32, w + 1));
  std::vector<double> of_one;
  for (const std::size_t threads : {1, 2}) {
    loaded_tiny t({}, {element_kind::f32}, threads);
    const sparsellm::allocated a = allocate_by_fisher(t.exec, t.m, windows, 2, 0.5, false, quiet);
    REQUIRE(a.shares.size() == 14);
    double skipped = 0, all = 0;
    std::vector<double> shares;
    for (const sparsellm::site_observation& s : sites_of(t.m)) {
      const auto size = static_cast<double>(s.shape.outputs * s.shape.inputs);
      shares.push_back(a.allocate({s}).front());
      skipped += size * shares.back();
      all += size;
    }
    CHECK(std::fabs(skipped / all - 0.5) < 1e-3);
    if (threads == 1) of_one = shares;
    CHECK(shares == of_one);
  }
}

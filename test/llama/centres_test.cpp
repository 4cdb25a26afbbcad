// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Thresholds on |x - centre|: what is skipped is taken for its centre.
#include <cmath>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "files/orders.hpp"
#include "llama/loaded_tiny.hpp"
#include "llama/pruned.hpp"
#include "llama/stream_of.hpp"
#include "methods/calibration.hpp"
#include "model/session.hpp"
#include "model/sparsity_meter.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/calibrate/uniform.hpp"
#include "sparsellm/core/error.hpp"

using namespace llama;
using sparsellm::element_kind;
using sparsellm::threshold_table;

namespace {

threshold_table calibrated(loaded_tiny& t, bool centred, double sparsity = 0.5) {
  calibration how;
  how.shares = allocate(sparsellm::uniform{sparsity}, t.m, how.score);
  how.sequential = true;
  how.dense_prefix = 8;
  how.centred = centred;
  std::vector<window> windows;
  for (std::size_t w = 0; w < 4; ++w) windows.push_back(some_tokens(32, w + 1));
  return calibrate_model(t.exec, t.m, windows, how, quiet);
}

// With a centre for each channel of every input and the same threshold everywhere.
threshold_table with_centres(loaded_tiny& t, float threshold) {
  threshold_table table;
  table.model = t.m.identity();
  for (std::size_t l = 0; l < t.m.shape().layers; ++l)
    for (const projection p : t.m.shape().projections()) {
      sparsellm::site_threshold entry{{l, name(p)}, t.m.extents_of(p), 0.5, threshold};
      for (std::size_t i = 0; i < entry.shape.inputs; ++i)
        entry.centre.push_back(0.01f * static_cast<float>(i % 7) - 0.02f);
      table.add(std::move(entry));
    }
  return table;
}

}  // namespace

TEST_CASE("centres: where nothing is skipped they change nothing, and dense tokens get none") {
  loaded_tiny t;
  const std::vector<float> dense = stream_of(t, 24, 24);
  const threshold_table table = with_centres(t, 0.0f);
  t.m.use(t.exec, table, t.m.identity());
  CHECK(apart(stream_of(t, 24, 0), dense) < 1e-3);
  CHECK(apart(stream_of(t, 1, 0), dense) < 1e-3);
  CHECK(stream_of(t, 24, 24) == dense);
}

TEST_CASE("centres: what is skipped is taken for its centre") {
  loaded_tiny t;
  threshold_table table = with_centres(t, 1e30f);
  t.m.use(t.exec, table, t.m.identity());
  forward steps(t.exec, t.m, 3, 3);
  for (const activation_site site : activation_sites) {
    const stack& w = t.m.blocks()[1].reading(site);
    const std::size_t inputs = t.m.shape().channels_of(site);
    std::size_t outputs = 0;
    for (const projection p : t.m.shape().readers(site)) outputs += t.m.extents_of(p).outputs;
    const std::vector<float>& centre = table.at({1, name(t.m.shape().readers(site)[0])}).centre;
    std::vector<float> of_centre(outputs), x(3 * inputs), y(3 * outputs);
    w.dense(t.exec, sparsellm::vector_view<const float>(centre),
            sparsellm::vector_view<float>(of_centre));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 13) - 6.0f;
    for (const std::size_t tokens : {1u, 3u}) {
      steps.product(w, {x.data(), tokens, inputs}, 0, {y.data(), tokens, outputs});
      for (std::size_t r = 0; r < tokens; ++r)
        for (std::size_t i = 0; i < outputs; ++i) REQUIRE(y[r * outputs + i] == of_centre[i]);
    }
  }
}

TEST_CASE("centres: calibrated ones skip what was asked, the same for every number of threads") {
  std::string of_one;
  for (const std::size_t threads : {1, 2}) {
    loaded_tiny t({}, {element_kind::bf16}, threads);
    const threshold_table table = calibrated(t, true);
    CHECK(table.method == "uniform centred sequential");
    CHECK(table.has_centres());
    CHECK(table.at({0, "q"}).centre.size() == t.m.shape().width);
    CHECK(table.at({0, "q"}).centre == table.at({0, "v"}).centre);
    CHECK(table.at({1, "down"}).centre.size() == t.m.shape().hidden);
    const std::string text = to_json(table);
    if (threads == 1) of_one = text;
    CHECK(text == of_one);

    sparsity_meter meter(t.m);
    const activation_observer count = [&](std::size_t l, activation_site site, const_rows x) {
      meter.count(l, site, x, 8);
    };
    for (std::size_t w = 0; w < 4; ++w) {
      session s(t.exec, t.m, 32, 32);
      (void)s.advance(some_tokens(32, w + 1), 8, &count);
    }
    CHECK(std::fabs(meter.total() - 0.5) < 0.01);
    const std::vector<float> at_once = stream_of(t, 24, 0);

    // Another takes them over from the text.
    loaded_tiny other({}, {element_kind::bf16}, threads);
    other.m.use(other.exec, sparsellm::table_from_json(text), other.m.identity());
    CHECK(stream_of(other, 24, 0) == at_once);
    // And without them it is another model.
    other.m.use(other.exec, calibrated(other, false), other.m.identity());
    CHECK(other.m.blocks()[0].qkv.centre().empty());
    CHECK(apart(stream_of(other, 24, 0), at_once) > 1e-3);
  }
}

TEST_CASE("centres: go with WINA's scores and with the largest channels") {
  calibration wina, largest;
  wina.score = sparsellm::table_score::column_scaled;
  largest.selection = sparsellm::table_selection::top_k;
  for (calibration how : {wina, largest}) {
    loaded_tiny t;
    how.shares = allocate(sparsellm::uniform{0.5}, t.m, how.score);
    how.centred = true;
    const threshold_table table = calibrate_model(t.exec, t.m, {some_tokens(32, 1)}, how, quiet);
    CHECK(table.has_centres());
    sparsity_meter meter(t.m);
    const activation_observer count = [&](std::size_t l, activation_site site, const_rows x) {
      meter.count(l, site, x, 0);
    };
    session s(t.exec, t.m, 32, 32);
    (void)s.advance(some_tokens(32, 1), 0, &count);
    CHECK(std::fabs(meter.total() - 0.5) < 0.1);
    CHECK(apart(stream_of(t, 24, 0), stream_of(t, 1, 0)) < 1e-3);
  }
}

TEST_CASE("centres: stand in the order of the file's channels") {
  loaded_tiny plain;
  const threshold_table table = calibrated(plain, true);
  const std::vector<float> as_is = stream_of(plain, 24, 0);
  CHECK(apart(as_is, stream_of(plain, 1, 0)) < 1e-3);  // decode, which fuses steps
  const std::vector<block_orders> orders = random_orders(plain.m.shape(), 3);
  loaded_tiny permuted(
      {}, {element_kind::f32, 0.0, nullptr, sparsellm::table_score::magnitude, &orders});
  const threshold_table again = calibrated(permuted, true);
  for (const sparsellm::site_threshold& s : table.sites) {
    const std::vector<float>& other = again.at(s.where).centre;
    REQUIRE(other.size() == s.centre.size());
    for (std::size_t i = 0; i < other.size(); ++i)
      REQUIRE(std::fabs(other[i] - s.centre[i]) < 1e-2f);
  }
  permuted.m.use(permuted.exec, table, permuted.m.identity());
  CHECK(apart(stream_of(permuted, 24, 0), as_is) < 1e-2);
}

TEST_CASE("centres: of projections that read one input must be one, and go with no gate's scores") {
  loaded_tiny t;
  threshold_table table = with_centres(t, 0.1f);
  table.sites[1].centre[0] += 1.0f;
  CHECK_SAYS(t.m.use(t.exec, table, t.m.identity()), sparsellm::format_error,
             "one centre expected for all that read an input, k has another than q");
  table = with_centres(t, 0.1f);
  table.score = sparsellm::table_score::gate;
  CHECK_SAYS(t.m.use(t.exec, table, t.m.identity()), sparsellm::value_error,
             "centres beside CATS' scores are not supported");
  calibration how;
  how.score = sparsellm::table_score::gate;
  how.shares = allocate(sparsellm::uniform{0.5}, t.m, how.score);
  how.centred = true;
  CHECK_SAYS(calibrate_model(t.exec, t.m, {some_tokens(32, 1)}, how, quiet), sparsellm::value_error,
             "not with CATS' scores");
}

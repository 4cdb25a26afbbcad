// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "methods/fit_biases.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "llama/loaded_tiny.hpp"
#include "llama/stream_of.hpp"
#include "methods/fisher.hpp"
#include "methods/recorded_pass.hpp"
#include "model/session.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/calibrate/uniform.hpp"
#include "sparsellm/core/error.hpp"

using namespace llama;
using sparsellm::element_kind;
using sparsellm::value_error;

namespace {

// A third of the channels is skipped whatever they hold, so that a small change of a bias changes
// no choice. In every other block to a centre.
void skip_fixed_channels(sparsellm::cpu::executor& exec, model& m) {
  std::mt19937 random(3);
  bool centred = false;
  for (block& b : m.blocks()) {
    for (const activation_site site : activation_sites) {
      std::vector<float> centre(centred ? m.shape().channels_of(site) : 0);
      for (float& c : centre) c = static_cast<float>(random() % 9) / 100.0f;
      b.reading(site).set_centre(exec, centre);
      std::vector<float> scale(m.shape().channels_of(site));
      for (float& s : scale) s = random() % 3 == 0 ? 0.0f : 1.0f;
      b.reading(site).set_scale(scale);
      b.reading(site).set_thresholds(std::vector<float>(m.shape().readers(site).size(), 0.0f));
    }
    centred = true;
  }
}

// A loss that is linear in the logits: their sum, each with a weight of its own.
float weight_of(std::size_t row, std::size_t token) {
  return static_cast<float>((row * 37 + token * 101) % 199) / 100.0f - 1.0f;
}

constexpr std::size_t prefix = 5, count = 12;

// A pass that skips some channels, behind a dense prefix, whose keys and values the caches have.
struct behind_prefix {
  behind_prefix() {
    skip_fixed_channels(t.exec, t.m);
    recorded_pass before(t.exec, t.m, prefix, prefix + count);
    (void)before.run({ids.begin(), ids.begin() + prefix}, 0, true, caches);
  }
  const_rows run() { return pass.run({ids.begin() + prefix, ids.end()}, prefix, false, caches); }

  loaded_tiny t;
  window ids = some_tokens(prefix + count, 3);
  std::vector<kv_cache> caches = make_caches(t.m.shape(), prefix + count);
  recorded_pass pass{t.exec, t.m, count, prefix + count};
};

double loss_of(behind_prefix& b) {
  const const_rows x = b.run();
  std::vector<float> logits(count * b.t.m.shape().vocabulary);
  const rows out(logits.data(), count, b.t.m.shape().vocabulary);
  b.pass.steps().logits(x, out);
  double loss = 0;
  for (std::size_t r = 0; r < count; ++r)
    for (std::size_t i = 0; i < out.cols(); ++i)
      loss += static_cast<double>(weight_of(r, i)) * static_cast<double>(out(r, i));
  return loss;
}

sparsellm::threshold_table calibrated(loaded_tiny& t, const std::vector<window>& windows) {
  calibration how;
  how.shares = allocate(sparsellm::uniform{0.5}, t.m, how.score);
  how.sequential = true;
  how.dense_prefix = 8;
  return calibrate_model(t.exec, t.m, windows, how, quiet);
}

}  // namespace

TEST_CASE("recorded_pass: forward it is the model's own pass to the bit") {
  behind_prefix b;
  const const_rows mine = b.run();
  session s(b.t.exec, b.t.m, prefix + count, prefix + count);
  (void)s.advance({b.ids.begin(), b.ids.begin() + prefix}, prefix);
  const const_rows theirs = s.advance({b.ids.begin() + prefix, b.ids.end()}, prefix);
  for (std::size_t r = 0; r < count; ++r)
    for (std::size_t i = 0; i < mine.cols(); ++i) REQUIRE(mine(r, i) == theirs(r, i));
}

TEST_CASE("recorded_pass: gradients are those of finite differences") {
  behind_prefix b;
  (void)loss_of(b);

  std::vector<per_site<std::vector<double>>> gradients(b.t.m.shape().layers);
  b.pass.reverse(
      [](std::size_t first, rows logits) {
        for (std::size_t r = 0; r < logits.rows(); ++r)
          for (std::size_t i = 0; i < logits.cols(); ++i) logits(r, i) = weight_of(first + r, i);
      },
      [&](std::size_t l, projection p, const_rows of_output, const_rows, const_rows) {
        if (p == projection::q || p == projection::gate) gradients[l][site_of(p)].clear();
        // Sites' projections come last to first; a stack has them first to last.
        std::vector<double> sums(of_output.cols(), 0.0);
        for (std::size_t r = 0; r < of_output.rows(); ++r)
          for (std::size_t i = 0; i < of_output.cols(); ++i)
            sums[i] += static_cast<double>(of_output(r, i));
        gradients[l][site_of(p)] = sums;
      });

  // q and gate are at the front of their stacks, o and down are alone.
  for (std::size_t l = 0; l < b.t.m.shape().layers; ++l)
    for (const activation_site site : activation_sites) {
      const std::vector<double>& g = gradients[l][site];
      double norm = 0;
      for (const double v : g) norm += v * v;
      norm = std::sqrt(norm);
      REQUIRE(norm > 0);
      std::size_t outputs = 0;
      for (const projection p : b.t.m.shape().readers(site)) outputs += b.t.m.extents_of(p).outputs;
      const double step = 2e-3;
      const auto loss_at = [&](double length) {
        std::vector<float> bias(outputs, 0.0f);
        for (std::size_t i = 0; i < g.size(); ++i)
          bias[i] = static_cast<float>(length * g[i] / norm);
        b.t.m.blocks()[l].reading(site).set_made_up(bias);
        const double loss = loss_of(b);
        b.t.m.blocks()[l].reading(site).set_made_up({});
        return loss;
      };
      const double slope = (loss_at(step) - loss_at(-step)) / (2 * step);
      INFO("layer " << l << " " << name(site) << ": " << slope << " against " << norm);
      CHECK(std::fabs(slope / norm - 1) < 0.01);
    }
}

TEST_CASE("recorded_pass: what a projection reads has its weight's gradient, skipped or not") {
  behind_prefix b;
  (void)loss_of(b);
  std::size_t seen = 0;
  b.pass.reverse(
      [](std::size_t first, rows logits) {
        for (std::size_t r = 0; r < logits.rows(); ++r)
          for (std::size_t i = 0; i < logits.cols(); ++i) logits(r, i) = weight_of(first + r, i);
      },
      [&](std::size_t l, projection p, const_rows of_output, const_rows of_input, const_rows) {
        ++seen;
        const sparsellm::extents e = b.t.m.extents_of(p);
        std::vector<double> wanted(e.inputs, 0.0);
        double size = 0;
        std::vector<float> row(e.inputs);
        for (std::size_t o = 0; o < e.outputs; ++o) {
          b.t.m.read_row(l, p, o, row);
          for (std::size_t i = 0; i < e.inputs; ++i)
            wanted[i] += static_cast<double>(row[i]) * static_cast<double>(of_output(2, o));
        }
        for (const double w : wanted) size = std::max(size, std::fabs(w));
        for (std::size_t i = 0; i < e.inputs; ++i)
          CHECK(std::fabs(static_cast<double>(of_input(2, i)) - wanted[i]) < 1e-4 * size);
      });
  CHECK(seen == 14);
}

TEST_CASE("fit_biases: lowers the divergence, with the same bits for every number of threads") {
  std::vector<window> windows;
  for (std::size_t w = 0; w < 4; ++w) windows.push_back(some_tokens(32, w + 1));
  std::string of_one;
  for (const std::size_t threads : {1, 2}) {
    loaded_tiny t({}, {element_kind::bf16}, threads);
    sparsellm::threshold_table table = calibrated(t, windows);
    const std::vector<double> met = fit_biases(t.exec, t.m, windows, 8, {12, 4, 0.1}, table, quiet);
    REQUIRE(met.size() == 12);
    CHECK(met.back() < 0.97 * met.front());
    CHECK(table.has_biases());
    CHECK(table.at({1, "down"}).bias.size() == t.m.shape().width);
    CHECK(table.at({1, "up"}).bias.empty());
    // The model leaves with what the table says.
    const std::vector<float> in_use = t.m.blocks()[1].down.sparse_bias();
    CHECK(in_use == table.at({1, "down"}).bias);
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
  sparsellm::threshold_table table = calibrated(t, {some_tokens(32, 1)});
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

TEST_CASE("fit_biases: refuses what has no way back, and options that mean nothing") {
  std::vector<window> windows{some_tokens(32, 1)};
  loaded_tiny t;
  sparsellm::threshold_table table = calibrated(t, windows);
  CHECK_THROWS_AS(fit_biases(t.exec, t.m, windows, 32, {4, 1, 0.1}, table, quiet), value_error);
  CHECK_THROWS_AS(fit_biases(t.exec, t.m, windows, 8, {4, 0, 0.1}, table, quiet), value_error);
  CHECK_THROWS_AS(fit_biases(t.exec, t.m, windows, 8, {4, 1, 0.0}, table, quiet), value_error);
  t.m.blocks()[0].down.set_top_k(3);
  CHECK_SAYS(fit_biases(t.exec, t.m, windows, 8, {4, 1, 0.1}, table, quiet), value_error,
             "top-k is not supported");
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

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "methods/recorded_pass.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "catch2_any.hpp"
#include "llama/loaded_tiny.hpp"
#include "llama/stream_of.hpp"
#include "model/session.hpp"

using namespace llama;

namespace {

// A third of the channels is skipped whatever they hold. In every other block to a centre.
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

void skip_nothing(model& m) {
  for (block& b : m.blocks())
    for (const activation_site site : activation_sites) {
      b.reading(site).set_scale({});
      b.reading(site).set_thresholds(std::vector<float>(m.shape().readers(site).size(), -1.0f));
    }
}

// A loss that is linear in the logits: their sum, each with a weight of its own.
float weight_of(std::size_t row, std::size_t token) {
  return static_cast<float>((row * 37 + token * 101) % 199) / 100.0f - 1.0f;
}

void weigh(std::size_t first, rows logits) {
  for (std::size_t r = 0; r < logits.rows(); ++r)
    for (std::size_t i = 0; i < logits.cols(); ++i) logits(r, i) = weight_of(first + r, i);
}

constexpr std::size_t prefix = 5;

// A pass of some tokens that skips channels, behind a dense prefix, whose keys and values the
// caches have.
struct behind_prefix {
  explicit behind_prefix(std::size_t tokens = 12) : count(tokens) {
    skip_fixed_channels(t.exec, t.m);
    recorded_pass before(t.exec, t.m, prefix, prefix + count);
    (void)before.run({ids.begin(), ids.begin() + prefix}, 0, true, caches);
  }
  const_rows run() { return pass.run({ids.begin() + prefix, ids.end()}, prefix, false, caches); }

  std::size_t count;
  loaded_tiny t;
  window ids = some_tokens(prefix + count, 3);
  std::vector<kv_cache> caches = make_caches(t.m.shape(), prefix + count);
  recorded_pass pass{t.exec, t.m, count, prefix + count};
};

double loss_of(behind_prefix& b) {
  const const_rows x = b.run();
  std::vector<float> logits(b.count * b.t.m.shape().vocabulary);
  const rows out(logits.data(), b.count, b.t.m.shape().vocabulary);
  b.pass.steps().logits(x, out);
  double loss = 0;
  for (std::size_t r = 0; r < b.count; ++r)
    for (std::size_t i = 0; i < out.cols(); ++i)
      loss += static_cast<double>(weight_of(r, i)) * static_cast<double>(out(r, i));
  return loss;
}

}  // namespace

TEST_CASE("recorded_pass: forward it is the model's own pass to the bit") {
  behind_prefix b;
  const const_rows mine = b.run();
  session s(b.t.exec, b.t.m, b.ids.size(), b.ids.size());
  (void)s.advance({b.ids.begin(), b.ids.begin() + prefix}, prefix);
  const const_rows theirs = s.advance({b.ids.begin() + prefix, b.ids.end()}, prefix);
  for (std::size_t r = 0; r < b.count; ++r)
    for (std::size_t i = 0; i < mine.cols(); ++i) REQUIRE(mine(r, i) == theirs(r, i));
}

TEST_CASE("recorded_pass: gradients are those of finite differences where nothing is skipped") {
  behind_prefix b;
  skip_nothing(b.t.m);
  (void)loss_of(b);

  std::vector<per_site<std::vector<double>>> gradients(b.t.m.shape().layers);
  b.pass.reverse(weigh,
                 [&](std::size_t l, projection p, const_rows of_output, const_rows, const_rows) {
                   if (p == projection::q || p == projection::gate)
                     gradients[l][site_of(p)].clear();
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
  b.pass.reverse(weigh, [&](std::size_t l, projection p, const_rows of_output, const_rows of_input,
                            const_rows) {
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

// Of one token a constant is a bias: beside what skipping takes away, a model that skips nothing
// has the same outputs and gradients.
TEST_CASE("recorded_pass: what is skipped counts as a constant") {
  behind_prefix b(1);
  const config& c = b.t.m.shape();
  const auto gradients = [&] {
    const const_rows x = b.run();
    std::vector<float> all(x.data(), x.data() + c.width);
    b.pass.reverse(
        weigh, [&](std::size_t, projection, const_rows of_output, const_rows of_input, const_rows) {
          all.insert(all.end(), of_output.data(), of_output.data() + of_output.cols());
          all.insert(all.end(), of_input.data(), of_input.data() + of_input.cols());
        });
    return all;
  };
  const std::vector<float> sparse = gradients();

  std::vector<per_site<std::vector<float>>> taken(c.layers);
  forward products(b.t.exec, b.t.m, 1, 1), steps(b.t.exec, b.t.m, 1, prefix + 1);
  const activation_observer observe = [&](std::size_t l, activation_site site, const_rows in) {
    std::size_t outputs = 0;
    for (const projection p : c.readers(site)) outputs += b.t.m.extents_of(p).outputs;
    std::vector<float> whole(outputs), kept(outputs);
    products.product(b.t.m.blocks()[l].reading(site), in, 1, {whole.data(), 1, outputs});
    products.product(b.t.m.blocks()[l].reading(site), in, 0, {kept.data(), 1, outputs});
    for (std::size_t i = 0; i < outputs; ++i) kept[i] -= whole[i];
    taken[l][site] = std::move(kept);
  };
  std::vector<float> stream(c.width);
  const rows x(stream.data(), 1, c.width);
  b.t.m.embed(b.ids.back(), prefix, x.row(0));
  for (std::size_t l = 0; l < c.layers; ++l)
    steps.run_block(l, x, prefix, 0, {&b.caches[l], 1}, &observe);
  const std::vector<float> dense_before = (skip_nothing(b.t.m), gradients());
  for (std::size_t l = 0; l < c.layers; ++l)
    for (const activation_site site : activation_sites)
      b.t.m.blocks()[l].reading(site).set_made_up(taken[l][site]);
  CHECK(apart(gradients(), sparse) < 1e-3);
  CHECK(apart(dense_before, sparse) > 1e-2);
}

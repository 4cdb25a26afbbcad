// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "methods/planning.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "files/gguf_metadata.hpp"
#include "files/gguf_writer.hpp"
#include "llama/loaded_tiny.hpp"
#include "llama/pruned.hpp"
#include "methods/squared_gradients.hpp"
#include "sparsellm/core/error.hpp"

using namespace llama;
using sparsellm::channel_order;
using sparsellm::element_kind;
using sparsellm::nm_pattern;
using sparsellm::value_error;

namespace {

// Every mask, in its order, has the pattern that was planned.
void check_masks(const std::vector<pruned_block>& blocks, const pattern_plan& plan) {
  for (std::size_t l = 0; l < blocks.size(); ++l)
    for (const projection p : projections) {
      INFO(l << " " << name(p));
      const pruned_weight& w = blocks[l].weights[p];
      const auto wanted = plan.at(l, p).pattern;
      CHECK((w.mask.shape().outputs != 0) == wanted.has_value());
      if (!wanted.has_value()) continue;
      const channel_order& order = blocks[l].orders[site_of(p)];
      sparsellm::weight_mask ordered(w.mask.shape());
      for (std::size_t r = 0; r < w.mask.shape().outputs; ++r)
        for (std::size_t c = 0; c < w.mask.shape().inputs; ++c)
          if (w.mask.keeps(r, order.size() == 0 ? c : order[c])) ordered.keep(r, c);
      CHECK(ordered.follows(*wanted));
    }
}

pattern_plan plan_of(const model& m, nm_pattern p) {
  pattern_plan plan;
  plan.model = m.identity();
  for (std::size_t l = 0; l < 2; ++l)
    for (const projection which : projections)
      plan.weights.push_back({l, which, m.extents_of(which), p, 0.1});
  return plan;
}

}  // namespace

TEST_CASE("plan: has the wanted size, is read back as it was, and decides the patterns") {
  const std::vector<window> text{some_tokens(60), some_tokens(60)};
  loaded_tiny t;
  planning how;
  how.size = 0.75;
  for (const kept_weights update : {kept_weights::as_they_are, kept_weights::chosen}) {
    how.update = update;
    pattern_plan plan = plan_patterns(t.exec, t.m, text, how, quiet);
    CHECK(plan.size() <= 0.75);
    CHECK(plan.size() > 0.6);
    CHECK(plan.tokens == 120);
    plan.check(t.m.shape());
    const pattern_plan back = plan_from_json(to_json(plan));
    CHECK(back.model.weight_hash == t.m.identity().weight_hash);
    REQUIRE(back.weights.size() == plan.weights.size());
    std::size_t kinds[2] = {0, 0};
    for (std::size_t i = 0; i < plan.weights.size(); ++i) {
      CHECK(back.weights[i].pattern == plan.weights[i].pattern);
      CHECK(back.weights[i].error == plan.weights[i].error);
      ++kinds[plan.weights[i].pattern.has_value() ? 1 : 0];
    }
    CHECK(kinds[1] > 0);

    loaded_tiny again;
    pruning with;
    with.plan = back;
    with.global_shuffle = with.local_shuffle = true;
    const auto blocks = prune(again.exec, again.m, text, with);
    REQUIRE(blocks.size() == 2);
    check_masks(blocks, plan);
    // What is loaded of mixed patterns computes what the zeros in place do.
    temporary_folder folder;
    write_checkpoint(output_directory(folder.path(), "", false), {t.m.file(), t.m.shape()}, blocks,
                     {6, 8}, element_kind::f32, "{}", {});
    const model sparse(t.exec, folder.path(), {element_kind::f32}, quiet);
    const std::string file = folder.path() + ".gguf";
    sparsellm::output_file to(file);
    (void)write_gguf(to, {t.m.file(), t.m.shape()}, blocks, element_kind::f32, {pruning_key, "{}"},
                     {});
    const model zeros(t.exec, file, {element_kind::f32}, quiet);
    CHECK(difference(last_logits(t.exec, sparse, some_tokens(40)),
                     last_logits(t.exec, zeros, some_tokens(40))) < 2e-5);
    std::filesystem::remove(file);
  }
  how.size = 0.2;
  CHECK_SAYS(plan_patterns(t.exec, t.m, text, how, quiet), value_error, "a size of at least");
  how.patterns.clear();
  CHECK_SAYS(plan_patterns(t.exec, t.m, text, how, quiet), value_error, "at least one pattern");
  how = {};
  how.size = 1.5;
  CHECK_SAYS(plan_patterns(t.exec, t.m, text, how, quiet), value_error, "a size in (0, 1]");
}

TEST_CASE("plan: errors are shares of what a weight gives, whatever memory held before") {
  const std::vector<window> text{some_tokens(60)};
  loaded_tiny t;
  planning how;
  how.patterns = {{2, 4}, {6, 8}};
  how.size = 0.9;
  for (const kept_weights update : {kept_weights::as_they_are, kept_weights::chosen}) {
    how.update = update;
    for (int round = 0; round < 2; ++round) {
      // What the heap gives to buffers of these sizes next.
      for (const projection p : projections) {
        const sparsellm::extents e = t.m.extents_of(p);
        sparsellm::buffer<float> used(e.outputs * e.inputs);
        std::fill(used.begin(), used.end(), 1e18f);
      }
      for (const planned_weight& w : plan_patterns(t.exec, t.m, text, how, quiet).weights) {
        INFO(w.layer << " " << name(w.which));
        CHECK(w.error < (w.pattern.has_value() ? 0.5 : 1e-12));
        CHECK((w.error > 1e-4) == w.pattern.has_value());
      }
    }
  }
}

TEST_CASE(
    "plan: by gradients it costs the predictions less, the same for every number of threads") {
  const std::vector<window> text{some_tokens(60), some_tokens(60)};
  loaded_tiny t;
  planning how;
  how.size = 0.75;
  const pattern_plan relative = plan_patterns(t.exec, t.m, text, how, quiet);
  how.gradient_windows = 2;
  const pattern_plan by_harm = plan_patterns(t.exec, t.m, text, how, quiet);
  CHECK(by_harm.size() <= 0.75);
  const squared_gradients seen = sum_squared_gradients(t.exec, t.m, text, 2, quiet);
  const auto rows = make_host_text(t.exec, t.m, text, text.front().size());
  per_projection<double> energies[2];  // of outputs, a token
  for (std::size_t l = 0; l < 2; ++l) {
    for (const activation_site site : activation_sites) {
      rows->go_to(l, site);
      for (const projection p : t.m.shape().readers(site)) {
        std::vector<float> weight(t.m.extents_of(p).inputs);
        for (std::size_t r = 0; r < t.m.extents_of(p).outputs; ++r) {
          t.m.read_row(l, p, r, weight);
          for (std::size_t w = 0; w < text.size(); ++w) {
            const const_rows x = rows->rows_of(l, site, w);
            for (std::size_t i = 0; i < x.rows(); ++i) {
              double y = 0;
              for (std::size_t c = 0; c < x.cols(); ++c)
                y += static_cast<double>(x(i, c)) * static_cast<double>(weight[c]);
              energies[l][p] += y * y / 120;
            }
          }
        }
      }
    }
    rows->leave(l);
  }
  const auto cost = [&](const pattern_plan& plan) {
    double sum = 0;
    for (const planned_weight& w : plan.weights)
      sum += 0.5 * w.error * energies[w.layer][w.which] / static_cast<double>(w.shape.outputs) *
             seen.layers[w.layer][w.which].of_output / seen.tokens;
    return sum;
  };
  CHECK(cost(by_harm) < cost(relative));

  loaded_tiny other({}, {element_kind::f32}, 3);
  const pattern_plan again = plan_patterns(other.exec, other.m, text, how, quiet);
  CHECK(to_json(again) == to_json(by_harm));
}

TEST_CASE("plan: weights are packed apart where their patterns differ, and only there") {
  loaded_tiny t;
  pruning how;
  how.plan = plan_of(t.m, {2, 4});
  for (planned_weight& w : how.plan->weights) {
    if (w.which == projection::q) w.pattern = nm_pattern{4, 8};
    if (w.which == projection::gate) w.pattern.reset();
    if (w.which == projection::up) w.pattern = nm_pattern{6, 8};  // packed as a dense one
  }
  temporary_folder folder;
  write_checkpoint(output_directory(folder.path(), "", false), {t.m.file(), t.m.shape()},
                   prune(t.exec, t.m, {some_tokens(60)}, how), {6, 8}, element_kind::f32, "{}", {});
  const model sparse(t.exec, folder.path(), {element_kind::f32}, quiet);
  const model dense(t.exec, folder.path(), {element_kind::q8_0}, quiet);
  for (std::size_t l = 0; l < 2; ++l) {
    const auto parts = [&](const model& m, activation_site site) {
      return m.blocks()[l].reading(site).linears().size();
    };
    CHECK(parts(sparse, activation_site::attention_input) == 2);  // q; k and v
    CHECK(parts(sparse, activation_site::mlp_input) == 1);
    CHECK(parts(dense, activation_site::attention_input) == 1);
    CHECK(parts(dense, activation_site::mlp_input) == 1);
  }
}

TEST_CASE("plan: what is none is refused by name") {
  loaded_tiny t;
  pattern_plan plan = plan_of(t.m, {2, 4});
  plan.check(t.m.shape());
  const std::string good = to_json(plan);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  using sparsellm::format_error;
  CHECK_SAYS(plan_from_json("[]"), format_error, "\"format\" is \"sparsellm-patterns\"");
  CHECK_SAYS(plan_from_json("{"), format_error, "plan: ");
  CHECK_SAYS(plan_from_json(with("\"version\": 1", "\"version\": 2")), format_error,
             "version 1 expected, got 2");
  CHECK_SAYS(plan_from_json(with("2:4", "4:2")), format_error, "got 4:2");
  CHECK_SAYS(plan_from_json(with("\"q\"", "\"w\"")), format_error, "got 'w'");
  CHECK_SAYS(plan_from_json(with("\"q\"", "\"k\"")), format_error, "layer 0 k is there twice");
  CHECK_SAYS(plan_from_json(with("tokens", "words")), format_error, "tokens");
  plan.weights[0].shape.outputs += 1;
  CHECK_SAYS(plan.check(t.m.shape()), format_error, "layer 0 q is");
  plan.weights.erase(plan.weights.begin());
  CHECK_SAYS(plan.check(t.m.shape()), format_error, "no pattern for layer 0 q");
  plan.weights.clear();
  for (std::size_t l = 0; l < 3; ++l)
    for (const projection p : projections)
      plan.weights.push_back({l, p, t.m.extents_of(p), nm_pattern{2, 4}, 0.1});
  CHECK_SAYS(plan.check(t.m.shape()), format_error, "21 weights there and 14 in the model");
}

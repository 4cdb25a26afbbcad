// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "methods/pruning.hpp"

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "llama/loaded_tiny.hpp"
#include "llama/pruned.hpp"
#include "methods/pruning_state.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

using namespace llama;
using sparsellm::channel_order;
using sparsellm::element_kind;
using sparsellm::nm_pattern;
using sparsellm::value_error;

namespace {

// Weights and activations are those of the file in other orders.
loaded_tiny ordered(const std::vector<block_orders>& orders, double sparsity = 0.0) {
  return loaded_tiny(
      {}, {element_kind::f32, sparsity, nullptr, sparsellm::table_score::magnitude, &orders});
}

}  // namespace

TEST_CASE("orders: a permuted model has the logits of the original") {
  loaded_tiny plain;
  const auto orders = random_orders(plain.m.shape(), 3);
  loaded_tiny permuted = ordered(orders);
  const auto ids = some_tokens(40);
  const auto expected = last_logits(plain.exec, plain.m, ids);
  CHECK(difference(expected, last_logits(permuted.exec, permuted.m, ids)) < 2e-5);
  // Decode, which fuses norms and gates, token by token and sparse.
  loaded_tiny skipping = ordered(orders, 0.9);
  session s(skipping.exec, skipping.m, 1, 40);
  std::vector<float> out(skipping.m.shape().vocabulary);
  for (const std::int32_t id : ids)
    s.steps().logits(s.advance({id}, 0), rows(out.data(), 1, out.size()));
  CHECK(difference(expected, out) < 2e-4);
}

TEST_CASE("orders: what is no order of the model is refused") {
  loaded_tiny plain;
  auto orders = random_orders(plain.m.shape(), 5);
  orders[1][activation_site::mlp_input] = channel_order::identity(63);
  CHECK_SAYS(ordered(orders), sparsellm::format_error, "an order of 64 channels expected, got 63");
  orders = random_orders(plain.m.shape(), 5);
  std::mt19937 random(1);
  orders[0][activation_site::attention_output] = random_order(64, random);
  CHECK_SAYS(ordered(orders), sparsellm::format_error, "must stay within heads");
  orders.pop_back();
  CHECK_SAYS(ordered(orders), sparsellm::format_error, "orders for 1 of 2 blocks");
}

TEST_CASE("pruning: every metric and shuffle gives masks that follow the pattern in their order") {
  loaded_tiny t;
  for (const metric score : {metric::magnitude, metric::wanda, metric::ria, metric::e_sparse})
    for (const bool global : {false, true})
      for (const bool local : {false, true}) {
        pruning how;
        how.pattern = local ? nm_pattern{2, 4} : nm_pattern{4, 8};
        how.score = score;
        how.global_shuffle = global;
        how.local_shuffle = local;
        const auto blocks = prune(t.exec, t.m, {some_tokens(60), some_tokens(60)}, how);
        REQUIRE(blocks.size() == 2);
        for (const pruned_block& b : blocks)
          for (const projection p : projections) {
            const pruned_weight& w = b.weights[p];
            const channel_order& order = b.orders[site_of(p)];
            CHECK((global || local || order.size() == 0));
            sparsellm::weight_mask ordered(w.mask.shape());
            for (std::size_t r = 0; r < w.mask.shape().outputs; ++r)
              for (std::size_t c = 0; c < w.mask.shape().inputs; ++c)
                if (w.mask.keeps(r, order.size() == 0 ? c : order[c])) ordered.keep(r, c);
            CHECK(ordered.follows(how.pattern));
            CHECK(w.retained.shuffled <= w.retained.without_groups * (1 + 1e-12));
            CHECK(w.retained.without_groups < w.retained.total);
            if (local && !global && p == projection::down)
              CHECK(w.retained.shuffled >= w.retained.plain);
            CHECK(w.error > 0);
            CHECK(w.error < w.energy);
          }
      }
}

TEST_CASE("pruning: what stays dense, and block by block on pruned outputs") {
  loaded_tiny t;
  pruning how;
  how.dense_projections = {"v", "down"};
  how.dense_layers = {0};
  const auto blocks = prune(t.exec, t.m, {some_tokens(60)}, how);
  for (const projection p : projections) {
    CHECK(blocks[0].weights[p].mask.shape().outputs == 0);
    CHECK((blocks[1].weights[p].mask.shape().outputs == 0) ==
          (p == projection::v || p == projection::down));
  }
  loaded_tiny again;
  how = {};
  const auto dense = prune(again.exec, again.m, {some_tokens(60)}, how);
  how.sequential = true;
  const auto sequential = prune(again.exec, again.m, {some_tokens(60)}, how);
  // The first block sees the same inputs, the second what the pruned first one gives.
  CHECK(dense[0].weights[projection::down].retained.total ==
        sequential[0].weights[projection::down].retained.total);
  CHECK(dense[1].weights[projection::down].retained.total !=
        sequential[1].weights[projection::down].retained.total);
}

TEST_CASE("pruning: updated weights err less, in every order, and are what a checkpoint holds") {
  loaded_tiny t;
  const std::vector<window> text{some_tokens(60), some_tokens(60)};
  for (const bool shuffled : {false, true}) {
    pruning how;
    how.global_shuffle = how.local_shuffle = shuffled;
    const auto plain = prune(t.exec, t.m, text, how);
    for (const kept_weights update : {kept_weights::updated, kept_weights::chosen}) {
      how.update = update;
      const auto blocks = prune(t.exec, t.m, text, how);
      double before = 0, after = 0;
      for (std::size_t l = 0; l < 2; ++l)
        for (const projection p : projections) {
          const pruned_weight& w = blocks[l].weights[p];
          const sparsellm::extents e = w.mask.shape();
          REQUIRE(w.values.size() == e.outputs * e.inputs);
          std::size_t wrong = 0;
          for (std::size_t r = 0; r < e.outputs; ++r)
            for (std::size_t c = 0; c < e.inputs; ++c)
              wrong += !w.mask.keeps(r, c) && w.values[r * e.inputs + c] != 0.0f ? 1 : 0;
          CHECK(wrong == 0);
          before += plain[l].weights[p].error / plain[l].weights[p].energy;
          after += w.error / w.energy;
        }
      CHECK(after < 0.7 * before);
      temporary_folder folder;
      write_checkpoint(output_directory(folder.path(), "", false), {t.m.file(), t.m.shape()},
                       blocks, {2, 4}, element_kind::f32, "{}", {});
      const model back(t.exec, folder.path(), {element_kind::f32}, quiet);
      for (const projection p : projections) {
        const pruned_weight& w = blocks[1].weights[p];
        std::vector<float> row(w.mask.shape().inputs), file(row.size());
        std::size_t wrong = 0;
        for (std::size_t r = 0; r < w.mask.shape().outputs; ++r) {
          back.read_row(1, p, r, row);  // in the orders that it is packed in
          const channel_order &rows = back.row_order(1, p), &columns = back.column_order(1, p);
          const std::size_t from = rows.size() == 0 ? r : rows[r];
          for (std::size_t c = 0; c < row.size(); ++c)
            file[columns.size() == 0 ? c : columns[c]] = row[c];
          for (std::size_t c = 0; c < row.size(); ++c)
            wrong += file[c] != w.values[from * row.size() + c] ? 1 : 0;
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("pruning: the dense model's outputs as the target come nearer to its logits") {
  const std::vector<window> text{some_tokens(60), some_tokens(60)};
  double apart[2];
  for (const bool dense : {false, true}) {
    loaded_tiny t;
    const auto expected = last_logits(t.exec, t.m, some_tokens(40));
    pruning how;
    how.sequential = true;
    how.update = kept_weights::chosen;
    if (dense) how.target = update_target::dense;
    const auto blocks = prune(t.exec, t.m, text, how);
    // The model has the pruned weights now.
    apart[dense ? 1 : 0] = difference(expected, last_logits(t.exec, t.m, some_tokens(40)));
    for (const pruned_block& b : blocks)
      for (const projection p : projections) CHECK(b.weights[p].mask.follows({2, 4}));
  }
  CHECK(apart[1] < apart[0]);
  CHECK(apart[1] > 0);
}

TEST_CASE("pruning: goes on from blocks that were finished, with the same bits") {
  const std::vector<window> text{some_tokens(60), some_tokens(60)};
  for (const bool sequential : {false, true}) {
    pruning how;
    how.global_shuffle = how.local_shuffle = true;
    how.sequential = sequential;
    how.update = kept_weights::chosen;
    if (sequential) how.target = update_target::dense;
    loaded_tiny first;
    temporary_folder folder;
    const pruning_state state(folder.path(), 17, first.m.shape());
    const auto whole = prune(first.exec, first.m, text, how);
    state.save(0, whole[0]);
    loaded_tiny again;
    std::vector<pruned_block> resumed;
    prune_model(
        again.exec, again.m, text, how, quiet,
        [&](std::size_t, pruned_block b) { resumed.push_back(std::move(b)); }, make_host_text, {},
        [&](std::size_t l) { return state.load(l); });
    REQUIRE(resumed.size() == 2);
    for (std::size_t l = 0; l < 2; ++l) {
      for (const activation_site site : activation_sites)
        CHECK(resumed[l].orders[site].channels() == whole[l].orders[site].channels());
      for (const projection p : projections) {
        const pruned_weight &a = whole[l].weights[p], &b = resumed[l].weights[p];
        CHECK(std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end()));
        CHECK(a.pattern == b.pattern);
        CHECK(a.error == b.error);
        CHECK(a.energy == b.energy);
        CHECK(a.retained.shuffled == b.retained.shuffled);
        const std::size_t words = a.mask.row_words() * a.mask.shape().outputs;
        CHECK(std::equal(a.mask.row(0), a.mask.row(0) + words, b.mask.row(0)));
      }
    }
    CHECK_FALSE(state.load(1).has_value());
    CHECK_SAYS(pruning_state(folder.path(), 18, first.m.shape()).load(0), sparsellm::format_error,
               "made from another model, text or options");
    const std::string file = folder.path() + "/block-0";
    std::string bytes = sparsellm::read_file(file);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    sparsellm::replace_file(file, bytes);
    CHECK_SAYS(state.load(0), sparsellm::format_error, "it is damaged");
    sparsellm::replace_file(file, "x");
    CHECK_SAYS(state.load(0), sparsellm::format_error, "not a pruned block of version 1");
    state.remove();
    CHECK_FALSE(std::filesystem::exists(folder.path()));
  }
}

TEST_CASE("pruning: says what is wrong") {
  loaded_tiny t;
  pruning how;
  how.dense_projections = {"w"};
  CHECK_SAYS(prune(t.exec, t.m, {some_tokens(60)}, how), value_error, "got 'w'");
  how = {};
  how.dense_layers = {2};
  CHECK_SAYS(prune(t.exec, t.m, {some_tokens(60)}, how), value_error, "no layer 2 of 2");
  how = {};
  how.target = update_target::dense;
  CHECK_SAYS(prune(t.exec, t.m, {some_tokens(60)}, how), value_error,
             "a target of sequential pruning with an update");
  how = {};
  how.pattern = {4, 4};
  CHECK_SAYS(prune(t.exec, t.m, {some_tokens(60)}, how), value_error, "N:M");
}

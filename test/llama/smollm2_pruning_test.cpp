// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Pruning the real model, against an independent implementation's results. The cases share one
// dense pass over the calibration text.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "llama/dense_pass.hpp"
#include "llama/pruned.hpp"
#include "llama/pruned_outcome.hpp"
#include "llama/real_model.hpp"
#include "llama/reference_statistics.hpp"

using namespace llama;
using nlohmann::json;
using sparsellm::element_kind;
using sparsellm::nm_pattern;

namespace {

pruned_outcome prune_and_score(nm_pattern pattern, metric score, bool shuffled) {
  const text_maker seen = shared_pass(wikitext()).text();
  real_model& r = shared_model(element_kind::f32, 0.0);
  return prune_and_score(r, r.calibration_text(wikitext()), seen, r.windows(wikitext(), 16, 1536),
                         pattern, score, shuffled);
}

}  // namespace

TEST_CASE("SmolLM2: channel norms and entropies are the reference's", "[one-pass]") {
  NEEDS_MODEL_AND_WIKITEXT();
  const json goldens = wikitext_json("goldens.json");
  const std::pair<activation_site, const char*> inputs[] = {
      {activation_site::attention_input, "attn_in"},
      {activation_site::attention_output, "o_in"},
      {activation_site::mlp_input, "mlp_in"},
      {activation_site::mlp_hidden, "down_in"}};
  for (std::size_t l = 0; l < 2; ++l)
    for (const auto& [site, name] : inputs) {
      if (!goldens["entropy_range100_nats"].contains(name)) continue;
      INFO("layer " << l << " " << name);
      check_statistics(shared_pass(wikitext()).statistics(l, site),
                       shared_pass(wikitext()).entropies(l, site), goldens["channel_l2"][name][l],
                       goldens["entropy_range100_nats"][name][l]);
    }
}

TEST_CASE("SmolLM2: masks of the first weights are the reference's", "[one-pass]") {
  NEEDS_MODEL_AND_WIKITEXT();
  const json expected = wikitext_json("goldens.json")["masks_2:4_blk0_q_row0_first32"];
  const text_maker seen = shared_pass(wikitext()).text();
  real_model& r = shared_model(element_kind::f32, 0.0);
  struct enough : std::runtime_error {
    using runtime_error::runtime_error;
  };
  const std::pair<metric, const char*> metrics[] = {{metric::magnitude, "magnitude"},
                                                    {metric::wanda, "wanda"},
                                                    {metric::ria, "ria"},
                                                    {metric::e_sparse, "esparse"}};
  for (const auto& [score, name] : metrics) {
    pruning how;
    how.score = score;
    std::string bits;
    try {
      prune_model(
          r.exec, r.m, r.calibration_text(wikitext()), how, quiet,
          [&](std::size_t, pruned_block b) {
            for (std::size_t c = 0; c < 32; ++c)
              bits += b.weights[projection::q].mask.keeps(0, c) ? '1' : '0';
            throw enough("one block is enough");
          },
          seen);
    } catch (const enough&) {
    }
    INFO(name);
    CHECK(bits == expected[name].get<std::string>());
  }
}

TEST_CASE("SmolLM2: permuted but not pruned it has the original's logits") {
  NEEDS_MODEL();
  real_model r(element_kind::f32, 0.0);
  const config& c = r.m.shape();
  std::mt19937 random(7);
  const auto shuffled = [&](std::size_t n) {
    std::vector<std::uint32_t> at(n);
    for (std::size_t i = 0; i < n; ++i) at[i] = static_cast<std::uint32_t>(i);
    std::shuffle(at.begin(), at.end(), random);
    return at;
  };
  std::vector<block_orders> orders;
  for (std::size_t l = 0; l < c.layers; ++l) {
    std::vector<std::uint32_t> output;
    for (std::size_t kv = 0; kv < c.kv_heads; ++kv) {
      const auto inside = shuffled(c.head_size);
      for (std::size_t h = kv * c.heads / c.kv_heads; h < (kv + 1) * c.heads / c.kv_heads; ++h)
        for (const std::uint32_t i : inside)
          output.push_back(static_cast<std::uint32_t>(h * c.head_size) + i);
    }
    using sparsellm::channel_order;
    orders.push_back({channel_order(shuffled(c.width)), channel_order(output),
                      channel_order(shuffled(c.width)), channel_order(shuffled(c.hidden))});
  }
  model permuted(r.exec, SPARSELLM_DEMO_MODEL,
                 {element_kind::f32, 0.0, nullptr, sparsellm::table_score::magnitude, &orders},
                 quiet);
  const auto ids = books_json()["goldens"]["prompt"]["ids"].get<std::vector<std::int32_t>>();
  CHECK(difference(last_logits(r.exec, r.m, ids), last_logits(r.exec, permuted, ids)) < 2e-3);
}

TEST_CASE("SmolLM2: 2:4 by Wanda with both shuffles", "[one-pass]") {
  NEEDS_MODEL_AND_WIKITEXT();
  const json reference = wikitext_json("reference.json")["weight_sparsity"];
  const pruned_outcome r = prune_and_score({2, 4}, metric::wanda, true);
  CHECK(nats(r.perplexity, reference["2:4_wanda_gns+lbs"]["ppl_all"].get<double>()) < 0.15);
  const double total = r.retained.total;
  CHECK(r.retained.shuffled / total >=
        reference["2:4_wanda_gns+lbs"]["retained_saliency"].get<double>() - 0.002);
  CHECK_THAT(r.retained.plain / total,
             WithinAbs(reference["2:4_wanda"]["retained_saliency"].get<double>(), 0.001));
  CHECK_THAT(r.retained.without_groups / total, WithinAbs(0.820, 0.001));
  CHECK(r.retained.efficacy() > 0.1);
}

TEST_CASE("SmolLM2: 4:8 by E-Sparse and 6:8 by RIA", "[one-pass]") {
  NEEDS_MODEL_AND_WIKITEXT();
  const json reference = wikitext_json("reference.json")["weight_sparsity"];
  CHECK(nats(prune_and_score({4, 8}, metric::e_sparse, false).perplexity,
             reference["4:8_E0_range100_l2_a1"]["ppl_all"].get<double>()) < 0.15);
  CHECK(nats(prune_and_score({6, 8}, metric::ria, false).perplexity,
             reference["6:8_ria"]["ppl_all"].get<double>()) < 0.05);
}

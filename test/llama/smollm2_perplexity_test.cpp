// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Perplexity of the real model, dense and with skipped activations, against an independent
// implementation's results. The cases share what takes the time: one dense pass to calibrate on,
// and the dense first halves of windows that are scored under many thresholds. Those are scored in
// bf16, the program's default, which is held to f32 in the first case; thresholds are f32's.
#include <cmath>
#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch2_any.hpp"
#include "llama/dense_pass.hpp"
#include "llama/real_model.hpp"
#include "llama/scored_settings.hpp"
#include "methods/calibration.hpp"
#include "methods/perplexity.hpp"
#include "sparsellm/pack/choose.hpp"

using namespace llama;
using nlohmann::json;
using sparsellm::choose_layout;
using sparsellm::element_kind;
using sparsellm::extents;
using sparsellm::table_score;
using sparsellm::table_selection;

TEST_CASE("SmolLM2: dense perplexity, f32 and bf16", "[one-pass]") {
  NEEDS_MODEL_AND_WIKITEXT();
  const json reference = wikitext_json("reference.json")["dense"];
  real_model& r = shared_model(element_kind::f32, 0.0);
  // The subset is every third window of the region.
  const auto subset = r.windows(wikitext(), 16, 1536);
  std::vector<window> others = r.windows(wikitext(), 48, 512);
  for (std::size_t w = 48; w-- > 0;)
    if (w % 3 == 0) others.erase(others.begin() + static_cast<std::ptrdiff_t>(w));
  const perplexity_result f32 = r.perplexity(subset, 512, nullptr);
  CHECK(f32.tokens_scored == 16 * 511);
  CHECK_THAT(std::exp(f32.nll),
             WithinRel(reference["dense_w512_subset"]["ppl_all"].get<double>(), 0.003));
  CHECK_THAT(std::exp(f32.nll_half2),
             WithinRel(reference["dense_w512_subset"]["ppl_half2"].get<double>(), 0.003));
  const perplexity_result rest = r.perplexity(others, 512, nullptr);
  CHECK(rest.tokens_scored == 32 * 511);
  CHECK_THAT(std::exp((f32.nll + 2 * rest.nll) / 3),
             WithinRel(reference["dense_w512_region"]["ppl_all"].get<double>(), 0.003));

  const perplexity_result bf16 =
      shared_model(element_kind::bf16, 0.0).perplexity(subset, 512, nullptr);
  CHECK(std::exp(bf16.nll - f32.nll) < 1.001);
}

namespace {

calibration sequentially(std::size_t prefix) {
  calibration how;
  how.sequential = true;
  how.dense_prefix = prefix;
  return how;
}

calibration scored(table_score score, table_selection selection) {
  calibration how;
  how.score = score;
  how.selection = selection;
  return how;
}

// What is scored with a model packed for 25 %, and for 50 %, which is packed as one for 40 %.
const std::vector<setting>& settings(double packed_for) {
  static const std::vector<setting> quarter{
      {"teal_0.25_d256", 0.25, {}, 256},
      {"teal_0.25_d0", 0.25, {}, 0},
  };
  static const std::vector<setting> half{
      {"teal_0.4_d256", 0.4, {}, 256},
      {"teal_0.4_d0", 0.4, {}, 0},
      {"teal_0.5_d256", 0.5, {}, 256},
      {"teal_0.5_d0", 0.5, {}, 0},
      {"teal_seqcal_0.4_d256", 0.4, sequentially(256), 256},
      {"teal_seqcal_0.5_d256", 0.5, sequentially(256), 256},
      {"wina_thr_0.5_d256", 0.5, scored(table_score::column_scaled, table_selection::above), 256},
      {"topk_0.5_d256", 0.5, scored(table_score::magnitude, table_selection::top_k), 256},
      {"topk_wina_0.5_d256", 0.5, scored(table_score::column_scaled, table_selection::top_k), 256},
      {"cats_0.5_d256", 0.5, scored(table_score::gate, table_selection::above), 256},
  };
  return packed_for == 0.25 ? quarter : half;
}

// All of a packing's settings, scored when the first of them is asked for.
const outcome& outcome_of(double packed_for, const std::string& name) {
  static std::map<double, std::map<std::string, outcome>> known;
  if (known.count(packed_for) == 0) {
    const text_maker seen = shared_pass(wikitext()).text();
    const std::vector<setting>& all = settings(packed_for);
    std::vector<sparsellm::threshold_table> tables(all.size());
    const auto calibrate = [&](real_model& r, bool sequential, const text_maker& text) {
      for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i].how.sequential == sequential)
          tables[i] = r.calibrate(wikitext(), all[i].sparsity, all[i].how, text);
    };
    calibrate(shared_model(element_kind::f32, 0.0), false, seen);
    real_model& r = shared_model(element_kind::bf16, packed_for);
    calibrate(r, true, make_host_text);
    known.emplace(packed_for, score_all(r, r.windows(wikitext(), 16, 1536), all, tables));
  }
  return known.at(packed_for).at(name);
}

void check_sparse(double packed_for, const char* key) {
  const json reference = wikitext_json("reference.json")["activation_sparsity"][key];
  const outcome& o = outcome_of(packed_for, key);
  INFO(key << ": second half " << std::exp(o.nll_half2) << ", reference "
           << reference["ppl_half2"].get<double>());
  CHECK_THAT(std::exp(o.nll), WithinRel(reference["ppl_all"].get<double>(), 0.02));
  CHECK_THAT(o.total, WithinAbs(reference["achieved_sparsity"].get<double>(), 0.01));
  const json& of_projection = reference["achieved_per_projection"];
  if (of_projection.is_null()) return;
  for (const projection p : projections)
    CHECK_THAT(o.of_projection[p], WithinAbs(of_projection[name(p)].get<double>(), 0.01));
}

}  // namespace

TEST_CASE("SmolLM2: perplexity at 25 %", "[one-pass]") {
  NEEDS_MODEL_AND_WIKITEXT();
  check_sparse(0.25, "teal_0.25_d256");
  check_sparse(0.25, "teal_0.25_d0");
}
TEST_CASE("SmolLM2: perplexity at 40 %", "[one-pass]") {
  NEEDS_MODEL_AND_WIKITEXT();
  for (const activation_site site : activation_sites) {
    const model& m = shared_model(element_kind::bf16, 0.5).m;
    const extents stacked = m.blocks()[0].reading(site).linears().front().shape();
    CHECK(choose_layout(stacked, element_kind::bf16, 0.4) ==
          choose_layout(stacked, element_kind::bf16, 0.5));
  }
  check_sparse(0.5, "teal_0.4_d256");
  check_sparse(0.5, "teal_0.4_d0");
}
TEST_CASE("SmolLM2: perplexity at 50 %", "[one-pass]") {
  NEEDS_MODEL_AND_WIKITEXT();
  check_sparse(0.5, "teal_0.5_d256");
  check_sparse(0.5, "teal_0.5_d0");
}
TEST_CASE("SmolLM2: perplexity at 40 and 50 %, calibrated sequentially", "[one-pass]") {
  NEEDS_MODEL_AND_WIKITEXT();
  check_sparse(0.5, "teal_seqcal_0.4_d256");
  check_sparse(0.5, "teal_seqcal_0.5_d256");
}
TEST_CASE("SmolLM2: perplexity with WINA, top-k and CATS", "[one-pass]") {
  NEEDS_MODEL_AND_WIKITEXT();
  check_sparse(0.5, "wina_thr_0.5_d256");
  check_sparse(0.5, "topk_0.5_d256");
  check_sparse(0.5, "topk_wina_0.5_d256");
  check_sparse(0.5, "cats_0.5_d256");
}

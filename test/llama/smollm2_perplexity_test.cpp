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
#include "llama/continued.hpp"
#include "llama/dense_pass.hpp"
#include "llama/real_model.hpp"
#include "methods/calibration.hpp"
#include "methods/perplexity.hpp"
#include "model/session.hpp"
#include "model/sparsity_meter.hpp"
#include "sparsellm/pack/choose.hpp"

using namespace llama;
using nlohmann::json;
using sparsellm::choose_layout;
using sparsellm::element_kind;
using sparsellm::extents;
using sparsellm::table_score;
using sparsellm::table_selection;

TEST_CASE("SmolLM2: dense perplexity, f32 and bf16", "[one-pass]") {
  NEEDS_MODEL_AND_DATA();
  const json reference = read_json("reference.json")["dense"];
  real_model& r = shared_model(element_kind::f32, 0.0);
  // The subset is every third window of the region.
  const auto subset = r.windows(16, 1536);
  std::vector<window> others = r.windows(48, 512);
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

// What is compared with the reference of that name.
struct setting {
  std::string name;
  double sparsity;
  calibration how;
  std::size_t dense_prefix;
};
struct outcome {
  double nll = 0, nll_half2 = 0;  // nats per token
  double total = 0;               // skipped
  per_projection<double> of_projection;
};

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

// Scores the windows under every setting with this dense prefix: none, or the first half.
void score_all(real_model& r, std::size_t prefix, const std::vector<setting>& all,
               const std::vector<sparsellm::threshold_table>& tables,
               std::map<std::string, outcome>& into) {
  const sparsellm::model_identity self = r.m.identity();
  const std::vector<window> windows = r.windows(16, 1536);
  const std::size_t length = windows.front().size();
  REQUIRE((prefix == 0 || prefix == length / 2));
  std::map<std::string, sparsity_meter> meters;
  session s(r.exec, r.m, length, length);
  for (const window& w : windows) {
    const auto middle = w.begin() + static_cast<std::ptrdiff_t>(prefix);
    double before = 0;
    s.rewind();
    if (prefix != 0) {  // with the token after it, which it predicts
      const perplexity_result half =
          measure_perplexity(r.exec, s, {{w.begin(), middle + 1}}, length, nullptr, quiet);
      before = half.nll * static_cast<double>(half.tokens_scored);
      s.rewind(prefix);
    }
    continued rest(s);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].dense_prefix != prefix) continue;
      r.m.use(r.exec, tables[i], self);
      sparsity_meter& meter = meters.try_emplace(all[i].name, r.m).first->second;
      const perplexity_result after =
          measure_perplexity(r.exec, rest, {{middle, w.end()}}, 0, &meter, quiet);
      outcome& o = into[all[i].name];
      o.nll += before + after.nll * static_cast<double>(after.tokens_scored);
      o.nll_half2 += prefix == 0 ? after.nll_half2 : after.nll;
    }
  }
  for (const auto& [name, meter] : meters) {
    outcome& o = into[name];
    o.nll /= static_cast<double>(windows.size() * (length - 1));
    o.nll_half2 /= static_cast<double>(windows.size());
    o.total = meter.total();
    for (const projection p : projections) o.of_projection[p] = meter.sparsity(p);
  }
}

// All of a packing's settings, scored when the first of them is asked for.
const outcome& outcome_of(double packed_for, const std::string& name) {
  static std::map<double, std::map<std::string, outcome>> known;
  if (known.count(packed_for) == 0) {
    const text_maker seen = shared_pass().text();
    const std::vector<setting>& all = settings(packed_for);
    std::vector<sparsellm::threshold_table> tables(all.size());
    const auto calibrate = [&](real_model& r, bool sequential, const text_maker& text) {
      for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i].how.sequential == sequential)
          tables[i] = r.calibrate(all[i].sparsity, all[i].how, text);
    };
    calibrate(shared_model(element_kind::f32, 0.0), false, seen);
    real_model& r = shared_model(element_kind::bf16, packed_for);
    calibrate(r, true, make_host_text);
    std::map<std::string, outcome> outcomes;
    score_all(r, 0, all, tables, outcomes);
    score_all(r, 256, all, tables, outcomes);
    known.emplace(packed_for, std::move(outcomes));
  }
  return known.at(packed_for).at(name);
}

void check_sparse(double packed_for, const char* key) {
  const json reference = read_json("reference.json")["activation_sparsity"][key];
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
  NEEDS_MODEL_AND_DATA();
  check_sparse(0.25, "teal_0.25_d256");
  check_sparse(0.25, "teal_0.25_d0");
}
TEST_CASE("SmolLM2: perplexity at 40 %", "[one-pass]") {
  NEEDS_MODEL_AND_DATA();
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
  NEEDS_MODEL_AND_DATA();
  check_sparse(0.5, "teal_0.5_d256");
  check_sparse(0.5, "teal_0.5_d0");
}
TEST_CASE("SmolLM2: perplexity at 40 and 50 %, calibrated sequentially", "[one-pass]") {
  NEEDS_MODEL_AND_DATA();
  check_sparse(0.5, "teal_seqcal_0.4_d256");
  check_sparse(0.5, "teal_seqcal_0.5_d256");
}
TEST_CASE("SmolLM2: perplexity with WINA, top-k and CATS", "[one-pass]") {
  NEEDS_MODEL_AND_DATA();
  check_sparse(0.5, "wina_thr_0.5_d256");
  check_sparse(0.5, "topk_0.5_d256");
  check_sparse(0.5, "topk_wina_0.5_d256");
  check_sparse(0.5, "cats_0.5_d256");
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// The real model against an independent implementation's results (../shared/data/smollm2).
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "files/gguf.hpp"
#include "files/tokenizer.hpp"
#include "llama/continuation.hpp"
#include "llama/dense_pass.hpp"
#include "llama/real_model.hpp"
#include "methods/block_trial.hpp"
#include "methods/calibration.hpp"
#include "model/forward.hpp"
#include "model/generation.hpp"
#include "model/session.hpp"
#include "shared_data.hpp"
#include "sparsellm/calibrate/greedy.hpp"
#include "sparsellm/core/replace_file.hpp"

using namespace llama;
using nlohmann::json;
using sparsellm::element_kind;

TEST_CASE("SmolLM2: the tokenizer gives the reference's ids") {
  NEEDS_MODEL();
  const mapped_file mapping(SPARSELLM_DEMO_MODEL);
  const gguf file(mapping.data(), mapping.size());
  const tokenizer t(file);
  const json reference = read_json(test_data("smollm2/tokenizer.json"));
  for (const json& c : reference["cases"]) {
    INFO(c["text"].get<std::string>());
    const auto ids = t.encode(c["text"].get<std::string>());
    CHECK(ids == c["ids"].get<std::vector<std::int32_t>>());
    if (c["text"].get<std::string>().find("<|") == std::string::npos)
      CHECK(t.decode(ids) == c["text"].get<std::string>());
  }
}

TEST_CASE("SmolLM2: logits and greedy text are the reference's", "[one-pass]") {
  NEEDS_MODEL_AND_WIKITEXT();
  const json golden = wikitext_json("goldens.json");
  real_model& r = shared_model(element_kind::f32, 0.0);
  const auto prompt = golden["ids"].get<std::vector<std::int32_t>>();
  CHECK(r.tok.encode(golden["prompt"].get<std::string>()) == prompt);

  const auto last_logits = [&](std::size_t prefix) {
    session s(r.exec, r.m, prompt.size(), prompt.size());
    const const_rows x = s.advance(prompt, prefix);
    std::vector<float> logits(r.m.shape().vocabulary);
    s.steps().logits({&x(prompt.size() - 1, 0), 1, x.cols()}, {logits.data(), 1, logits.size()});
    return logits;
  };
  const auto check_logits = [&](const json& expected, const std::vector<float>& logits,
                                double tolerance) {
    for (std::size_t i = 0; i < expected["ids"].size(); ++i)
      CHECK_THAT(logits[expected["ids"][i].get<std::size_t>()],
                 WithinAbs(expected["values"][i].get<double>(), tolerance));
  };
  check_logits(golden["dense"]["top10_last"], last_logits(prompt.size()), 1e-2);

  check_continuation(greedy_continuation(r, prompt, 1000), golden["generation_dense"]);

  const auto table = r.calibrate(wikitext(), 0.5, {}, shared_pass(wikitext()).text());
  check_continuation(greedy_continuation(r, prompt, prompt.size()),
                     golden["generation_teal50_dense_prefill"]);
  // With every position sparse, single logits cannot be compared: moving all thresholds by one part
  // in 100,000 moves them by about 1, for an activation more or less is skipped
  // (docs/perplexity.md). How much is skipped can be.
  std::map<std::pair<std::size_t, activation_site>, double> skipped;
  const activation_observer count = [&](std::size_t l, activation_site site, const_rows x) {
    std::size_t n = 0;
    const float tau = table.find({l, name(r.m.shape().readers(site).front())})->threshold;
    for (std::size_t t = 0; t < x.rows(); ++t)
      for (const float v : x.row(t)) n += std::fabs(v) <= tau ? 1 : 0;
    skipped[{l, site}] = static_cast<double>(n) / static_cast<double>(x.rows() * x.cols());
  };
  session all_sparse(r.exec, r.m, prompt.size(), prompt.size());
  (void)all_sparse.advance(prompt, 0, &count);
  const std::pair<const char*, activation_site> names[] = {
      {"attn_in", activation_site::attention_input},
      {"o_in", activation_site::attention_output},
      {"mlp_in", activation_site::mlp_input},
      {"down_in", activation_site::mlp_hidden}};
  for (const auto& [golden_name, site] : names)
    for (std::size_t l = 0; l < 30; ++l) {
      INFO(golden_name << ", layer " << l);
      // Layer 0 sees the same input; further on, what rounding moved.
      CHECK_THAT(
          (skipped[{l, site}]),
          WithinAbs(golden["teal50_all_positions"]["zero_fraction"][golden_name][l].get<double>(),
                    l == 0 ? 0.001 : 0.03));
    }

  const std::pair<const char*, const char*> inputs[] = {
      {"attn_in", "q"}, {"o_in", "o"}, {"mlp_in", "gate"}, {"down_in", "down"}};
  for (const auto& [tensor_name, projection] : inputs) {
    std::vector<double> off;
    for (std::size_t l = 0; l < 30; ++l) {
      const auto* found = table.find({l, projection});
      REQUIRE(found != nullptr);
      off.push_back(std::fabs(static_cast<double>(found->threshold) /
                                  golden["thresholds_50"][tensor_name][l].get<double>() -
                              1));
    }
    std::nth_element(off.begin(), off.begin() + 15, off.end());
    INFO(tensor_name);
    CHECK(off[15] <= 0.02);
  }
}

TEST_CASE(
    "SmolLM2: a greedy search leaves a block's output nearer to dense than uniform sparsity") {
  NEEDS_MODEL();
  real_model r(element_kind::bf16, 0.0);
  const window ids = books_json()["goldens"]["prompt"]["ids"];
  const std::size_t width = r.m.shape().width;
  forward steps(r.exec, r.m, ids.size(), ids.size());
  sparsellm::buffer<float> stream(ids.size() * width);
  const rows x(stream.data(), ids.size(), width);
  for (std::size_t t = 0; t < ids.size(); ++t) r.m.embed(ids[t], t, x.row(t));
  sparsellm::greedy_search greedy;
  for (const projection p : projections)
    greedy.weights.push_back(
        static_cast<double>(r.m.extents_of(p).outputs * r.m.extents_of(p).inputs));
  greedy.step = 0.0125;  // four times the program's: this is about the direction
  for (std::size_t l = 0; l < r.m.shape().layers; ++l) {
    block_trial trial(r.exec, r.m, steps, l, ids.size(), x, error_norm::token);
    greedy.path.clear();
    greedy.run(
        0.5,
        [&](const std::vector<double>& at, std::size_t p) {
          return trial.error(at, projections[p]);
        },
        [&](std::size_t p) { trial.keep(greedy.path.back().sparsity, projections[p]); });
    INFO("block " << l);
    CHECK(greedy.nearest(0.5).error < trial.uniform_error(0.5));
  }
}

TEST_CASE("SmolLM2: the file's own quantised weights give the logits and the text of floats") {
  NEEDS_MODEL();
  const json golden = books_json()["goldens"]["prompt"];
  const auto ids = golden["ids"].get<std::vector<std::int32_t>>();
  real_model exact(element_kind::f32, 0.0), kept(std::nullopt, 0.0), skipping(std::nullopt, 0.9);
  std::vector<std::vector<float>> logits;
  std::vector<std::vector<std::int32_t>> texts;
  for (real_model* r : {&exact, &kept, &skipping}) {
    session s(r->exec, r->m, ids.size(), ids.size() + 24);
    const const_rows x = s.advance(ids, ids.size());
    logits.emplace_back(s.vocabulary());
    s.steps().logits({&x(ids.size() - 1, 0), 1, x.cols()},
                     rows(logits.back().data(), 1, s.vocabulary()));
    s.rewind();
    sampler greedy(0.0, 1);
    texts.push_back(
        generate(
            s, ids, 24, ids.size() + 24, {}, greedy, nullptr, [](double) {}, [](std::int32_t) {})
            .ids);
  }
  for (std::size_t k = 1; k < 3; ++k) {
    float worst = 0;
    for (std::size_t i = 0; i < logits[0].size(); ++i)
      worst = std::max(worst, std::fabs(logits[k][i] - logits[0][i]));
    CHECK(worst < 1e-2f);
    CHECK(texts[k] == texts[0]);
  }
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "model/step_clock.hpp"

#include <chrono>
#include <cstdint>
#include <vector>

#include "catch2_any.hpp"
#include "llama/loaded_tiny.hpp"
#include "methods/calibration.hpp"
#include "model/session.hpp"
#include "sparsellm/calibrate/uniform.hpp"

using namespace llama;
using sparsellm::element_kind;

namespace {

const std::vector<std::int32_t> tokens{13, 84, 155, 226, 41, 112, 183, 254};

step_clock::duration sum_of_parts(const step_clock& clock) {
  step_clock::duration sum{};
  for (std::size_t p = 0; p < step_part_names.size(); ++p)
    sum += clock.spent(static_cast<step_part>(p));
  return sum;
}

// Steps of the model with a clock and without give the same logits, and every part of each step
// ends as often as the architecture has it.
void check_steps(loaded_tiny& t, std::size_t dense_prefix) {
  const std::size_t layers = t.m.shape().layers, vocabulary = t.m.shape().vocabulary;
  session timed(t.exec, t.m, 1, tokens.size()), plain(t.exec, t.m, 1, tokens.size());
  step_clock clock;
  timed.steps().use_clock(&clock);
  std::vector<float> a(vocabulary), b(vocabulary);
  for (const std::int32_t id : tokens) {
    clock.start();
    timed.append({id}, dense_prefix, nullptr);
    timed.logits(0, {a.data(), 1, vocabulary});
    plain.append({id}, dense_prefix, nullptr);
    plain.logits(0, {b.data(), 1, vocabulary});
    REQUIRE(a == b);
    CHECK(clock.ends(step_part::embedding) == 1);
    CHECK(clock.ends(step_part::norms) == 2 * layers + 1);
    for (const step_part each : {step_part::qkv, step_part::attention, step_part::out,
                                 step_part::gate_up, step_part::down})
      CHECK(clock.ends(each) == layers);
    CHECK(clock.ends(step_part::head) == 1);
    CHECK(clock.ends(step_part::choice) == 0);
    CHECK(sum_of_parts(clock) == clock.whole());
  }
  timed.steps().use_clock(nullptr);
  timed.rewind();
  timed.append({1}, dense_prefix, nullptr);
  CHECK(clock.ends(step_part::qkv) == layers);  // it hears no more
}

}  // namespace

TEST_CASE("step_clock: parts add up to the step, to the tick, and a new step begins at nothing") {
  step_clock clock;
  clock.start();
  const auto before = std::chrono::steady_clock::now();
  clock.passed(step_part::qkv);
  clock.passed(step_part::attention);
  while (std::chrono::steady_clock::now() == before) {
  }
  clock.passed(step_part::qkv);
  CHECK(clock.ends(step_part::qkv) == 2);
  CHECK(clock.spent(step_part::qkv).count() > 0);
  CHECK(sum_of_parts(clock) == clock.whole());
  clock.start();
  CHECK(clock.whole().count() == 0);
  CHECK(sum_of_parts(clock).count() == 0);
  CHECK(clock.ends(step_part::qkv) == 0);
}

TEST_CASE(
    "step_clock: every part of a decode step ends where it should, dense and however it skips") {
  for (const double packed_for : {0.0, 0.9})  // layouts that read everything, and that skip
    for (const auto score : {sparsellm::table_score::magnitude, sparsellm::table_score::gate})
      for (const auto selection :
           {sparsellm::table_selection::above, sparsellm::table_selection::top_k}) {
        const bool gated = score == sparsellm::table_score::gate;
        if (gated && selection == sparsellm::table_selection::top_k) continue;
        CAPTURE(packed_for, gated, selection == sparsellm::table_selection::top_k);
        loaded_tiny t({}, {element_kind::bf16, packed_for, nullptr, score});
        calibration how;
        how.score = score;
        how.selection = selection;
        how.shares = allocate(sparsellm::uniform{0.5}, t.m, score);
        (void)calibrate_model(t.exec, t.m, {tokens}, how, quiet);
        check_steps(t, 0);
        check_steps(t, tokens.size());
      }
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the commands begin with: an executor, the model, its tokenizer, and thresholds from a table
// or from a calibration.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "commands/commands.hpp"
#include "files/tokenizer.hpp"
#include "methods/calibration.hpp"
#include "model/decoder.hpp"
#include "model/model.hpp"
#include "model/sparsity_meter.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/pack/layout_efficiencies.hpp"

namespace llama {

struct setup {
  // `sparsity` decides the layouts; o.thresholds, when given, does instead.
  setup(const options& o, double sparsity);

  sparsellm::cpu::executor exec;
  std::optional<sparsellm::threshold_table> table;             // from o.thresholds
  std::optional<sparsellm::layout_efficiencies> efficiencies;  // as o.layouts says
  llama::tokenizer tokenizer;
  llama::model model;

 private:
  setup(const options& o, double sparsity, model_source source);
};

// Throws value_error for 0, or more than the machine has.
[[nodiscard]] std::size_t checked_threads(std::size_t wanted);
// A storage's name, or "gguf" for nothing: as the file has it. Throws value_error for others.
[[nodiscard]] std::optional<sparsellm::element_kind> parse_weights(const std::string& name);
// "magnitude", "wina", "cats" or "nonzero"; throws value_error for anything else.
[[nodiscard]] sparsellm::table_score parse_score(const std::string& name);
// Throws value_error outside [0, 1).
void check_sparsity(double sparsity);

// A file's text as ids. Throws file_error, and value_error when it holds no tokens.
[[nodiscard]] std::vector<std::int32_t> read_ids(const tokenizer& t, const std::string& path);
// The windows of o.text that perplexity scores. Throws as read_ids() does, and value_error for a
// text with fewer tokens.
[[nodiscard]] std::vector<window> scored_windows(const tokenizer& t, const options& o);

// A text's windows of o.window tokens (at most the model's context), `tokens` in all: of a file,
// or, for "self", of what the model writes (own_text.hpp).
[[nodiscard]] std::vector<window> text_windows(setup& s, const options& o, const std::string& text,
                                               std::size_t tokens);

// Windows to calibrate on: from o.calibration_text, random for random weights, or written by the
// model itself.
[[nodiscard]] std::vector<window> calibration_windows(setup& s, const options& o);

// Positions of a prompt or window of this length that o leaves dense.
[[nodiscard]] std::size_t dense_positions(const options& o, std::size_t length,
                                          std::size_t otherwise);

// Calibrates as o says; the model leaves with the thresholds in use. `counts`, when given, gets
// what was counted, `divergences` what fit_table() returns. Throws value_error for options that do
// not go together.
sparsellm::threshold_table calibrate(setup& s, const options& o, double sparsity,
                                     const std::vector<window>& windows,
                                     sparsellm::activation_counts* counts = nullptr,
                                     std::vector<double>* divergences = nullptr);

// Puts thresholds into the model: the table's, or calibrated ones. False when o asks for none.
bool use_thresholds(setup& s, const options& o, double sparsity);

// A sequence of up to `positions`, appended to by up to max_tokens at once, on o.device. Throws
// as make_cuda_session() does.
[[nodiscard]] std::unique_ptr<decoder> make_decoder(setup& s, const options& o,
                                                    std::size_t max_tokens, std::size_t positions);

// So many sequences of up to `positions` side by side, on o.device. Throws likewise.
[[nodiscard]] std::unique_ptr<batch_decoder> make_batch_decoder(setup& s, const options& o,
                                                                std::size_t sequences,
                                                                std::size_t positions);

// What every command says of its run.
[[nodiscard]] nlohmann::ordered_json describe(const setup& s, const options& o);
// How a table was made: method, tokens, target_sparsity and the number of its sites; and the same
// for a person.
[[nodiscard]] nlohmann::ordered_json describe(const sparsellm::threshold_table& table);
void print_made(const sparsellm::threshold_table& table, const std::string& path);
// What was skipped: over the model, and of each projection's activations.
[[nodiscard]] nlohmann::ordered_json describe(const sparsity_meter& meter);

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Checks come first: nothing is loaded for options that are wrong.
#include "setup.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "generation.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/core/replace_file.hpp"
#include "terminal.hpp"

namespace llama {

using sparsellm::require;
using sparsellm::value_error;

namespace {

// A few seconds of writing; a text of --calibration-text's size would take a minute and more.
constexpr std::size_t own_windows = 4, own_tokens = 256;

load_options loading(const options& o, double sparsity,
                     const std::optional<sparsellm::threshold_table>& table) {
  check_sparsity(sparsity);
  return {parse_weights(o.weights), sparsity, table.has_value() ? &*table : nullptr};
}

std::optional<sparsellm::threshold_table> read_table(const options& o) {
  if (o.thresholds.empty()) return std::nullopt;
  return sparsellm::load_threshold_table(o.thresholds);
}

}  // namespace

setup::setup(const options& o, double sparsity)
    : exec(checked_threads(o.threads)),
      table(read_table(o)),
      model(exec, o.model, loading(o, sparsity, table), show_progress("packing weights")),
      tokenizer(model.file()) {
  require<sparsellm::format_error>(tokenizer.size() == model.shape().vocabulary,
                                   "model: ", tokenizer.size(), " tokens and ",
                                   model.shape().vocabulary, " embeddings");
}

std::size_t checked_threads(std::size_t wanted) {
  const std::size_t most = sparsellm::cpu::executor::hardware_threads();
  require<value_error>(wanted <= most, "--threads: 1 to ", most,
                       " expected, what this machine runs at once; got ", wanted);
  return wanted == 0 ? most : wanted;
}

sparsellm::storage parse_weights(const std::string& name) {
  if (name == "f32") return sparsellm::storage::f32;
  if (name == "f16") return sparsellm::storage::f16;
  require<value_error>(name == "bf16", "--weights: f32, bf16 or f16 expected, got '", name, "'");
  return sparsellm::storage::bf16;
}

void check_sparsity(double sparsity) {
  require<value_error>(sparsity >= 0.0 && sparsity < 1.0,
                       "--sparsity: a number in [0, 1) expected, got ", sparsity);
}

std::vector<std::int32_t> read_ids(const tokenizer& t, const std::string& path) {
  std::vector<std::int32_t> ids = t.encode(sparsellm::read_file(path));
  require<value_error>(ids.size() >= 2, "'", path, "' holds ", ids.size(),
                       " tokens, at least 2 expected");
  return ids;
}

std::vector<window> calibration_windows(setup& s, const options& o) {
  if (!o.calibration_text.empty())
    return cut_windows(read_ids(s.tokenizer, o.calibration_text), o.window, o.calibration_tokens);
  session writer(s.exec, s.model, own_tokens, std::min(own_tokens, s.model.shape().context));
  const progress report = show_progress("the model writes its calibration text");
  sampler pick(1.0, o.seed);
  const std::int32_t first =
      s.tokenizer.bos() >= 0 ? s.tokenizer.bos() : std::max(s.tokenizer.eos(), 0);
  std::vector<window> windows;
  for (std::size_t w = 0; w < own_windows; ++w) {
    writer.rewind();
    window ids{first};
    const generation g = generate(
        writer, {first}, writer.capacity() - 1, writer.capacity(), -1, pick, nullptr, [](double) {},
        [&](std::int32_t) { report(static_cast<double>(w) / static_cast<double>(own_windows)); });
    ids.insert(ids.end(), g.ids.begin(), g.ids.end());
    windows.push_back(std::move(ids));
  }
  report(1.0);
  return windows;
}

std::size_t calibration_prefix(const options& o) {
  return o.dense_prefix < 0 ? 0 : static_cast<std::size_t>(o.dense_prefix);
}

bool use_thresholds(setup& s, const options& o, double sparsity) {
  if (s.table.has_value()) {
    s.model.use(*s.table, s.model.identity());
    return true;
  }
  if (sparsity == 0.0) return false;
  (void)calibrate_model(s.exec, s.model, calibration_windows(s, o), {sparsity}, o.sequential,
                        calibration_prefix(o), show_progress("calibrating"));
  return true;
}

nlohmann::ordered_json describe(const setup& s, const options& o) {
  return {{"model", s.model.shape().name},
          {"weights", o.weights},
          {"threads", s.exec.concurrency()},
          {"instruction_set", sparsellm::cpu::name(s.exec.instruction_set())},
          {"weight_bytes", s.model.weight_bytes()}};
}

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Checks come first: nothing is loaded for options that are wrong.
#include "commands/setup.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "commands/machine_layouts.hpp"
#include "commands/own_text.hpp"
#include "commands/terminal.hpp"
#include "cuda/session.hpp"
#include "files/levels.hpp"
#include "files/random_model.hpp"
#include "methods/fisher.hpp"
#include "methods/fit_table.hpp"
#include "methods/recorded_pass.hpp"
#include "methods/search.hpp"
#include "model/session.hpp"
#include "sparsellm/calibrate/profile.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/calibrate/uniform.hpp"
#include "sparsellm/core/output_file.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace llama {

using sparsellm::require;
using sparsellm::value_error;

namespace {

// Of a file, and of what the model writes itself, which is slower; where --calibration-tokens does
// not say.
constexpr std::size_t read_tokens = 16384, own_tokens = 1024;
constexpr std::size_t random_windows = 2, random_tokens = 64;  // of random weights

// What weights of --shape are made as; throws value_error for what they cannot be.
tensor_type random_type(const std::string& weights) {
  using sparsellm::element_kind;
  for (const auto& [kind, type] : {std::pair{element_kind::f32, tensor_type::f32},
                                   {element_kind::f16, tensor_type::f16},
                                   {element_kind::bf16, tensor_type::bf16},
                                   {element_kind::q8_0, tensor_type::q8_0},
                                   {element_kind::q4_0, tensor_type::q4_0},
                                   {element_kind::q4_1, tensor_type::q4_1},
                                   {element_kind::q5_0, tensor_type::q5_0},
                                   {element_kind::q5_1, tensor_type::q5_1},
                                   {element_kind::iq4_nl, tensor_type::iq4_nl},
                                   {element_kind::q4_k, tensor_type::q4_k},
                                   {element_kind::q5_k, tensor_type::q5_k},
                                   {element_kind::q6_k, tensor_type::q6_k}})
    if (weights == sparsellm::name(kind)) return type;
  sparsellm::raise<value_error>(
      sparsellm::concat("--shape: takes --weights f32, bf16, f16, q8_0, q4_0, q4_1, q5_0, q5_1, "
                        "iq4_nl, q4_k, q5_k or q6_k, got '",
                        weights, "'"));
}

search_options parse_search(const options& o) {
  require<value_error>(o.norm == "token" || o.norm == "channel",
                       "--norm: token or channel expected, got '", o.norm, "'");
  require<value_error>(o.search_windows >= 1, "--search-windows: at least 1 expected, got 0");
  return {o.allocation, o.norm == "channel" ? error_norm::channel : error_norm::token,
          o.search_windows, o.search};
}

// Files that are read or written later are tried before the work begins.
void check_files(const options& o) {
  for (const std::string& path : {o.text, o.calibration_text}) {
    if (path.empty() || path == own_text) continue;
    require<sparsellm::file_error>(::access(path.c_str(), R_OK) == 0, "cannot open '", path,
                                   "': ", std::strerror(errno));
    require<sparsellm::file_error>(!std::filesystem::is_directory(path), "cannot read '", path,
                                   "': it is a directory");
  }
  if (!o.search.empty()) sparsellm::output_file(o.search);
}

// What a calibration is asked for, checked whether or not one follows.
void check_calibration(const options& o) {
  require<value_error>(o.allocation == "uniform" || o.allocation == "profile" ||
                           o.allocation == "greedy" || o.allocation == "layers" ||
                           o.allocation == "fisher",
                       "--allocation: uniform, profile, fisher, greedy or layers expected, got '",
                       o.allocation, "'");
  (void)parse_score(o.score);
  (void)parse_search(o);
}

load_options loading(const options& o, double sparsity,
                     const std::optional<sparsellm::threshold_table>& table,
                     const std::optional<sparsellm::layout_efficiencies>& efficiencies) {
  check_sparsity(sparsity);
  require<value_error>(o.device == "cpu" || o.device == "cuda",
                       "--device: cpu or cuda expected, got '", o.device, "'");
  require<value_error>(o.layouts.empty() || o.device == "cpu",
                       "--layouts: goes with --device cpu, got ", o.device);
  // Random weights are made as they are wanted.
  load_options how;
  how.weights = o.shape.empty() ? parse_weights(o.weights) : std::nullopt;
  how.sparsity = sparsity;
  how.thresholds = table.has_value() ? &*table : nullptr;
  how.score = parse_score(o.score);
  how.skips_zeros = o.score == "nonzero" && !table.has_value();
  how.efficiencies = efficiencies.has_value() ? &*efficiencies : nullptr;
  return how;
}

// What the command line asks for is checked before the model's file is opened.
model_source source_of(const options& o, double sparsity) {
  (void)checked_threads(o.threads);
  (void)loading(o, sparsity, std::nullopt, std::nullopt);
  check_calibration(o);
  check_files(o);
  if (o.shape.empty()) return model_source(o.model);
  return model_source(
      std::make_unique<random_model>(o.shape, parse_shape(o.shape), random_type(o.weights)));
}

tokenizer checked_tokenizer(const model_file& file) {
  const config c = read_config(file);
  tokenizer t(file);
  require<sparsellm::format_error>(t.size() == c.vocabulary, "model: ", t.size(), " tokens and ",
                                   c.vocabulary, " embeddings");
  return t;
}

std::optional<sparsellm::threshold_table> read_table(const options& o) {
  if (o.thresholds.empty()) return std::nullopt;
  return sparsellm::load_threshold_table(o.thresholds);
}

}  // namespace

setup::setup(const options& o, double sparsity) : setup(o, sparsity, source_of(o, sparsity)) {}

// The file is refused for what it says before its weights are packed.
setup::setup(const options& o, double sparsity, model_source source)
    : exec(checked_threads(o.threads)),
      table(read_table(o)),
      efficiencies(efficiencies_of(o, exec)),
      tokenizer(checked_tokenizer(source.file())),
      model(exec, std::move(source), loading(o, sparsity, table, efficiencies),
            show_progress("packing weights")) {}

std::size_t checked_threads(std::size_t wanted) {
  const std::size_t most = sparsellm::cpu::executor::hardware_threads();
  require<value_error>(wanted <= most, "--threads: 1 to ", most,
                       " expected, what this machine runs at once; got ", wanted);
  return wanted == 0 ? most : wanted;
}

std::optional<sparsellm::element_kind> parse_weights(const std::string& name) {
  if (name == "gguf") return std::nullopt;
  using sparsellm::element_kind;
  for (const element_kind s :
       {element_kind::f32, element_kind::f16, element_kind::bf16, element_kind::q8_0,
        element_kind::q4_0, element_kind::q4_1, element_kind::q5_0, element_kind::q5_1,
        element_kind::iq4_nl, element_kind::q4_k, element_kind::q5_k, element_kind::q6_k,
        element_kind::i8})
    if (name == sparsellm::name(s)) return s;
  sparsellm::raise<value_error>(
      sparsellm::concat("--weights: gguf, f32, bf16, f16, q8_0, q4_0, q4_1, q5_0, q5_1, iq4_nl, "
                        "q4_k, q5_k, q6_k or i8 expected, got '",
                        name, "'"));
}

sparsellm::table_score parse_score(const std::string& name) {
  if (name == "wina") return sparsellm::table_score::column_scaled;
  if (name == "cats") return sparsellm::table_score::gate;
  require<value_error>(name == "magnitude" || name == "nonzero",
                       "--score: magnitude, wina, cats or nonzero expected, got '", name, "'");
  return sparsellm::table_score::magnitude;
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
  if (!o.calibration_text.empty() && o.calibration_text != own_text)
    return text_windows(s, o, o.calibration_text,
                        o.calibration_tokens == 0 ? read_tokens : o.calibration_tokens);
  if (!o.shape.empty()) {
    std::mt19937 random(static_cast<std::uint32_t>(o.seed));
    std::vector<window> windows(random_windows, window(random_tokens));
    for (window& w : windows)
      for (std::int32_t& id : w)
        id = static_cast<std::int32_t>(random() % s.model.shape().vocabulary);
    return windows;
  }
  return text_windows(s, o, std::string(own_text),
                      o.calibration_tokens == 0 ? own_tokens : o.calibration_tokens);
}

std::vector<window> scored_windows(const tokenizer& t, const options& o) {
  const std::vector<std::int32_t> ids = read_ids(t, o.text);
  const std::size_t stride = o.stride == 0 ? o.window : o.stride;
  std::vector<window> windows;
  for (std::size_t at = 0; windows.size() < o.windows && at + o.window <= ids.size(); at += stride)
    windows.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(at),
                         ids.begin() + static_cast<std::ptrdiff_t>(at + o.window));
  require<value_error>(windows.size() == o.windows, "--windows: '", o.text, "' has ", ids.size(),
                       " tokens, enough for ", windows.size(), " windows of ", o.window, " every ",
                       stride, ", not ", o.windows);
  return windows;
}

std::vector<window> text_windows(setup& s, const options& o, const std::string& text,
                                 std::size_t tokens) {
  if (text == own_text) {
    require<value_error>(o.own_tokens == 0,
                         "--own-tokens: goes beside a text's file, --text self takes --tokens");
    return own_windows(s, o, tokens);
  }
  const std::size_t length = std::min(o.window, s.model.shape().context);
  std::vector<window> windows = cut_windows(read_ids(s.tokenizer, text), length, tokens);
  if (o.own_tokens == 0) return windows;
  require<value_error>(windows.front().size() == length, "--own-tokens: '", text, "' holds ",
                       windows.front().size(), " tokens, less than a window of ", length,
                       " like those that the model writes");
  for (window& w : own_windows(s, o, o.own_tokens)) windows.push_back(std::move(w));
  return windows;
}

std::size_t dense_positions(const options& o, std::size_t length, std::size_t otherwise) {
  if (o.dense_fraction >= 0)
    return static_cast<std::size_t>(std::ceil(o.dense_fraction * static_cast<double>(length)));
  return o.dense_prefix < 0 ? otherwise : static_cast<std::size_t>(o.dense_prefix);
}

sparsellm::threshold_table calibrate(setup& s, const options& o, double sparsity,
                                     const std::vector<window>& windows,
                                     sparsellm::activation_counts* counts,
                                     std::vector<double>* divergences) {
  const sparsellm::table_score score = parse_score(o.score);
  require<value_error>(o.score != "nonzero" || sparsity == 0.0,
                       "--score nonzero: skips exact zeros and takes no --sparsity");
  require<value_error>(o.fit_steps == 0 || (score != sparsellm::table_score::gate && !o.top_k),
                       "--fit-steps: fits thresholds and biases beside them, and neither --score "
                       "cats nor --top-k has thresholds of that kind");
  if (o.fit_steps != 0 || o.allocation == "fisher") check_way_back(s.model.shape());
  calibration how;
  if (o.allocation == "uniform") {
    how.shares = allocate(sparsellm::uniform{sparsity}, s.model, score);
  } else if (o.allocation == "profile") {
    how.shares = allocate(sparsellm::profile{sparsity}, s.model, score);
  } else {
    require<value_error>(score != sparsellm::table_score::gate && !o.top_k, "--allocation ",
                         o.allocation,
                         ": its sparsities differ by projection, which neither "
                         "--score cats nor --top-k takes");
    how.shares =
        o.allocation == "fisher"
            ? allocate_by_fisher(s.exec, s.model, windows, o.search_windows, sparsity, o.centre,
                                 show_progress("gradients of the dense model on the CPU"))
            : search_allocation(s.exec, s.model, parse_search(o), sparsity, windows,
                                [](std::string what) { return show_progress(std::move(what)); });
  }
  how.counts = counts;
  how.score = score;
  how.zeros = o.score == "nonzero";
  how.selection = o.top_k ? sparsellm::table_selection::top_k : sparsellm::table_selection::above;
  how.sequential = o.sequential;
  how.centred = o.centre;
  how.dense_prefix = dense_positions(o, windows.front().size(), 0);
  const auto run = [&](const char* what) {
    return calibrate_model(s.exec, s.model, windows, how, show_progress(what),
                           o.device == "cuda" ? make_cuda_text : make_host_text);
  };
  sparsellm::threshold_table table = run("calibrating");
  if (o.fit_steps == 0) return table;
  const std::vector<double> met =
      fit_table(s.exec, s.model, windows, dense_positions(o, windows.front().size(), 0),
                {o.fit_steps, o.fit_windows, o.bias_rate, o.threshold_rate}, table,
                show_progress("fitting the table on the CPU"));
  if (divergences != nullptr) *divergences = met;
  if (!o.sequential) return table;
  // Activations are others now, of which other thresholds skip what was asked.
  how.biases = &table;
  how.shares.shares.clear();
  for (const sparsellm::site_threshold& site : table.sites)
    how.shares.shares.push_back({site.where, site.sparsity});
  sparsellm::threshold_table corrected = run("calibrating as fitted");
  corrected.method = table.method;
  return corrected;
}

bool use_thresholds(setup& s, const options& o, double sparsity) {
  if (s.table.has_value()) {
    s.model.use(s.exec, *s.table, s.model.identity());
    return true;
  }
  if (sparsity == 0.0 && o.score != "nonzero") return false;
  (void)calibrate(s, o, sparsity, calibration_windows(s, o));
  return true;
}

std::unique_ptr<decoder> make_decoder(setup& s, const options& o, std::size_t max_tokens,
                                      std::size_t positions) {
  if (o.device == "cuda") return make_cuda_session(s.model, max_tokens, positions);
  return std::make_unique<session>(s.exec, s.model, max_tokens, positions);
}

std::unique_ptr<batch_decoder> make_batch_decoder(setup& s, const options& o, std::size_t sequences,
                                                  std::size_t positions) {
  if (o.device == "cuda") return make_cuda_sequences(s.model, sequences, positions);
  return std::make_unique<llama::sequences>(s.exec, s.model, sequences, positions);
}

nlohmann::ordered_json describe(const setup& s, const options& o) {
  nlohmann::ordered_json j{{"model", s.model.shape().name},
                           {"weights", o.weights},
                           {"device", o.device},
                           {"threads", s.exec.concurrency()},
                           {"instruction_set", sparsellm::cpu::name(s.exec.instruction_set())},
                           {"weight_bytes", s.model.weight_bytes()}};
  return j;
}

nlohmann::ordered_json describe(const sparsellm::threshold_table& table) {
  return {{"method", table.method},
          {"tokens", table.tokens},
          {"target_sparsity", table.target_sparsity},
          {"sites", table.sites.size()}};
}

void print_made(const sparsellm::threshold_table& table, const std::string& path) {
  std::printf("%zu thresholds for %.0f %% from %zu tokens: %s\n", table.sites.size(),
              100 * table.target_sparsity, static_cast<std::size_t>(table.tokens), path.c_str());
}

nlohmann::ordered_json describe(const sparsity_meter& meter) {
  nlohmann::ordered_json j{{"model", meter.total()}};
  for (const projection p : meter.projections()) j[name(p)] = meter.sparsity(p);
  return j;
}

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// sparsellm-llama: the command line. docs/llama.md describes every option and JSON field.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/commands.hpp"
#include "commands/terminal.hpp"
#include "sparsellm/core/output_file.hpp"
#include "sparsellm/version.hpp"

namespace {

// The reader of unsigned numbers takes -1 for the largest there is.
const CLI::Validator whole_number(
    [](std::string& text) {
      const bool good = !text.empty() && text.size() <= 18 &&
                        text.find_first_not_of("0123456789") == std::string::npos;
      return good ? std::string() : "a whole number expected, got '" + text + "'";
    },
    "");

using command = std::function<void(const llama::options&, nlohmann::ordered_json&)>;

struct program {
  CLI::App app{
      "Language models of the families Llama, Mistral, Qwen2, Qwen3 and OPT, from GGUF files (not "
      "OPT) "
      "or Hugging Face checkpoints, decoded with sparse activations. Other architectures, mixtures "
      "of "
      "experts and what a file asks for beside are refused by name: docs/files.md"};
  llama::options options;
  std::string json;
  command chosen;

  program() {
    options.model = SPARSELLM_DEMO_MODEL;
    app.require_subcommand(1);
    app.set_version_flag("--version", std::to_string(SPARSELLM_VERSION_MAJOR) + "." +
                                          std::to_string(SPARSELLM_VERSION_MINOR) + "." +
                                          std::to_string(SPARSELLM_VERSION_PATCH));
    add_inspect_command();
    add_generate_command();
    add_perplexity_command();
    add_calibrate_command();
    add_thresholds_command();
    add_plan_command();
    add_prune_command();
    add_rotate_command();
    add_bench_command();
  }

  std::size_t bench_tokens = 48, prune_tokens = 16384;

 private:
  void add_inspect_command() {
    CLI::App* sub = add("inspect", "Show what is in a model file", llama::run_inspect);
    CLI::Option* shape = sub->add_option(
        "--shape", options.shape,
        "No file: what a pattern saves of a model of this shape, 1b, 3b, 7b, 8b, 13b, 70b, or "
        "LAYERS,WIDTH,HIDDEN,HEADS,KV");
    shape->excludes(sub->get_option("--model"));
    sub->add_option("--pattern", options.pattern, "With --shape: N:M, which is counted")
        ->needs(shape);
    sub->add_option("--vocabulary", options.vocabulary,
                    "With --shape: tokens, each a row of the embeddings and of the head")
        ->check(whole_number)
        ->needs(shape);
  }
  void add_generate_command() {
    CLI::App* sub = add("generate", "Continue a prompt", llama::run_generate);
    sub->add_option("--prompt", options.prompt, "The text to continue")->required();
    sub->add_option("--tokens", options.tokens, "How many tokens to write at most")
        ->required()
        ->check(whole_number);
    sub->add_option("--temperature", options.temperature, "0 takes the likeliest token");
    sub->add_option("--seed", options.seed, "Of the random draws")->check(whole_number);
    add_device(sub);
    add_thresholds(sub);
  }
  void add_perplexity_command() {
    CLI::App* sub = add("perplexity", "Score a text", llama::run_perplexity);
    sub->add_option("--text", options.text, "The text's file")->required();
    sub->add_option("--window", options.window, "Tokens a window")->check(whole_number);
    sub->add_option("--windows", options.windows, "How many windows")->check(whole_number);
    sub->add_option("--stride", options.stride, "Tokens from one window to the next")
        ->check(whole_number);
    CLI::Option* sweep =
        sub->add_flag("--sweep", options.sweep, "A table of perplexity and speed by sparsity");
    sub->add_flag("--output-error", options.output_error,
                  "Also how far skipping moves the projections' outputs")
        ->excludes(sweep);
    add_device(sub);
    add_thresholds(sub);
  }
  void add_calibrate_command() {
    CLI::App* sub = add("calibrate", "Make a threshold table", llama::run_calibrate);
    sub->add_option("--text", options.text, "The text's file, or self: the model writes it")
        ->required();
    sub->add_option("--tokens", options.tokens, "How many tokens of it")
        ->required()
        ->check(whole_number);
    add_own_tokens(sub);
    sub->add_option("--window", options.window, "Tokens a window")->check(whole_number);
    sub->add_option("--sparsity", options.sparsity, "Share to skip, in [0, 1)")->required();
    add_device(sub);
    add_method(sub);
    add_dense(sub, "With --sequential: positions left dense in each window");
    sub->add_option("--output", options.output, "The table's file")->required();
    sub->add_option("--write-counts", options.write_counts,
                    "Also write what was counted, of which thresholds makes tables");
  }
  void add_thresholds_command() {
    CLI::App* sub =
        add_without_model("thresholds", "Make a threshold table of counts", llama::run_thresholds);
    sub->add_option("--counts", options.counts,
                    "Files that calibrate --write-counts or the plugin for llama.cpp wrote, all of "
                    "one model; several add up")
        ->required();
    sub->add_option("--sparsity", options.sparsity, "Share to skip, in [0, 1)")->required();
    sub->add_option("--allocation", options.allocation,
                    "How sparsity is divided: uniform, or profile, for models with Llama's seven "
                    "projections");
    sub->add_option("--output", options.output, "The table's file")->required();
  }
  void add_plan_command() {
    CLI::App* sub = add("plan", "Choose a pattern for each weight, for a model of a wanted size",
                        llama::run_plan);
    sub->add_option("--text", options.text,
                    "The calibration text's file, or self: the model writes it")
        ->required();
    sub->add_option("--output", options.output, "The plan's file")->required();
    sub->add_option(
        "--size", options.size,
        "Of the linear layers at 16 bits, masks counted: a share of dense, or N:M, that "
        "pattern's");
    sub->add_option("--patterns", options.patterns,
                    "N:M, comma between, that weights may have; dense is always one")
        ->delimiter(',');
    sub->add_option("--fisher-windows", options.fisher_windows,
                    "Errors count as what they cost the predictions, by gradients of so many "
                    "calibration windows; 0: relative to outputs, for models without a way back")
        ->check(whole_number);
    add_metric(sub);
    add_update(sub);
    add_device(sub);
    sub->add_option("--tokens", prune_tokens, "How many tokens of the text")->check(whole_number);
    add_own_tokens(sub);
    sub->add_option("--window", options.window, "Tokens a window")->check(whole_number);
  }
  void add_prune_command() {
    CLI::App* sub = add("prune", "Make an N:M sparse checkpoint, or a GGUF with zeros in place",
                        llama::run_prune);
    sub->add_option("--text", options.text,
                    "The calibration text's file, or self: the model writes it")
        ->required();
    sub->add_option("--output", options.output,
                    "The checkpoint's directory, or a GGUF file, whose name ends in .gguf, of "
                    "--weights f32, f16, bf16 or q8_0")
        ->required();
    sub->add_flag("--force", options.force,
                  "Replace a dense model, and remove another checkpoint's files, in --output");
    CLI::Option* pattern = sub->add_option("--pattern", options.pattern,
                                           "N:M, N of every M weights of a row are kept");
    add_metric(sub);
    sub->add_option("--shuffle", options.shuffle,
                    "Order channels first: none, global, local or both");
    add_device(sub);
    sub->add_option("--tokens", prune_tokens, "How many tokens of the text")->check(whole_number);
    add_own_tokens(sub);
    sub->add_option("--window", options.window, "Tokens a window")->check(whole_number);
    sub->add_flag("--sequential", options.sequential,
                  "Calibrate each block on the outputs of the pruned blocks before it");
    sub->add_option("--block", options.block, "Channels that the local shuffle moves among")
        ->check(whole_number);
    sub->add_option("--seconds", options.seconds, "The most that one local shuffle may take")
        ->check(CLI::PositiveNumber);
    add_update(sub);
    sub->add_option("--target", options.target,
                    "With --update and --sequential, what outputs should come near: own (of the "
                    "dense weight on the pruned model's inputs) or dense (in the dense model)");
    sub->add_option("--gain-steps", options.gain_steps,
                    "Fit gains of the norms that make up for pruned weights, in so many steps")
        ->check(whole_number);
    sub->add_option("--gain-windows", options.gain_windows, "Calibration windows a step")
        ->check(whole_number);
    sub->add_option("--gain-rate", options.gain_rate, "The first step's length, of a gain");
    sub->add_option("--plan", options.plan,
                    "A file that plan wrote: a pattern for each weight, in place of --pattern")
        ->excludes(pattern);
    sub->add_option("--state", options.state,
                    "A directory that finished blocks are kept in until the output is written, and "
                    "gone on from");
    sub->add_option("--deal", options.deal,
                    "How the global shuffle deals channels: round-robin or zigzag");
    sub->add_option("--dense", options.dense_projections,
                    "Projections that stay dense, comma between")
        ->delimiter(',');
    sub->add_option("--dense-layers", options.dense_layers, "Layers that do, comma between")
        ->delimiter(',')
        ->check(whole_number);
  }
  void add_rotate_command() {
    CLI::App* sub = add("rotate",
                        "Write the same model along the principal axes of its residual stream, "
                        "where more channels are small",
                        llama::run_rotate);
    sub->add_option("--text", options.text,
                    "The calibration text's file, or self: the model writes it")
        ->required();
    sub->add_option("--output", options.output, "A GGUF file, of --weights f32, f16 or bf16")
        ->required();
    add_device(sub);
    sub->add_option("--tokens", prune_tokens, "How many tokens of the text")->check(whole_number);
    sub->add_option("--window", options.window, "Tokens a window")->check(whole_number);
  }
  void add_bench_command() {
    CLI::App* sub = add("bench", "Time decode and prefill", llama::run_bench);
    sub->add_option("--sparsity", options.sparsities, "One or more shares, comma between")
        ->delimiter(',')
        ->default_val(std::vector<double>{0, 0.25, 0.4, 0.5, 0.65});
    sub->add_option("--thresholds", options.tables,
                    "Also with these tables that calibrate wrote, comma between")
        ->delimiter(',');
    sub->add_option("--tokens", bench_tokens, "Decode steps a round")->check(whole_number);
    sub->add_option("--rounds", options.rounds, "Rounds; the medians are reported")
        ->check(whole_number);
    sub->add_option("--prefill", options.prefill, "Tokens that prefill reads at once")
        ->check(whole_number);
    CLI::Option* shape =
        sub->add_option("--shape", options.shape,
                        "Random weights of this shape instead of a model: 1b, 3b, 7b, 8b, "
                        "13b, 70b, or LAYERS,WIDTH,HIDDEN,HEADS,KV");
    sub->add_option("--batch", options.batches,
                    "Also time so many sequences at once, comma between")
        ->delimiter(',')
        ->check(whole_number);
    sub->add_flag("--parts", options.parts, "Also say where the time of a decode step goes");
    add_device(sub);
    add_calibration(sub);
    shape->excludes(sub->get_option("--model"))->excludes(sub->get_option("--calibration-text"));
  }
  CLI::App* add_without_model(const char* name, const char* what, command run) {
    CLI::App* sub = app.add_subcommand(name, what);
    sub->add_option("--json", json, "Also write the result to a file as JSON");
    sub->callback([this, run] { chosen = run; });
    return sub;
  }
  CLI::App* add(const char* name, const char* what, command run) {
    CLI::App* sub = add_without_model(name, what, std::move(run));
    sub->add_option("--model", options.model,
                    "A GGUF file or a checkpoint's directory; without it the demo's model");
    sub->add_option("--threads", options.threads, "Threads; without it all")
        ->check(whole_number)
        ->check(CLI::PositiveNumber);
    sub->add_option("--weights", options.weights,
                    "What weights are packed as: f32, bf16, f16, q8_0, q4_0, q4_1, q5_0, q5_1, "
                    "iq4_nl, q4_k, q5_k, "
                    "q6_k, i8 (of N:M checkpoints), or gguf, as they are in the file");
    sub->add_option("--layouts", options.layouts,
                    "Choose layouts by this processor: 'family', by what was measured on such "
                    "ones, or a file that keeps what is measured on this one; without it as on "
                    "every machine");
    return sub;
  }
  void add_metric(CLI::App* sub) {
    sub->add_option("--metric", options.metric,
                    "What a weight is scored by: magnitude, wanda, ria or e-sparse");
    sub->add_option("--alpha", options.alpha, "Of the norm, beside the entropy, in e-sparse");
    sub->add_option("--bins", options.bins, "Of the entropy's histogram")->check(whole_number);
    sub->add_option("--entropy", options.entropy,
                    "Other readings of e-sparse, comma between: bits, tensor (one range for all "
                    "channels), absolute, rms (in place of the norm)")
        ->delimiter(',');
  }
  void add_update(CLI::App* sub) {
    sub->add_option("--update", options.update,
                    "Kept weights make up for pruned ones: none, obs (under the metric's mask) or "
                    "sparsegpt (the mask chosen on the way)");
    sub->add_option("--damping", options.damping,
                    "With --update: what is added to the diagonal of XᵀX, of its mean");
    sub->add_option("--refine", options.refine,
                    "With --update: rounds of conjugate gradients for the kept weights afterwards")
        ->check(whole_number);
  }
  void add_own_tokens(CLI::App* sub) {
    sub->add_option("--own-tokens", options.own_tokens,
                    "So many tokens that the model writes itself, beside those of a file")
        ->check(whole_number);
  }
  void add_device(CLI::App* sub) {
    sub->add_option("--device", options.device, "Where the model runs: cpu or cuda");
  }
  void add_calibration(CLI::App* sub) {
    sub->add_option("--calibration-text", options.calibration_text,
                    "Calibrate on this file; self, or without it, on text the model writes");
    sub->add_option("--calibration-tokens", options.calibration_tokens, "How much of it")
        ->check(whole_number);
    add_method(sub);
  }
  void add_method(CLI::App* sub) {
    sub->add_flag("--sequential", options.sequential,
                  "Calibrate each layer on already sparsified inputs");
    sub->add_option("--score", options.score,
                    "What is compared: magnitude, wina, cats, or nonzero for ReLU models");
    sub->add_option("--allocation", options.allocation,
                    "How sparsity is divided: uniform, profile, fisher, greedy, or layers");
    sub->add_flag("--top-k", options.top_k, "As many channels for every token, the largest");
    sub->add_option("--search", options.search,
                    "A file that greedy and layers keep what they found in, and go on from");
    sub->add_option("--search-windows", options.search_windows,
                    "How many calibration windows they search on, or fisher takes gradients of")
        ->check(whole_number);
    sub->add_option("--norm", options.norm,
                    "Their error of a block's output: token, or channel as TEAL's release");
    sub->add_flag("--centre", options.centre,
                  "Compare |x - centre|, where each channel mostly is, and skip to the centre");
    sub->add_option("--fit-steps", options.fit_steps,
                    "Fit biases that make up for what is skipped, and thresholds, in so many steps")
        ->check(whole_number);
    sub->add_option("--fit-windows", options.fit_windows, "Calibration windows a step")
        ->check(whole_number);
    sub->add_option("--bias-rate", options.bias_rate,
                    "The first step's length, of what an output loses; 0: no biases");
    sub->add_option("--threshold-rate", options.threshold_rate,
                    "The same of thresholds' logarithms; 0: sparsity stays where it is");
  }
  void add_dense(CLI::App* sub, const char* what) {
    CLI::Option* prefix = sub->add_option("--dense-prefix", options.dense_prefix, what)
                              ->check(CLI::NonNegativeNumber);
    sub->add_option("--dense-fraction", options.dense_fraction,
                    "The same as a share of the prompt or window, in [0, 1]")
        ->check(CLI::Range(0.0, 1.0))
        ->excludes(prefix);
  }
  void add_thresholds(CLI::App* sub) {
    CLI::Option* sparsity =
        sub->add_option("--sparsity", options.sparsity, "Share of activations to skip, in [0, 1)");
    sub->add_option("--thresholds", options.thresholds, "A table that calibrate wrote")
        ->excludes(sparsity);
    add_dense(sub, "Positions left dense: by default the prompt in generate, none in perplexity");
    add_calibration(sub);
  }
};

// Everything printed has arrived. Throws file_error with the system's reason, as for a full disk.
void finish_output() {
  std::cout.flush();
  const bool whole = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good();
  sparsellm::require<sparsellm::file_error>(whole, "cannot write standard output",
                                            errno != 0 ? ": " : "",
                                            errno != 0 ? std::strerror(errno) : "");
}

using named_path = std::pair<const char*, std::string>;

// Nothing that is read is replaced by what is written, and no two outputs are one file.
void check_paths(const llama::options& o, const std::string& json) {
  namespace fs = std::filesystem;
  const named_path outputs[] = {
      {"--json", json}, {"--output", o.output}, {"--write-counts", o.write_counts}};
  std::vector<named_path> inputs{
      {"--model", o.model},           {"--text", o.text},
      {"--thresholds", o.thresholds}, {"--calibration-text", o.calibration_text},
      {"--search", o.search},         {"--plan", o.plan},
      {"--layouts", o.layouts}};
  for (const std::string& path : o.counts) inputs.emplace_back("--counts", path);
  const auto same = [](const std::string& a, const std::string& b) {
    std::error_code failed;
    return !a.empty() && !b.empty() && fs::is_regular_file(a, failed) &&
           fs::equivalent(a, b, failed) && !failed;
  };
  for (const auto& [out, to] : outputs)
    for (const auto& [in, from] : inputs)
      sparsellm::require<sparsellm::value_error>(!same(to, from), out, ": '", to, "' is what ", in,
                                                 " reads");
  for (const named_path& a : outputs)
    for (const named_path& b : outputs)
      sparsellm::require<sparsellm::value_error>(
          &a >= &b || a.second.empty() || a.second != b.second || a.second.starts_with("/dev/"),
          a.first, " and ", b.first, " name the same file");
}

// Where a shell closed one of the first three files (>&-), the next file that is opened would take
// its number, and get what is printed.
void hold_standard_files() {
  for (const int file : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(file, F_GETFD) < 0) (void)::open("/dev/null", O_RDONLY);
}

int run(program& p) {
  check_paths(p.options, p.json);
  // Opened before the work, which need not end with the answer that it cannot be written.
  std::optional<sparsellm::output_file> json;
  if (!p.json.empty()) json.emplace(p.json);
  if (p.app.got_subcommand("bench")) p.options.tokens = p.bench_tokens;
  for (const char* name : {"plan", "prune", "rotate"})
    if (p.app.got_subcommand(name)) p.options.tokens = p.prune_tokens;
  nlohmann::ordered_json result;
  p.chosen(p.options, result);
  finish_output();
  if (!json.has_value()) return 0;
  // Names of files need not be UTF-8; JSON must.
  json->append(result.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  json->commit();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  hold_standard_files();
  std::signal(SIGPIPE, SIG_IGN);  // an output that nobody reads is an error like a full disk
  program p;
  try {
    try {
      p.app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      const int status = p.app.exit(e);
      finish_output();
      return status == 0 ? 0 : 2;
    }
    llama::watch_for_interrupts();
    return run(p);
  } catch (const llama::interrupted& e) {
    std::cerr << "\nsparsellm-llama: " << e.what() << "\n";
    return llama::interrupted_status();
  } catch (const std::exception& e) {
    std::cerr << "sparsellm-llama: " << e.what() << "\n";
    return 1;
  }
}

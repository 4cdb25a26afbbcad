// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The subcommands of sparsellm-llama. Each fills the JSON that --json writes, prints a summary for
// a person, and throws sparsellm::error for anything that is wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "sparsellm/core/error.hpp"

namespace llama {

// Ctrl-C, or a request to end (SIGTERM); nothing was written.
struct interrupted : sparsellm::error {
  using error::error;
};

struct options {
  std::string model;
  std::size_t threads = 0;  // 0: all
  std::string weights = "bf16";
  std::string device = "cpu";  // or cuda
  std::string layouts;         // what they are chosen by: empty, "family", or a file
  // Thresholds: a table, or a sparsity that is calibrated for first.
  double sparsity = 0.0;
  std::string thresholds;
  std::string calibration_text;        // empty or "self": what the model writes itself
  std::size_t calibration_tokens = 0;  // 0: as many as suits the text
  std::string allocation = "uniform";  // uniform, profile, fisher, greedy or layers
  std::string score = "magnitude";     // magnitude, wina, cats or nonzero
  bool top_k = false, sequential = false;
  std::string search;              // greedy's state: resumed from, and kept up to date
  std::string norm = "token";      // greedy's error: token, or channel as TEAL's release has it
  std::size_t search_windows = 4;  // greedy's share of the calibration windows
  // Positions left dense: a number, or a share of the prompt or window; below 0: the command's own
  // default.
  std::int64_t dense_prefix = -1;
  double dense_fraction = -1;
  // generate
  std::string prompt;
  std::size_t tokens = 0;
  double temperature = 0.0;
  std::uint64_t seed = 1;
  bool centre = false;  // thresholds on |x - centre|
  // calibrate: biases that make up for what is skipped, and thresholds, fitted in so many steps
  std::size_t fit_steps = 0, fit_windows = 4;
  double bias_rate = 0.05, threshold_rate = 0.1;
  // perplexity, calibrate
  std::string text;
  std::size_t own_tokens = 0;                          // that the model writes, beside a text's
  std::size_t window = 512, windows = 16, stride = 0;  // stride 0: the window
  bool sweep = false;         // perplexity: at several sparsities, with decode's speed
  bool output_error = false;  // perplexity: also what skipping changes in outputs
  std::string output;
  std::string write_counts;         // calibrate: the counts' file too
  std::vector<std::string> counts;  // thresholds: files of counts
  // prune
  bool force = false;  // output may hold a dense model, or files of another checkpoint
  std::string pattern = "2:4", metric = "wanda", shuffle = "none", deal = "round-robin";
  std::string update = "none";  // none, obs or sparsegpt
  double damping = 0.01;
  std::size_t refine = 15;     // rounds
  std::string target = "own";  // or dense
  // Gains of norms that make up for what is pruned, fitted in so many steps.
  std::size_t gain_steps = 0, gain_windows = 4;
  double gain_rate = 0.02;
  std::string plan;   // a file of patterns
  std::string state;  // a directory of finished blocks: resumed from, and kept up to date
  std::size_t block = 256, bins = 100;
  double alpha = 1.0, seconds = 0;   // seconds 0: no limit
  std::vector<std::string> entropy;  // readings other than the default
  std::vector<std::string> dense_projections;
  std::vector<std::size_t> dense_layers;
  // bench
  std::vector<double> sparsities;
  std::vector<std::string> tables;  // of thresholds
  std::size_t rounds = 5;
  std::vector<std::size_t> batches;
  bool parts = false;  // of a decode step, timed
  std::size_t prefill = 512;
  std::string shape;  // random weights instead of a model
  // plan
  std::vector<std::string> patterns{"2:4", "4:8", "6:8", "8:16"};
  std::string size = "6:8";        // of the linear layers: a share of dense, or that of a pattern
  std::size_t fisher_windows = 8;  // of gradients, by which errors count; 0: relative to outputs
  // inspect, of a shape
  std::size_t vocabulary = 32000;
};

void run_inspect(const options& o, nlohmann::ordered_json& result);
// What inspect says with --shape.
void inspect_shape(const options& o, nlohmann::ordered_json& result);
void run_generate(const options& o, nlohmann::ordered_json& result);
void run_perplexity(const options& o, nlohmann::ordered_json& result);
void run_calibrate(const options& o, nlohmann::ordered_json& result);
void run_thresholds(const options& o, nlohmann::ordered_json& result);
void run_plan(const options& o, nlohmann::ordered_json& result);
void run_prune(const options& o, nlohmann::ordered_json& result);
// rotate: principal axes of the residual stream, and the model along them.
void run_rotate(const options& o, nlohmann::ordered_json& result);
void run_bench(const options& o, nlohmann::ordered_json& result);

}  // namespace llama

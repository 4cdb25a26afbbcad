// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// thresholds: files of counts in, a threshold table out. No model is needed.
#include <nlohmann/json.hpp>

#include "commands/commands.hpp"
#include "commands/setup.hpp"
#include "sparsellm/calibrate/counts_json.hpp"
#include "sparsellm/calibrate/profile.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/calibrate/uniform.hpp"
#include "sparsellm/core/output_file.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::activation_counts;
using sparsellm::require;
using sparsellm::value_error;

namespace {

// All files' together. Throws format_error, with the file's name, for counts of another model.
activation_counts load_all(const std::vector<std::string>& paths) {
  activation_counts all;
  for (const std::string& path : paths) {
    const activation_counts more = sparsellm::load_activation_counts(path);
    if (all.sites.empty()) all.model = more.model;
    try {
      all.merge(more);
    } catch (const sparsellm::format_error& e) {
      sparsellm::raise<sparsellm::format_error>(
          sparsellm::concat("'", path, "' and what is before it: ", e.what()));
    }
  }
  require<value_error>(!all.sites.empty(), "--counts: nothing was counted in '", paths.front(),
                       "'");
  return all;
}

}  // namespace

void run_thresholds(const options& o, ordered_json& result) {
  check_sparsity(o.sparsity);
  require<value_error>(o.allocation == "uniform" || o.allocation == "profile",
                       "--allocation: uniform or profile expected, got '", o.allocation,
                       "'; calibrate has the searches, which run the model");
  sparsellm::output_file out(o.output);  // refused before the work
  const activation_counts counts = load_all(o.counts);
  const sparsellm::threshold_table table = o.allocation == "uniform"
                                               ? calibrate(sparsellm::uniform{o.sparsity}, counts)
                                               : calibrate(sparsellm::profile{o.sparsity}, counts);
  out.append(to_json(table));
  out.commit();
  result = {{"model", table.model.name}, {"output", o.output}};
  result.update(describe(table));
  print_made(table, o.output);
}

}  // namespace llama

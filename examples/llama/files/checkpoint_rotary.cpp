// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/checkpoint_rotary.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "sparsellm/core/error.hpp"

namespace llama {

using nlohmann::json;
using sparsellm::format_error;
using sparsellm::require;

namespace {

double number(json_ledger& r, const char* key) {
  const std::optional<double> n = r.number(key);
  require<format_error>(n.has_value(), r.where(), " must have a number '", key, "'");
  return *n;
}

void read_llama3(json_ledger& r, checkpoint_config& to) {
  const llama3_scaling s{number(r, "factor"), number(r, "low_freq_factor"),
                         number(r, "high_freq_factor"),
                         number(r, "original_max_position_embeddings")};
  require<format_error>(s.factor > 0 && s.low_frequency > 0 && s.high_frequency > s.low_frequency &&
                            s.context > 0 && to.rotary_base > 1,
                        r.where(), "'s numbers do not fit together");
  to.scaling = s;
}

// As transformers has it: attention_factor, or what mscale and mscale_all_dim say, or the paper's.
double magnitude_of_yarn(json_ledger& r, double factor) {
  const std::optional<double> given = r.number("attention_factor");
  const double mscale = r.number("mscale").value_or(0.0),
               all = r.number("mscale_all_dim").value_or(0.0);
  const auto scaled = [&](double m) { return factor <= 1 ? 1.0 : 0.1 * m * std::log(factor) + 1; };
  if (given.has_value()) return *given;
  return mscale != 0.0 && all != 0.0 ? scaled(mscale) / scaled(all) : yarn_magnitude(factor);
}

void read_yarn(json_ledger& r, const std::string& prefix, checkpoint_config& to) {
  const std::string context_key = "original_max_position_embeddings";
  const std::uint64_t whole = std::get<std::uint64_t>(to.values.at(to.key("context_length")));
  std::uint64_t context = whole;
  if (const auto original = r.number(context_key)) {
    require<format_error>(*original >= 1 && *original <= 1e9 && *original == std::floor(*original),
                          r.where(), ": '", context_key, "' must be a whole number");
    context = static_cast<std::uint64_t>(*original);
  }
  // A factor of null is how much longer the context is now.
  const bool by_context = r.has("factor") && r.take("factor") == nullptr;
  const double factor =
      by_context ? static_cast<double>(whole) / static_cast<double>(context) : number(r, "factor");
  require<format_error>(r.flag("truncate").value_or(true), r.where(),
                        ": 'truncate' false is not supported");
  const double fast = r.number("beta_fast").value_or(32.0),
               slow = r.number("beta_slow").value_or(1.0), magnitude = magnitude_of_yarn(r, factor);
  require<format_error>(factor >= 1 && magnitude > 0 && std::isfinite(magnitude), r.where(),
                        "'s numbers do not fit together");
  to.values[prefix + "type"] = std::string("yarn");
  to.values[prefix + "factor"] = factor;
  to.values[prefix + "original_context_length"] = context;
  to.values[prefix + "yarn_beta_fast"] = fast == 0.0 ? 32.0 : fast;  // as transformers takes 0
  to.values[prefix + "yarn_beta_slow"] = slow == 0.0 ? 1.0 : slow;
  // GGUF's factor is beside the paper's.
  to.values[prefix + "attn_factor"] = magnitude / yarn_magnitude(factor);
}

}  // namespace

void read_rotary(json_ledger& c, checkpoint_config& to) {
  const std::optional<double> theta = c.number("rope_theta");
  const json *parameters = c.take("rope_parameters"), *old = c.take("rope_scaling");
  require<format_error>(parameters == nullptr || old == nullptr || *parameters == *old, c.where(),
                        ": rope_scaling and rope_parameters say different things");
  const std::string name = parameters != nullptr ? "rope_parameters" : "rope_scaling";
  if (parameters == nullptr) parameters = old;
  static const json nothing = json::object();
  json_ledger r(parameters == nullptr ? nothing : *parameters, c.where() + ": " + name);
  const std::optional<double> inner = r.number("rope_theta");
  require<format_error>(!theta || !inner || *theta == *inner, c.where(),
                        ": rope_theta and that of ", name, " differ");
  to.rotary_base = inner ? *inner : theta.value_or(10000.0);
  to.values[to.key("rope.freq_base")] = to.rotary_base;
  require<format_error>(r.number("partial_rotary_factor").value_or(1.0) == 1.0, r.where(),
                        ": 'partial_rotary_factor' must be 1");
  const std::optional<std::string> kind = r.text("rope_type"), type = r.text("type");
  require<format_error>(!kind || !type || *kind == *type, r.where(), ": rope_type '",
                        kind.value_or(""), "' and type '", type.value_or(""), "' differ");
  const std::string scaling = kind ? *kind : type.value_or("default");
  const std::string prefix = to.key("rope.scaling.");
  if (scaling == "linear") {
    to.values[prefix + "type"] = std::string("linear");
    to.values[prefix + "factor"] = number(r, "factor");
  } else if (scaling == "llama3") {
    read_llama3(r, to);
  } else if (scaling == "yarn") {
    read_yarn(r, prefix, to);
  } else {
    require<format_error>(scaling == "default", r.where(), " must be linear, llama3 or yarn, got '",
                          scaling, "'");
  }
  r.finish();
}

}  // namespace llama

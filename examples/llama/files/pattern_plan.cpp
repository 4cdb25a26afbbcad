// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/pattern_plan.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "files/pattern_name.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::extents;
using sparsellm::format_error;
using sparsellm::nm_pattern;
using sparsellm::require;

namespace {

constexpr const char* format_name = "sparsellm-patterns";

projection projection_named(const std::string& text) {
  for (const projection p : projections)
    if (name(p) == text) return p;
  sparsellm::raise<format_error>(
      sparsellm::concat("q, k, v, o, gate, up or down expected, got '", text, "'"));
}

std::string hexadecimal(std::uint64_t hash) {
  std::string digits(16, '0');
  for (std::size_t i = 16; i-- > 0; hash >>= 4) digits[i] = "0123456789abcdef"[hash & 15];
  return digits;
}

std::uint64_t parse_hash(const std::string& digits) {
  std::uint64_t h = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), h, 16);
  require<format_error>(
      digits.size() == 16 && error == std::errc{} && end == digits.data() + digits.size(),
      "'weight_hash' must be 16 hexadecimal digits, got '", digits, "'");
  return h;
}

planned_weight parse_weight(const ordered_json& j) {
  planned_weight w;
  w.layer = j.at("layer").get<std::size_t>();
  w.which = projection_named(j.at("projection").get<std::string>());
  w.shape = {j.at("outputs").get<std::size_t>(), j.at("inputs").get<std::size_t>()};
  const std::string pattern = j.at("pattern").get<std::string>();
  if (pattern != "dense") w.pattern = parse_pattern(pattern);
  w.error = j.value("error", 0.0);
  return w;
}

std::string place(std::size_t layer, projection p) {
  return sparsellm::concat("layer ", layer, " ", name(p));
}

}  // namespace

double size_of(const std::optional<nm_pattern>& p, extents shape) {
  if (!p.has_value()) return 1.0;
  return static_cast<double>(p->kept(shape.inputs)) / static_cast<double>(shape.inputs) + 1.0 / 16;
}

const planned_weight& pattern_plan::at(std::size_t layer, projection p) const {
  const auto found = std::find_if(weights.begin(), weights.end(), [&](const planned_weight& w) {
    return w.layer == layer && w.which == p;
  });
  require<format_error>(found != weights.end(), "plan for '", model.name, "': no pattern for ",
                        place(layer, p));
  return *found;
}

void pattern_plan::check(const sparsellm::model_identity& self) const {
  require<format_error>(model.weight_hash == self.weight_hash, "plan: made for the model '",
                        model.name, "' whose weights have the hash ",
                        hexadecimal(model.weight_hash), ", this is '", self.name, "' with ",
                        hexadecimal(self.weight_hash));
}

void pattern_plan::check(const config& c) const {
  for (std::size_t l = 0; l < c.layers; ++l)
    for (const projection p : c.projections()) {
      const extents own = c.extents_of(p), there = at(l, p).shape;
      require<format_error>(own == there, "plan for '", model.name, "': ", place(l, p), " is ",
                            there.outputs, "x", there.inputs, " there and ", own.outputs, "x",
                            own.inputs, " in the model");
    }
  const std::size_t own = c.layers * c.projections().size();
  require<format_error>(weights.size() == own, "plan for '", model.name, "': ", weights.size(),
                        " weights there and ", own, " in the model");
}

double pattern_plan::size() const {
  double all = 0, kept = 0;
  for (const planned_weight& w : weights) {
    const double n = static_cast<double>(w.shape.outputs) * static_cast<double>(w.shape.inputs);
    all += n;
    kept += n * size_of(w.pattern, w.shape);
  }
  return all > 0 ? kept / all : 1.0;
}

std::string to_json(const pattern_plan& plan) {
  ordered_json j{{"format", format_name},    {"version", pattern_plan::format_version},
                 {"model", plan.model.name}, {"weight_hash", hexadecimal(plan.model.weight_hash)},
                 {"tokens", plan.tokens},    {"target_size", plan.target_size},
                 {"size", plan.size()},      {"weights", ordered_json::array()}};
  for (const planned_weight& w : plan.weights)
    j["weights"].push_back({{"layer", w.layer},
                            {"projection", name(w.which)},
                            {"outputs", w.shape.outputs},
                            {"inputs", w.shape.inputs},
                            {"pattern", w.pattern.has_value() ? name(*w.pattern) : "dense"},
                            {"error", w.error}});
  return j.dump(1) + "\n";
}

pattern_plan plan_from_json(const std::string& text) {
  pattern_plan plan;
  try {
    const ordered_json j = ordered_json::parse(text);
    require<format_error>(j.is_object() && j.value("format", "") == format_name,
                          "expected an object whose \"format\" is \"", format_name, "\"");
    require<format_error>(j.at("version") == pattern_plan::format_version,
                          "version 1 expected, got ", j.at("version").dump());
    plan.model.name = j.at("model").get<std::string>();
    plan.model.weight_hash = parse_hash(j.at("weight_hash").get<std::string>());
    plan.tokens = j.at("tokens").get<std::uint64_t>();
    plan.target_size = j.at("target_size").get<double>();
    for (const ordered_json& entry : j.at("weights")) {
      planned_weight w = parse_weight(entry);
      for (const planned_weight& other : plan.weights)
        require<format_error>(other.layer != w.layer || other.which != w.which,
                              place(w.layer, w.which), " is there twice");
      plan.weights.push_back(std::move(w));
    }
  } catch (const std::exception& e) {
    sparsellm::raise<format_error>(sparsellm::concat("plan: ", e.what()));
  }
  return plan;
}

pattern_plan load_plan(const std::string& path) {
  try {
    return plan_from_json(sparsellm::read_file(path));
  } catch (const format_error& e) {
    sparsellm::raise<format_error>(sparsellm::concat("--plan '", path, "': ", e.what()));
  }
}

}  // namespace llama

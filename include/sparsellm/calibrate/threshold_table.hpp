// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The result of calibration: one magnitude threshold per (layer, projection), together with what
// it was made from. A table made for another model gives wrong thresholds in silence (TEAL's own
// Llama-3-8B histograms are byte for byte those of Llama-2-7B), so it carries the model's weight
// hash and shapes, and check() and at() refuse any other. The name is for people. JSON text:
// calibrate/table_json.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A projection of a layer: where one threshold applies.
struct site {
  std::size_t layer = 0;
  std::string projection;  // "q", "k", "v", "o", "gate", "up", "down", or what the model calls it
  friend bool operator==(const site&, const site&) = default;
};

// One entry of a table.
struct site_threshold {
  site where;
  extents shape;        // of the weight
  double sparsity = 0;  // the share of activations the threshold was asked to skip, in [0, 1)
  float threshold = 0;  // channels with a score <= threshold are skipped; 0 keeps all but zeros
  std::uint64_t weight_hash = 0;  // of this weight's bytes in its file; 0 where it is not known
  // [outputs], in the order of the weight's rows in its file: added to products that skip, for what
  // they skip. Empty: none.
  std::vector<float> bias = {};
  // [inputs], in the order of the weight's columns in its file: products that skip compare and
  // multiply x - centre, and add W · centre. Empty: 0.
  std::vector<float> centre = {};
};

// What thresholds are compared with.
enum class table_score {
  magnitude,      // |x|
  column_scaled,  // |x| · ‖W_:,i‖₂, W stacked over the projections that read x (WINA)
  gate            // |silu(gate · x)|, for the outputs of up and the inputs of down (CATS)
};

// How channels are selected by score.
enum class table_selection {
  above,  // those above the threshold
  top_k   // as many as (1 - sparsity) of the inputs, the largest
};

// What a table must agree with: the weights. The name says to people which they were.
struct model_identity {
  std::string name;
  std::uint64_t weight_hash = 0;  // calibrate/weight_hash.hpp over the tensors' bytes
};

// A threshold for each site of a model, and what it was made from.
struct threshold_table {
  static constexpr int format_version = 4;

  model_identity model;
  std::string method;        // "uniform", "uniform sequential", …
  std::uint64_t tokens = 0;  // activations per channel the thresholds were computed from
  double target_sparsity = 0;
  table_score score = table_score::magnitude;
  table_selection selection = table_selection::above;
  std::vector<site_threshold> sites;

  // Adds a site. Throws value_error for a sparsity outside [0, 1), a negative or non-finite
  // threshold, a bias or a centre of another size than the weight's outputs or inputs or not
  // finite, or a site that is there already.
  void add(site_threshold entry) {
    require<value_error>(entry.sparsity >= 0.0 && entry.sparsity < 1.0, "threshold table: layer ",
                         entry.where.layer, " ", entry.where.projection,
                         ": the sparsity must be in [0, 1), got ", entry.sparsity);
    require<value_error>(is_finite(entry.threshold) && entry.threshold >= 0.0f,
                         "threshold table: layer ", entry.where.layer, " ", entry.where.projection,
                         ": the threshold must be finite and at least 0, got ", entry.threshold);
    check_numbers(entry, "bias", entry.bias, entry.shape.outputs, " outputs");
    check_numbers(entry, "centre", entry.centre, entry.shape.inputs, " inputs");
    require<value_error>(find(entry.where) == nullptr, "threshold table: layer ", entry.where.layer,
                         " ", entry.where.projection, " is there twice");
    sites.push_back(std::move(entry));
  }

  // nullptr when the site is not in the table.
  [[nodiscard]] const site_threshold* find(const site& where) const {
    const auto at = std::find_if(sites.begin(), sites.end(),
                                 [&](const site_threshold& s) { return s.where == where; });
    return at == sites.end() ? nullptr : &*at;
  }

  // A site's entry: table.at({layer, "q"}).threshold. Throws format_error when the table does not
  // have it.
  [[nodiscard]] const site_threshold& at(const site& where) const {
    const site_threshold* entry = find(where);
    require<format_error>(entry != nullptr, "threshold table for '", model.name,
                          "': no threshold for layer ", where.layer, " ", where.projection);
    return *entry;
  }
  // The same, and throws format_error when the table was made for a weight of another shape.
  [[nodiscard]] const site_threshold& at(const site& where, extents shape) const {
    const site_threshold& entry = at(where);
    require<format_error>(entry.shape == shape, "threshold table for '", model.name, "': layer ",
                          where.layer, " ", where.projection, " is ", entry.shape.outputs, "x",
                          entry.shape.inputs, " there and ", shape.outputs, "x", shape.inputs,
                          " in the model");
    return entry;
  }
  // The same, and throws format_error when the table knows the weight by another hash than `hash`,
  // weight_hash of its bytes.
  [[nodiscard]] const site_threshold& at(const site& where, extents shape,
                                         std::uint64_t hash) const {
    const site_threshold& entry = at(where, shape);
    require<format_error>(entry.weight_hash == 0 || entry.weight_hash == hash,
                          "threshold table for '", model.name, "': layer ", where.layer, " ",
                          where.projection, " is a weight with hash ",
                          detail::hexadecimal(entry.weight_hash), " there and ",
                          detail::hexadecimal(hash), " in the model");
    return entry;
  }

  // Whether any site has a bias.
  [[nodiscard]] bool has_biases() const noexcept {
    return std::any_of(sites.begin(), sites.end(),
                       [](const site_threshold& s) { return !s.bias.empty(); });
  }

  // Whether any site has a centre.
  [[nodiscard]] bool has_centres() const noexcept {
    return std::any_of(sites.begin(), sites.end(),
                       [](const site_threshold& s) { return !s.centre.empty(); });
  }

  // Whether the table was made by who saw no whole model but every site's weight, and has their
  // hashes: then at() with a hash checks what check() cannot.
  [[nodiscard]] bool knows_weights_alone() const noexcept {
    return model.weight_hash == 0 && !sites.empty() &&
           std::all_of(sites.begin(), sites.end(),
                       [](const site_threshold& s) { return s.weight_hash != 0; });
  }

  // Throws format_error when the table was made for other weights. Names are for people: a model
  // may have been renamed, or be reached by another path.
  void check(const model_identity& expected) const {
    require<format_error>(
        model.weight_hash == expected.weight_hash, "threshold table: made for the model '",
        model.name, "' whose weights have the hash ", detail::hexadecimal(model.weight_hash),
        ", this is '", expected.name, "' with ", detail::hexadecimal(expected.weight_hash));
  }

 private:
  static void check_numbers(const site_threshold& entry, const char* what,
                            const std::vector<float>& numbers, std::size_t expected,
                            const char* of) {
    require<value_error>(numbers.empty() || numbers.size() == expected, "threshold table: layer ",
                         entry.where.layer, " ", entry.where.projection, ": a ", what, " of ",
                         expected, of, " expected, got ", numbers.size());
    require<value_error>(
        std::all_of(numbers.begin(), numbers.end(), [](float n) { return is_finite(n); }),
        "threshold table: layer ", entry.where.layer, " ", entry.where.projection, ": the ", what,
        " must be finite");
  }
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

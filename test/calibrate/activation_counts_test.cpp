// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/calibrate/activation_counts.hpp"

#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/calibrate/counts_json.hpp"
#include "sparsellm/calibrate/profile.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/calibrate/uniform.hpp"

using namespace sparsellm;

namespace {

constexpr extents shape{8, 16};

histogram rows(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  histogram h;
  for (std::size_t i = 0; i < count * shape.inputs; ++i) h.add(normal(random), 1);
  return h;
}

site_counts counted(const std::string& projection, std::uint64_t hash, std::size_t count,
                    unsigned seed) {
  return {{2, projection}, shape, hash, count, compact_histogram(rows(count, seed))};
}

activation_counts example() {
  activation_counts c;
  c.model = "a \"model\"";
  c.add(counted("q", 1, 40, 1));
  c.add(counted("k", 2, 40, 1));  // the same input
  c.add(counted("down", 3, 30, 2));
  return c;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// example()'s text with something else in it.
activation_counts with(const std::string& from, const std::string& to) {
  return counts_from_json(replaced(to_json(example()), from, to));
}

}  // namespace

TEST_CASE("activation_counts: parts of a text add up to the whole") {
  activation_counts parts;
  parts.add(counted("q", 1, 3, 1));
  activation_counts rest;
  rest.add(counted("q", 1, 5, 2));
  rest.add(counted("up", 4, 5, 2));
  parts.merge(rest);
  REQUIRE(parts.sites.size() == 2);
  histogram whole = rows(3, 1);
  whole.merge(rows(5, 2));
  CHECK(parts.find({2, "q"})->rows == 8);
  CHECK(parts.find({2, "q"})->values.text() == compact_histogram(whole).text());
  CHECK(parts.find({2, "up"})->rows == 5);
  CHECK(parts.find({3, "up"}) == nullptr);
}

TEST_CASE(
    "activation_counts: refuses other weights, other shapes, and values that are not the rows'") {
  activation_counts c = example();
  CHECK_SAYS(c.add(counted("q", 9, 40, 1)), format_error,
             "layer 2 q is a weight with hash 0000000000000001 in some and 0000000000000009");
  site_counts other = counted("q", 1, 40, 1);
  other.shape.outputs = 9;
  CHECK_SAYS(c.add(other), format_error, "layer 2 q is 8x16 in some and 9x16 in others");
  other.shape.inputs = 17;
  CHECK_SAYS(c.add(other), format_error, "of 40 rows of 17 inputs expected, got 640");
  other.shape.inputs = 0;
  CHECK_SAYS(c.add(other), format_error, "rows of inputs of a weight expected");
  CHECK_SAYS(c.add({{3, "q"}, shape, 1, 0, compact_histogram()}), format_error,
             "got 0 of one of 8x16");
  histogram many;
  many.add(1.0f, std::uint64_t{16} << 52);
  c.add({{4, "q"}, shape, 1, std::uint64_t{1} << 52, compact_histogram(many)});
  many.add(1.0f, 16);
  CHECK_SAYS(c.add({{4, "q"}, shape, 1, (std::uint64_t{1} << 52) + 1, compact_histogram(many)}),
             format_error, "at most 9007199254740992 rows expected, got 4503599627370496 and");
  CHECK_SAYS(c.add({{5, "q"}, shape, 1, std::uint64_t{1} << 60, compact_histogram()}), format_error,
             "expected, got 0");
  CHECK(c.sites.size() == 4);
}

TEST_CASE("activation_counts: thresholds of any sparsity are those of what was observed") {
  const activation_counts c = example();
  const histogram of_q = rows(40, 1), of_down = rows(30, 2);
  const std::vector<site_observation> seen{
      {{2, "q"}, shape, &of_q}, {{2, "k"}, shape, &of_q}, {{2, "down"}, shape, &of_down}};
  for (const double sparsity : {0.0, 0.4, 0.5}) {
    const threshold_table by_counts[] = {calibrate(uniform{sparsity}, c),
                                         calibrate(profile{sparsity}, c)};
    const threshold_table expected[] = {calibrate(uniform{sparsity}, seen),
                                        calibrate(profile{sparsity}, seen)};
    for (std::size_t i = 0; i < 2; ++i) {
      REQUIRE(by_counts[i].sites.size() == 3);
      for (std::size_t s = 0; s < 3; ++s) {
        CHECK(by_counts[i].sites[s].threshold == expected[i].sites[s].threshold);
        CHECK(by_counts[i].sites[s].sparsity == expected[i].sites[s].sparsity);
        CHECK(by_counts[i].sites[s].weight_hash == s + 1);
      }
      CHECK(by_counts[i].tokens == 30);
      CHECK(by_counts[i].model.name == "a \"model\"");
      CHECK(by_counts[i].model.weight_hash == 0);
      CHECK(by_counts[i].knows_weights_alone());
    }
  }
  activation_counts bad = c;
  histogram not_finite = rows(1, 1);
  not_finite.add(std::numeric_limits<float>::quiet_NaN(), 16);
  bad.add({{3, "q"}, shape, 5, 2, compact_histogram(not_finite)});
  CHECK_SAYS(calibrate(uniform{0.5}, bad), value_error,
             "layer 3 q has observed 16 NaN or infinite activations");
  bad = c;
  bad.add(counted("attn_qkv", 5, 1, 1));
  CHECK_SAYS(calibrate(profile{0.5}, bad), value_error, "got 'attn_qkv'");
}

TEST_CASE("activation_counts: JSON round trips, with equal histograms once") {
  const std::string text = to_json(example());
  const activation_counts c = counts_from_json(text);
  CHECK(c.model == "a \"model\"");
  REQUIRE(c.sites.size() == 3);
  CHECK(c.sites[0].where == site{2, "q"});
  CHECK(c.sites[0].shape == shape);
  CHECK(c.sites[0].rows == 40);
  CHECK(c.sites[1].weight_hash == 2);
  CHECK(c.sites[2].values.text() == example().sites[2].values.text());
  CHECK(to_json(c) == text);
  const std::string histogram = example().sites[0].values.text();
  CHECK(text.find(histogram) == text.rfind(histogram));
  CHECK(to_json(counts_from_json(to_json(activation_counts()))) == to_json(activation_counts()));
}

TEST_CASE("activation_counts: refuses malformed JSON, naming what is wrong") {
  CHECK_SAYS(counts_from_json(""), format_error, "expected a value");
  CHECK_SAYS(counts_from_json("[]"), format_error, "whose \"format\" is \"sparsellm-counts\"");
  CHECK_SAYS(counts_from_json(to_json(threshold_table())), format_error,
             "activation counts: expected an object whose \"format\" is \"sparsellm-counts\"");
  CHECK_SAYS(table_from_json(to_json(example())), format_error,
             "threshold table: expected an object whose \"format\" is \"sparsellm-thresholds\"");
  const std::string good = to_json(example());
  CHECK_SAYS(counts_from_json(good.substr(0, good.size() / 2)), format_error, "JSON, line");
  CHECK_SAYS(counts_from_json(good + "{}"), format_error, "nothing more");
  for (const char* version : {"0", "2", "1e15"})
    CHECK_SAYS(with("\"version\": 1", concat("\"version\": ", version)), format_error,
               "version 1 expected, got ");
  CHECK_SAYS(with("\"version\": 1", "\"version\": NaN"), format_error, "expected a value");
  CHECK_SAYS(with("\"model\": ", "\"name\": "), format_error, "'model' is missing");
  CHECK_SAYS(with("\"rows\": 40", "\"rows\": -1"), format_error, "'rows' must be a whole number");
  CHECK_SAYS(with("\"rows\": 40", "\"rows\": 1e300"), format_error, "must be a whole number");
  CHECK_SAYS(with("\"rows\": 40", "\"rows\": 1e999"), format_error, "a number that fits a double");
  CHECK_SAYS(with("\"rows\": 40", "\"rows\": NaN"), format_error, "expected a value");
  CHECK_SAYS(with("\"rows\": 40", "\"rows\": 41"), format_error, "of 41 rows of 16 inputs");
  CHECK_SAYS(with("\"rows\": 40", "\"rows\": 9e15"), format_error, "values of 9000000000000000");
  CHECK_SAYS(with("\"outputs\": 8", "\"outputs\": 0"), format_error, "of one of 0x16");
  CHECK_SAYS(with("\"weight_hash\": \"", "\"weight_hash\": \"z"), format_error, "16 hexadecimal");
  CHECK_SAYS(with("\"projection\": \"k\"", "\"projection\": \"q\""), format_error,
             "layer 2 q is there twice");
  CHECK_SAYS(with("\"projection\": \"k\"", "\"projection\": 3"), format_error, "the wrong type");
  CHECK_SAYS(with("\"histogram\": 1", "\"histogram\": 2"), format_error, "got 2");
  CHECK_SAYS(with("\"histogram\": 0", "\"histogram\": 1"), format_error, "in their order, got 1");
  CHECK_SAYS(with("\"histograms\": [", "\"histograms\": [7, "), format_error, "the wrong type");
  CHECK_SAYS(with("\"histograms\": [", "\"histograms\": [\"A-\", "), format_error,
             "a digit of base64");
  CHECK_SAYS(counts_from_json(R"({"format": "sparsellm-counts", "version": 1, "model": "",
                                  "histograms": ["AA"], "sites": []})"),
             format_error, "1 histograms and sites for 0");
}

TEST_CASE("activation_counts: files are replaced whole or not at all") {
  const auto path = std::filesystem::temp_directory_path() / "sparsellm-counts-test.json";
  save(example(), path.string());
  CHECK(to_json(load_activation_counts(path.string())) == to_json(example()));
  CHECK_SAYS(save(example(), "/no/such/folder/c.json"), file_error, "cannot write");
  CHECK_SAYS(load_activation_counts("/no/such/file"), file_error, "cannot open '/no/such/file'");
  std::ofstream(path) << "";
  CHECK_SAYS(load_activation_counts(path.string()), format_error,
             "sparsellm-counts-test.json': JSON");
  std::filesystem::remove(path);
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/calibrate/threshold_table.hpp"

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/calibrate/table_json.hpp"

using namespace sparsellm;

namespace {

threshold_table example() {
  threshold_table t;
  t.model = {"a \"model\"", 0x0123456789abcdefu};
  t.method = "uniform";
  t.tokens = 16384;
  t.target_sparsity = 0.4;
  t.add({{0, "q"}, {576, 576}, 0.4, 0.1f});
  t.score = table_score::column_scaled;
  t.selection = table_selection::top_k;
  t.add({{1, "down"}, {576, 1536}, 0.45, 3.14159274f, 0xfedcba9876543210u});
  t.add({{2, "o"}, {3, 4}, 0.5, 1.0f, 0, {0.1f, -2.5f, 1e-30f}, {0.25f, -1e-20f, 7, -3}});
  return t;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("threshold_table: JSON round trips every field exactly") {
  const threshold_table t = table_from_json(to_json(example()));
  CHECK(t.model.name == "a \"model\"");
  CHECK(t.model.weight_hash == 0x0123456789abcdefu);
  CHECK(t.method == "uniform");
  CHECK(t.tokens == 16384);
  CHECK(t.target_sparsity == 0.4);
  REQUIRE(t.sites.size() == 3);
  CHECK(t.at({2, "o"}).bias == std::vector<float>{0.1f, -2.5f, 1e-30f});
  CHECK(t.at({0, "q"}).bias.empty());
  CHECK(t.has_biases());
  CHECK(t.at({2, "o"}).centre == std::vector<float>{0.25f, -1e-20f, 7, -3});
  CHECK(t.has_centres());
  CHECK(t.at({1, "down"}, {576, 1536}).threshold == 3.14159274f);
  CHECK(t.at({0, "q"}).weight_hash == 0);
  CHECK(t.at({1, "down"}).weight_hash == 0xfedcba9876543210u);
  CHECK(t.score == table_score::column_scaled);
  CHECK(t.selection == table_selection::top_k);
  CHECK(to_json(t) == to_json(example()));
}

TEST_CASE("threshold_table: version 1, which knew magnitudes alone, is still read") {
  const threshold_table t = table_from_json(
      R"({"format": "sparsellm-thresholds", "version": 1, "model": "m",
          "weight_hash": "0000000000000001", "method": "uniform", "tokens": 5,
          "target_sparsity": 0.5, "sites": [{"layer": 0, "projection": "q", "outputs": 4,
          "inputs": 4, "sparsity": 0.5, "threshold": 0.25}]})");
  CHECK(t.at({0, "q"}, {4, 4}).threshold == 0.25f);
  CHECK(t.score == table_score::magnitude);
  CHECK(t.selection == table_selection::above);
}

TEST_CASE("threshold_table: version 2, which had no biases, is still read") {
  threshold_table without = example();
  without.sites.pop_back();
  const threshold_table t =
      table_from_json(replaced(to_json(without), "\"version\": 4", "\"version\": 2"));
  CHECK(to_json(t) == to_json(without));
  CHECK(!t.has_biases());
}

TEST_CASE("threshold_table: version 3, which had no centres, is still read") {
  threshold_table without = example();
  without.sites.back().centre.clear();
  const threshold_table t =
      table_from_json(replaced(to_json(without), "\"version\": 4", "\"version\": 3"));
  CHECK(to_json(t) == to_json(without));
  CHECK(t.has_biases());
  CHECK(!t.has_centres());
}

TEST_CASE("threshold_table: is refused for other weights, another shape or site, not for a name") {
  const threshold_table t = example();
  CHECK_NOTHROW(t.check({"a \"model\"", 0x0123456789abcdefu}));
  CHECK_NOTHROW(t.check({"another name", 0x0123456789abcdefu}));
  CHECK_SAYS(t.check({"another", 1}), format_error, "the hash 0123456789abcdef, this is 'another'");
  CHECK_SAYS(t.at({0, "q"}, {576, 575}), format_error, "576x576 there and 576x575");
  CHECK_NOTHROW(t.at({1, "down"}, {576, 1536}, 0xfedcba9876543210u));
  CHECK_NOTHROW(t.at({0, "q"}, {576, 576}, 7));  // which has none
  CHECK_SAYS(t.at({1, "down"}, {576, 1536}, 1), format_error,
             "hash fedcba9876543210 there and 0000000000000001 in the model");
  CHECK_SAYS(t.at({0, "up"}, {576, 576}), format_error, "no threshold for layer 0 up");
}

TEST_CASE("threshold_table: refuses values outside their range and sites twice") {
  threshold_table t = example();
  CHECK_SAYS(t.add({{0, "q"}, {1, 1}, 0.5, 1}), value_error, "layer 0 q is there twice");
  CHECK_SAYS(t.add({{2, "q"}, {1, 1}, 1.0, 1}), value_error, "must be in [0, 1), got 1");
  CHECK_SAYS(t.add({{2, "q"}, {1, 1}, 0.5, -1}), value_error, "at least 0, got -1");
  CHECK_SAYS(t.add({{2, "q"}, {1, 1}, 0.5, std::numeric_limits<float>::infinity()}), value_error,
             "must be finite");
  CHECK_SAYS(t.add({{2, "q"}, {2, 1}, 0.5, 1, 0, {1.0f}}), value_error,
             "a bias of 2 outputs expected, got 1");
  CHECK_SAYS(t.add({{2, "q"}, {1, 1}, 0.5, 1, 0, {std::numeric_limits<float>::quiet_NaN()}}),
             value_error, "the bias must be finite");
  CHECK_SAYS(t.add({{2, "q"}, {1, 2}, 0.5, 1, 0, {}, {1.0f}}), value_error,
             "a centre of 2 inputs expected, got 1");
  CHECK_SAYS(t.add({{2, "q"}, {1, 1}, 0.5, 1, 0, {}, {std::numeric_limits<float>::infinity()}}),
             value_error, "the centre must be finite");
}

TEST_CASE("threshold_table: refuses malformed JSON, naming the field") {
  const std::string good = to_json(example());
  CHECK_SAYS(table_from_json("[]"), format_error, "expected an object whose \"format\"");
  CHECK_SAYS(table_from_json("{}"), format_error, "expected an object whose \"format\"");
  CHECK_SAYS(table_from_json(replaced(good, "\"version\": 4", "\"version\": 5")), format_error,
             "version 1 to 4 expected, got 5");
  CHECK_SAYS(table_from_json(replaced(good, "[0.1, ", "[\"a\", ")), format_error,
             "'bias' has a member of the wrong type");
  CHECK_SAYS(table_from_json(replaced(good, "[0.25, -1e-20, 7, -3]", "[]")), format_error,
             "'centre' is empty");
  CHECK_SAYS(table_from_json(replaced(good, "column_scaled", "loudness")), format_error,
             "'score' must be one of magnitude, column_scaled, gate; got 'loudness'");
  CHECK_SAYS(table_from_json(replaced(good, "\"tokens\": 16384", "\"tokens\": -1")), format_error,
             "'tokens' must be a whole number, got -1");
  CHECK_SAYS(table_from_json(replaced(good, "\"tokens\": 16384,", "")), format_error,
             "'tokens' is missing");
  CHECK_SAYS(table_from_json(replaced(good, "0123456789abcdef", "xyz")), format_error,
             "16 hexadecimal digits");
  CHECK_SAYS(table_from_json(replaced(good, "\"method\": \"uniform\"", "\"method\": 3")),
             format_error, "'method' has the wrong type");
  CHECK_SAYS(table_from_json(replaced(good, "\"threshold\": 0.1", "\"threshold\": 1e300")),
             value_error, "must be finite");
}

TEST_CASE("threshold_table: files are replaced whole or not at all") {
  const auto path = std::filesystem::temp_directory_path() / "sparsellm-table-test.json";
  save(example(), path.string());
  CHECK(to_json(load_threshold_table(path.string())) == to_json(example()));
  CHECK_FALSE(std::filesystem::exists(path.string() + ".partial"));
  CHECK_SAYS(save(example(), "/no/such/folder/t.json"), file_error, "cannot write");
  CHECK_SAYS(load_threshold_table("/no/such/file"), file_error, "cannot open '/no/such/file'");
  std::ofstream(path) << "{";
  CHECK_SAYS(load_threshold_table(path.string()), format_error, "sparsellm-table-test.json'");
  std::filesystem::remove(path);
}

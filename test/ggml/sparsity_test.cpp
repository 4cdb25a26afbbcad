// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the plugin skips: by a table, by counts, on the fly, and the counts it writes. It reads its
// variables once, so each case is a process of its own, as ctest runs them.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "catch2_any.hpp"
#include "ggml/graph.hpp"
#include "sparsellm/calibrate/counts_json.hpp"
#include "sparsellm/calibrate/table_json.hpp"

using namespace ggml_test;

namespace {

constexpr const char* name = "blk.3.ffn_down.weight";
constexpr std::int64_t outputs = 192, inputs = 512;

ggml_backend_buffer_type_t with(std::vector<std::pair<const char*, std::string>> variables) {
  for (const auto& [variable, value] : variables) ::setenv(variable, value.c_str(), 1);
  REQUIRE(load_plugin() != nullptr);
  return extra_buffer_type("SPARSELLM");
}

std::string file(const char* of) {
  return (std::filesystem::temp_directory_path() / (std::string("sparsellm_ggml_") + of)).string();
}

std::vector<float> without(std::vector<float> x, float tau) {
  for (float& v : x)
    if (std::fabs(v) <= tau) v = 0;
  return x;
}

// The share q of |x| that is smallest ends here.
float quantile(std::vector<float> x, double q) {
  for (float& v : x) v = std::fabs(v);
  std::sort(x.begin(), x.end());
  return x[static_cast<std::size_t>(q * static_cast<double>(x.size()))];
}

}  // namespace

TEST_CASE("sparsity: a table's thresholds hold for each token of small batches") {
  sparsellm::threshold_table table;
  table.method = "uniform";
  table.target_sparsity = 0.5;
  table.add({{3, "down"}, {outputs, inputs}, 0.5, 0.7f});
  save(table, file("table.json"));
  const ggml_backend_buffer_type_t ours = with({{"SPARSELLM_THRESHOLDS", file("table.json")}});
  const backend cpu = cpu_backend(2);
  for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_1}) {
    CAPTURE(ggml_type_name(type));
    const weight w(ours, name, type, outputs, inputs);
    for (const std::int64_t tokens : {1, 3, 16, 17}) {
      CAPTURE(tokens);
      const std::vector<float> x =
          random_floats(static_cast<std::size_t>(inputs * tokens), static_cast<unsigned>(tokens));
      const std::vector<float> y = multiply(cpu.get(), w, x, tokens);
      const double to_dense = distance(y, reference(w, x));
      const double to_sparse = distance(y, reference(w, without(x, 0.7f)));
      CHECK((tokens > 16 ? to_dense : to_sparse) < 0.02);
      CHECK((tokens > 16 ? to_sparse : to_dense) > 0.1);
    }
  }
  std::filesystem::remove(file("table.json"));
}

TEST_CASE("sparsity: what is skipped is taken for a table's centres, and biases are added") {
  sparsellm::threshold_table table;
  table.method = "uniform";
  table.target_sparsity = 0.5;
  table.add({{3, "down"}, {outputs, inputs}, 0.5, 0.7f});
  sparsellm::site_threshold& entry = table.sites.back();
  for (std::int64_t i = 0; i < inputs; ++i)
    entry.centre.push_back(0.25f * static_cast<float>(i % 5) - 0.5f);
  for (std::int64_t o = 0; o < outputs; ++o) entry.bias.push_back(static_cast<float>(o % 3));
  save(table, file("centres.json"));
  const ggml_backend_buffer_type_t ours = with({{"SPARSELLM_THRESHOLDS", file("centres.json")}});
  const backend cpu = cpu_backend(2);
  for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_Q8_0}) {
    CAPTURE(ggml_type_name(type));
    const weight w(ours, name, type, outputs, inputs);
    for (const std::int64_t tokens : {1, 3, 17}) {
      CAPTURE(tokens);
      const std::vector<float> x =
          random_floats(static_cast<std::size_t>(inputs * tokens), static_cast<unsigned>(tokens));
      std::vector<float> taken = x;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const float centre = entry.centre[i % static_cast<std::size_t>(inputs)];
        if (std::fabs(x[i] - centre) <= 0.7f) taken[i] = centre;
      }
      auto expected = reference(w, taken);
      for (std::size_t i = 0; i < expected.size(); ++i)
        expected[i] += entry.bias[i % static_cast<std::size_t>(outputs)];
      const std::vector<float> y = multiply(cpu.get(), w, x, tokens);
      const double to_dense = distance(y, reference(w, x)), to_sparse = distance(y, expected);
      CHECK((tokens > 16 ? to_dense : to_sparse) < 0.02);
      CHECK((tokens > 16 ? to_sparse : to_dense) > 0.1);
    }
  }
  std::filesystem::remove(file("centres.json"));
}

TEST_CASE("sparsity: on the fly, thresholds are made of the first tokens") {
  const ggml_backend_buffer_type_t ours =
      with({{"SPARSELLM_SPARSITY", "0.4"}, {"SPARSELLM_WARM_UP", "20"}});
  const backend cpu = cpu_backend(2);
  const weight w(ours, name, GGML_TYPE_F32, outputs, inputs);
  const std::vector<float> first = random_floats(inputs * 12, 1),
                           second = random_floats(inputs * 12, 2);
  CHECK(distance(multiply(cpu.get(), w, first, 12), reference(w, first)) < 1e-5);
  (void)multiply(cpu.get(), w, second, 12);
  std::vector<float> seen = first;
  seen.insert(seen.end(), second.begin(), second.end());
  const std::vector<float> x = random_floats(inputs, 3);
  CHECK(distance(multiply(cpu.get(), w, x, 1), reference(w, without(x, quantile(seen, 0.4)))) <
        1e-2);
}

TEST_CASE("sparsity: counts are written when the weights are freed") {
  const std::string out = file("written.json");
  const ggml_backend_buffer_type_t ours = with({{"SPARSELLM_CALIBRATE", out}});
  const std::vector<float> x = random_floats(inputs * 40, 4);
  const auto run = [&](const std::vector<float>& rows, unsigned seed) {
    std::filesystem::remove(out);
    const backend cpu = cpu_backend(2);
    const weight down(ours, name, GGML_TYPE_Q8_0, outputs, inputs, seed);
    const std::vector<float> y = multiply(cpu.get(), down, rows, rows.size() / inputs);
    CHECK(distance(y, reference(down, rows)) < 0.02);  // dense meanwhile
    CHECK_FALSE(std::filesystem::exists(out));
  };
  const std::vector<float> other = random_floats(inputs * 8, 9);
  run(other, 2);
  const sparsellm::activation_counts first = sparsellm::load_activation_counts(out);
  REQUIRE(first.sites.size() == 1);
  CHECK(first.sites[0].rows == 8);
  // Another weight in its place, and that one a second time.
  run(std::vector<float>(x.begin(), x.begin() + inputs * 10), 1);
  run(std::vector<float>(x.begin() + inputs * 10, x.end()), 1);
  const sparsellm::activation_counts counts = sparsellm::load_activation_counts(out);
  REQUIRE(counts.sites.size() == 1);
  const sparsellm::site_counts& site = counts.sites[0];
  CHECK(site.where == sparsellm::site{3, "down"});
  CHECK(site.shape == sparsellm::extents{outputs, inputs});
  CHECK(site.rows == 40);
  CHECK(site.weight_hash != 0);
  CHECK(site.weight_hash != first.sites[0].weight_hash);
  sparsellm::histogram expected;
  expected.observe(x);
  CHECK(site.values.text() == sparsellm::compact_histogram(expected).text());
  std::filesystem::remove(out);
}

TEST_CASE("sparsity: thresholds for a sparsity are made of a file of counts") {
  const std::vector<float> counted = random_floats(inputs * 40, 4);
  sparsellm::histogram values;
  values.observe(counted);
  sparsellm::activation_counts counts;
  const sparsellm::site down{3, "down"};
  const sparsellm::compact_histogram text(values);
  counts.add({down, {outputs, inputs}, 0, 40, text});
  save(counts, file("counts.json"));
  const ggml_backend_buffer_type_t ours =
      with({{"SPARSELLM_COUNTS", file("counts.json")}, {"SPARSELLM_SPARSITY", "0.4"}});
  const backend cpu = cpu_backend(2);
  const weight w(ours, name, GGML_TYPE_F32, outputs, inputs);
  // From the first token on.
  const std::vector<float> x = random_floats(inputs, 3);
  CHECK(distance(multiply(cpu.get(), w, x, 1), reference(w, without(x, values.quantile(0.4)))) <
        1e-5);
  std::filesystem::remove(file("counts.json"));
}

TEST_CASE("sparsity: prompts go to ggml's kernels where that is asked for, decode does not") {
  const ggml_backend_buffer_type_t ours = with({{"SPARSELLM_PROMPT", "ggml"}});
  const backend cpu = cpu_backend(2);
  for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_BF16, GGML_TYPE_Q4_0, GGML_TYPE_Q8_0}) {
    CAPTURE(ggml_type_name(type));
    const weight w(ours, name, type, outputs, inputs);
    const weight plain(extra_buffer_type("CPU_REPACK") != nullptr && type == GGML_TYPE_Q4_0
                           ? extra_buffer_type("CPU_REPACK")
                           : ggml_backend_cpu_buffer_type(),
                       name, type, outputs, inputs);
    const std::vector<float> x = random_floats(inputs * 40, 6);
    CHECK(multiply(cpu.get(), w, x, 40) == multiply(cpu.get(), plain, x, 40));
    const std::vector<float> one(x.begin(), x.begin() + inputs);
    const std::vector<float> y = multiply(cpu.get(), w, one, 1);
    CHECK(distance(y, reference(w, one)) < 0.02);
    CHECK(y != multiply(cpu.get(), plain, one, 1));  // other sums, other bits
  }
}

TEST_CASE("sparsity: variables that contradict each other or mean nothing are refused") {
  using variables = std::vector<std::pair<const char*, std::string>>;
  for (const variables& wrong :
       {variables{{"SPARSELLM_LAYOUT", "sideways"}},
        {{"SPARSELLM_SPARSITY", "0.5"}, {"SPARSELLM_THRESHOLDS", "somewhere.json"}},
        {{"SPARSELLM_SPARSITY", "50"}},
        {{"SPARSELLM_SPARSITY", "0.5x"}},
        {{"SPARSELLM_CALIBRATE", "c.json"}, {"SPARSELLM_SPARSITY", "0.5"}},
        {{"SPARSELLM_CALIBRATE", "c.json"}, {"SPARSELLM_THRESHOLDS", "somewhere.json"}},
        {{"SPARSELLM_ALLOCATION", "profile"}, {"SPARSELLM_SPARSITY", "0.5"}},
        {{"SPARSELLM_COUNTS", "c.json"}},
        {{"SPARSELLM_COUNTS", "c.json"}, {"SPARSELLM_THRESHOLDS", "somewhere.json"}}}) {
    for (const auto& [variable, value] : wrong) ::setenv(variable, value.c_str(), 1);
    CHECK(load_plugin() == nullptr);
    for (const auto& [variable, value] : wrong) ::unsetenv(variable);
  }
  ::setenv("SPARSELLM_SPARSITY", "0.5", 1);
  CHECK(load_plugin() != nullptr);
}

TEST_CASE("sparsity: files that are no counts are refused") {
  const std::string path = file("no_counts.json");
  ::setenv("SPARSELLM_COUNTS", path.c_str(), 1);
  ::setenv("SPARSELLM_SPARSITY", "0.5", 1);
  CHECK(load_plugin() == nullptr);  // not there
  save(sparsellm::threshold_table(), path);
  CHECK(load_plugin() == nullptr);
  save(sparsellm::activation_counts(), path);  // of nothing
  CHECK(load_plugin() == nullptr);
  std::filesystem::remove(path);
}

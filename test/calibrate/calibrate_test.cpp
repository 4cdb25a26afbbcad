// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <vector>

#include "catch2_any.hpp"
#include "shared_data.hpp"
#include "sparsellm/calibrate/calibrator.hpp"
#include "sparsellm/calibrate/uniform.hpp"

using namespace sparsellm;

namespace {

struct half_everywhere {  // a calibrator of the user's
  [[nodiscard]] std::vector<double> allocate(const std::vector<site_observation>& seen) const {
    return std::vector<double>(seen.size() + extra, 0.5);
  }
  [[nodiscard]] std::string method() const { return "half"; }
  [[nodiscard]] double target() const { return 0.5; }
  std::size_t extra = 0;
};
static_assert(calibrator<half_everywhere>);

histogram ramp() {  // |x| uniform on (0, 1]
  histogram h;
  for (int i = 1; i <= 1000; ++i) h.add(static_cast<float>(i) / 1000, 1);
  return h;
}

}  // namespace

TEST_CASE("calibrate: uniform gives every site the quantile of its own histogram") {
  const histogram a = ramp();
  histogram b;
  for (int i = 1; i <= 1000; ++i) b.add(static_cast<float>(-i) / 100, 1);
  const threshold_table t =
      calibrate(uniform{0.5}, {{{0, "q"}, {4, 4}, &a}, {{0, "o"}, {4, 4}, &b}});
  CHECK(t.method == "uniform");
  CHECK(t.target_sparsity == 0.5);
  CHECK_THAT(t.at({0, "q"}, {4, 4}).threshold, WithinAbs(0.5f, 0.002f));
  CHECK_THAT(t.at({0, "o"}, {4, 4}).threshold, WithinAbs(5.0f, 0.02f));
}

TEST_CASE("calibrate: no sparsity means a threshold of exactly zero") {
  const histogram a = ramp();
  CHECK(calibrate(uniform{0.0}, {{{0, "q"}, {4, 4}, &a}}).sites[0].threshold == 0.0f);
}

TEST_CASE("calibrate: refuses wrong sparsities, and sites without good data, by name") {
  const histogram a = ramp();
  for (const double s : {-0.1, 1.0, 2.0, std::numeric_limits<double>::quiet_NaN()})
    CHECK_SAYS(calibrate(uniform{s}, {{{0, "q"}, {4, 4}, &a}}), value_error, "must be in [0, 1)");
  const histogram empty;
  CHECK_SAYS(calibrate(uniform{}, {{{3, "down"}, {4, 4}, &empty}}), value_error,
             "layer 3 down has observed nothing");
  histogram bad = ramp();
  bad.add(std::numeric_limits<float>::infinity(), 2);
  CHECK_SAYS(calibrate(uniform{}, {{{3, "up"}, {4, 4}, &bad}}), value_error,
             "layer 3 up has observed 2 NaN or infinite");
  CHECK_SAYS(calibrate(half_everywhere{1}, {{{0, "q"}, {4, 4}, &a}}), shape_error,
             "2 sparsities for 1 sites");
}

TEST_CASE("calibrate: TEAL's Llama-2-7B histograms give the reference thresholds within a bin") {
  const auto folder = shared_data("teal-llama2-7b");
  if (folder.empty()) SKIP_BY_NAME("../shared/data/teal-llama2-7b is not there");
  std::ifstream csv(folder / "thresholds.csv");
  std::string line;
  std::getline(csv, line);  // layer,tensor,target,threshold_abs_quantile,…
  std::size_t checked = 0;
  while (std::getline(csv, line)) {
    std::istringstream fields(line);
    std::string layer, tensor, target, expected;
    std::getline(fields, layer, ',');
    std::getline(fields, tensor, ',');
    std::getline(fields, target, ',');
    std::getline(fields, expected, ',');
    const std::string name =
        "layer-" + std::string(layer.size() == 1 ? "0" : "") + layer + "." + tensor;
    std::ifstream file(folder / (name + ".f32"), std::ios::binary);
    std::vector<float> raw(20000);
    file.read(reinterpret_cast<char*>(raw.data()), 80000);
    REQUIRE(file);
    histogram h;
    for (std::size_t b = 0; b < 10000; ++b)
      h.add(raw[b], static_cast<std::uint64_t>(raw[10000 + b]));
    const threshold_table t =
        calibrate(uniform{std::stod(target)}, {{{0, tensor}, {4096, 4096}, &h}});
    const float bin = raw[5001] - raw[5000];  // the inner bins are equally wide
    INFO(name << " at " << target);
    CHECK_THAT(t.sites[0].threshold, WithinAbs(std::stof(expected), bin));
    ++checked;
  }
  CHECK(checked >= 8 * 4 * 4);
}

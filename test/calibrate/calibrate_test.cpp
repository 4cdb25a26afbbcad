// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "shared_data.hpp"
#include "sparsellm/calibrate/calibrator.hpp"
#include "sparsellm/calibrate/json.hpp"
#include "sparsellm/calibrate/json_members.hpp"
#include "sparsellm/calibrate/uniform.hpp"
#include "sparsellm/core/replace_file.hpp"

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
  namespace json = sparsellm::detail::json;
  std::size_t checked = 0;
  for (const json::value& published :
       json::parse(read_file(test_data("teal-llama2-7b.json").string())).items) {
    const json::members m(published, "teal-llama2-7b.json");
    histogram h;
    for (std::size_t b = 0; b < m.items("x").size(); ++b)
      h.add(static_cast<float>(m.items("x")[b].number),
            static_cast<std::uint64_t>(m.items("count")[b].number));
    const json::value& thresholds = m.get("thresholds", json::value::kind::object);
    for (std::size_t i = 0; i < thresholds.keys.size(); ++i) {
      const threshold_table t = calibrate(uniform{std::stod(thresholds.keys[i])},
                                          {{{0, m.text("tensor")}, {4096, 4096}, &h}});
      INFO("layer " << m.whole("layer") << " " << m.text("tensor") << " at " << thresholds.keys[i]);
      CHECK_THAT(t.sites[0].threshold, WithinAbs(static_cast<float>(thresholds.items[i].number),
                                                 static_cast<float>(m.real("bin"))));
      ++checked;
    }
  }
  CHECK(checked == 8 * 4 * 4);
}

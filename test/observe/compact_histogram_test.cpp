// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/observe/compact_histogram.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "catch2_any.hpp"

using namespace sparsellm;

namespace {

void check_same(const histogram& a, const histogram& b) {
  CHECK(a.zeros() == b.zeros());
  CHECK(a.non_finite() == b.non_finite());
  const auto first = a.bins(), second = b.bins();
  REQUIRE(first.size() == histogram::bin_count);
  std::size_t different = 0;
  for (std::size_t i = 0; i < first.size(); ++i)
    different += first[i].count != second[i].count || first[i].smallest != second[i].smallest ||
                 first[i].largest != second[i].largest;
  CHECK(different == 0);
}

// A number's digits, as the source maps' code has them.
std::string digits(std::uint64_t n) {
  std::string text;
  detail::vlq::append(text, n);
  return text;
}
std::string text_of(const std::vector<std::uint64_t>& numbers) {
  std::string text;
  for (const std::uint64_t n : numbers) text += digits(n);
  return text;
}

constexpr std::uint64_t one = 0x3f800000u, all = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("compact_histogram: gives back every bin, and takes a tenth of the memory") {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  histogram h;
  std::vector<float> values(1 << 18);
  for (float& v : values) v = normal(random);
  h.observe(values);
  h.add(0.0f, 12345678901234u);
  h.add(std::numeric_limits<float>::quiet_NaN(), 3);
  h.add(std::numeric_limits<float>::denorm_min(), 5);
  h.add(std::numeric_limits<float>::max(), 1);
  h.add(std::ldexp(1.0f, -49), 1);  // one bin with the denormal
  const compact_histogram text(h);
  CHECK(text.total() == h.count() + 3);
  CHECK(text.text().size() < histogram::bin_count * sizeof(histogram::bin) / 8);
  check_same(text.expand(), h);
  const compact_histogram again = compact_histogram::from_text(text.text());
  CHECK(again.total() == text.total());
  check_same(again.expand(), h);
}

TEST_CASE("compact_histogram: of nothing is two zeros") {
  CHECK(compact_histogram().text() == "AA");
  CHECK(compact_histogram().total() == 0);
  check_same(compact_histogram::from_text("AA").expand(), histogram());
}

TEST_CASE("compact_histogram: numbers are base64 VLQ") {
  CHECK(digits(0) == "A");
  CHECK(digits(31) == "f");
  CHECK(digits(32) == "gB");
  CHECK(digits(1000) == "of");
  for (const std::uint64_t n : {all, all / 2, std::uint64_t{1} << 60, one}) {
    const std::string text = digits(n) + "B";
    std::string_view rest = text;
    CHECK(detail::vlq::take(rest) == n);
    CHECK(rest == "B");
  }
  histogram h;
  h.add(1.0f, 2);
  CHECK(compact_histogram(h).text() == text_of({0, 0, one, 0, 2}));
}

TEST_CASE("compact_histogram: refuses text that is none") {
  const auto from = [](const std::string& text) { return compact_histogram::from_text(text); };
  CHECK_SAYS(from(""), format_error, "ends inside a number");
  CHECK_SAYS(from("A"), format_error, "ends inside a number");
  CHECK_SAYS(from("AAg"), format_error, "ends inside a number");
  CHECK_SAYS(from(text_of({0, 0, one, 0})), format_error, "ends inside a number");
  CHECK_SAYS(from("A-"), format_error, "a digit of base64 expected, got '-'");
  CHECK_SAYS(from("A\xff"), format_error, "a digit of base64 expected");
  CHECK_SAYS(from("AgA"), format_error, "longer than it need be");
  CHECK_SAYS(from("A////////////Q"), format_error, "beyond 64 bits");
  CHECK_SAYS(from("A////////////////"), format_error, "beyond 64 bits");
  CHECK_SAYS(from(text_of({0, 0, 0, 0, 1})), format_error, "finite values that ascend");
  CHECK_SAYS(from(text_of({0, 0, 0x7f800000u, 0, 1})), format_error, "finite values that ascend");
  CHECK_SAYS(from(text_of({0, 0, all, 0, 1})), format_error, "finite values that ascend");
  CHECK_SAYS(from(text_of({0, 0, one, 0x7f800000u - one, 2})), format_error,
             "finite values that ascend");
  CHECK_SAYS(from(text_of({0, 0, one, 0, 1, 1, 0, 1})), format_error, "a bin's values once");
  CHECK_SAYS(from(text_of({0, 0, one, 1 << 13, 2})), format_error, "and within it");
  CHECK_SAYS(from(text_of({0, 0, one, 0, 0})), format_error, "with values expected, got 0");
  CHECK_SAYS(from(text_of({0, 0, one, 1, 1})), format_error, "with values expected, got 1");
  CHECK_SAYS(from(text_of({all, 1})), format_error, "more than 2^64 values");
  CHECK_SAYS(from(text_of({1, 0, one, 0, all})), format_error, "more than 2^64 values");
  CHECK(from(text_of({all, 0})).total() == all);
}

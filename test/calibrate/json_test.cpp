// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/calibrate/json.hpp"

#include <string>

#include "catch2_any.hpp"

using namespace sparsellm;
namespace json = sparsellm::detail::json;

TEST_CASE("json: reads every kind of value") {
  const json::value v = json::parse(
      R"( {"a": [1, -2.5e3, true, false, null], "b": {"c": "x\n\u00e9\ud83d\ude42\/"}} )");
  REQUIRE(v.find("a") != nullptr);
  CHECK(v.find("a")->items.size() == 5);
  CHECK(v.find("a")->items[1].number == -2500);
  CHECK(v.find("a")->items[2].boolean);
  CHECK(v.find("a")->items[4].type == json::value::kind::null);
  CHECK(v.find("b")->find("c")->text == "x\n\xc3\xa9\xf0\x9f\x99\x82/");
  CHECK(v.find("z") == nullptr);
}

TEST_CASE("json: quote and parse are inverse") {
  const std::string text = "a\"b\\c\n\t\x01 \xc3\xa9";
  CHECK(json::parse(json::quote(text)).text == text);
  CHECK(json::parse(json::number(0.1)).number == 0.1);
  CHECK(json::number(0.1f) == "0.1");
}

TEST_CASE("json: refuses everything else, with the place") {
  for (const char* text : {"",
                           "{",
                           "[1,]",
                           "{\"a\" 1}",
                           "{\"a\":1,}",
                           "01",
                           "1.",
                           "-",
                           "1e",
                           "+1",
                           "nul",
                           "\"",
                           "\"\\x\"",
                           "\"\\ud800\"",
                           "\"\\u12\"",
                           "\"a\nb\"",
                           "[1] 2",
                           "{\"a\":1,\"a\":2}",
                           "1e999",
                           "{1:2}",
                           "[1 2]",
                           "NaN",
                           "\"\\ud800\\u0041\""}) {
    INFO(text);
    CHECK_THROWS_AS(json::parse(text), format_error);
  }
  CHECK_SAYS(json::parse("{\n  \"a\": x}"), format_error, "line 2, column 8: expected a value");
  CHECK_SAYS(json::parse(std::string(100, '[')), format_error,
             "at most 32 nested arrays and objects");
}

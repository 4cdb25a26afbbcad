// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Catch2 2.13 and 3 under one include.
#pragma once

#include <string>

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_message.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#define SPARSELLM_CHECK_CONTAINS(text, part) \
  CHECK_THAT(text, Catch::Matchers::ContainsSubstring(part))
#else
#include <catch2/catch.hpp>
#define SPARSELLM_CHECK_CONTAINS(text, part) CHECK_THAT(text, Catch::Contains(part))
#endif
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

// The expression throws Error, and its message contains part.
#define CHECK_SAYS(expression, Error, part)      \
  do {                                           \
    bool thrown = false;                         \
    try {                                        \
      (void)(expression);                        \
    } catch (const Error& e) {                   \
      thrown = true;                             \
      SPARSELLM_CHECK_CONTAINS(e.what(), part);  \
    }                                            \
    if (!thrown) FAIL_CHECK("expected " #Error); \
  } while (false)

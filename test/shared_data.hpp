// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Data for tests: small files of the repository's, and what stays outside it. A clone without the
// latter skips, by name, what needs it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "catch2_any.hpp"

// A file of test/data, whose README says what it is.
inline std::filesystem::path test_data(const std::string& name) {
  return std::filesystem::path(SPARSELLM_SOURCE_DIR) / "test/data" / name;
}

// SPARSELLM_SHARED_DATA, or ../shared/data beside the checkout; empty when `name` is not there.
inline std::filesystem::path shared_data(const std::string& name) {
  const char* set = std::getenv("SPARSELLM_SHARED_DATA");
  const std::filesystem::path root =
      set != nullptr ? set : std::filesystem::path(SPARSELLM_SOURCE_DIR) / "../shared/data";
  return std::filesystem::exists(root / name) ? root / name : std::filesystem::path{};
}

#if defined(SKIP)  // Catch2 3
#define SKIP_BY_NAME(why) SKIP(why)
#else
#define SKIP_BY_NAME(why)     \
  do {                        \
    WARN("skipped: " << why); \
    return;                   \
  } while (false)
#endif

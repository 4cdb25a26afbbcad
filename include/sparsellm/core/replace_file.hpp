// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Whole files or none: text is written under a temporary name beside the target and renamed over
// it when it is complete.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Throws file_error; the file at `path` is then what it was before.
inline void replace_file(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".partial";
  std::FILE* const out = std::fopen(temporary.c_str(), "wb");
  require<file_error>(out != nullptr, "cannot write '", temporary, "'");
  const bool written = std::fwrite(text.data(), 1, text.size(), out) == text.size();
  const bool closed = std::fclose(out) == 0;
  if (!written || !closed) {
    std::remove(temporary.c_str());
    raise<file_error>(concat("writing '", temporary, "' failed: disk full?"));
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    std::remove(temporary.c_str());
    raise<file_error>(concat("cannot rename '", temporary, "' to '", path, "'"));
  }
}

// The whole file. Throws file_error.
[[nodiscard]] inline std::string read_file(const std::string& path) {
  std::FILE* const in = std::fopen(path.c_str(), "rb");
  require<file_error>(in != nullptr, "cannot open '", path, "'");
  const struct closing {
    std::FILE* file;
    ~closing() { std::fclose(file); }
  } closed_at_the_end{in};
  std::string text;
  char block[1 << 16];
  std::size_t got = 0;
  while ((got = std::fread(block, 1, sizeof block, in)) != 0) text.append(block, got);
  require<file_error>(std::ferror(in) == 0, "cannot read '", path, "'");
  return text;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

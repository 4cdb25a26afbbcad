// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A whole file at once, written and read.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/output_file.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Throws file_error; the file at `path` is then what it was before. core/output_file.hpp says how.
inline void replace_file(const std::string& path, std::string_view text) {
  output_file out(path);
  out.append(text);
  out.commit();
}

// The whole file. Throws file_error.
[[nodiscard]] inline std::string read_file(const std::string& path) {
  std::FILE* const in = std::fopen(path.c_str(), "rb");
  require<file_error>(in != nullptr, "cannot open '", path, "': ", std::strerror(errno));
  const struct closing {
    std::FILE* file;
    ~closing() { std::fclose(file); }
  } closed_at_the_end{in};
  std::string text;
  char block[1 << 16];
  std::size_t got = 0;
  while ((got = std::fread(block, 1, sizeof block, in)) != 0) text.append(block, got);
  require<file_error>(std::ferror(in) == 0, "cannot read '", path, "': ", std::strerror(errno));
  return text;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Whole files or none: text is written under a temporary name beside the target and renamed over
// it when it is complete.
#pragma once

#include <cstddef>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Throws file_error; the file at `path` is then what it was before.
inline void replace_file(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".partial";
  {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    require<file_error>(out.is_open(), "cannot write '", temporary, "'");
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    out.close();
    if (out.fail()) {
      std::remove(temporary.c_str());
      raise<file_error>(concat("writing '", temporary, "' failed: disk full?"));
    }
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    std::remove(temporary.c_str());
    raise<file_error>(concat("cannot rename '", temporary, "' to '", path, "'"));
  }
}

// The whole file. Throws file_error.
[[nodiscard]] inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  require<file_error>(in.is_open(), "cannot open '", path, "'");
  std::string text;
  char block[1 << 16];
  do {
    in.read(block, sizeof block);
    text.append(block, static_cast<std::size_t>(in.gcount()));
  } while (in);
  require<file_error>(in.eof() && !in.bad(), "cannot read '", path, "'");
  return text;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

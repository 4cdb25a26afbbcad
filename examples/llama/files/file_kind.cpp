// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/file_kind.hpp"

#include <algorithm>
#include <cctype>

#include "sparsellm/core/error.hpp"

namespace llama {

void refuse_other_kind(std::string_view bytes, const std::string& where) {
  using sparsellm::format_error;
  using sparsellm::require;
  bytes = bytes.substr(0, 256);
  require<format_error>(!bytes.starts_with("version https://git-lfs"), where,
                        " is a Git LFS pointer, a few lines that stand for the file: fetch the "
                        "file itself (git lfs pull)");
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  std::string begin(first == std::string_view::npos ? "" : bytes.substr(first, 16));
  std::transform(begin.begin(), begin.end(), begin.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  require<format_error>(
      !begin.starts_with("<!doctype") && !begin.starts_with("<html") && !begin.starts_with("<?xml"),
      where, " is a web page: the download gave something else than the file");
  require<format_error>(!bytes.starts_with("PK\x03\x04") && !bytes.starts_with("\x1f\x8b"), where,
                        " is an archive (zip, PyTorch's .bin, or gzip)");
}

}  // namespace llama

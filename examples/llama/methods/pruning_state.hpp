// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The blocks that pruning has finished, in a directory, a file each, so that a run goes on where it
// was interrupted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "files/config.hpp"
#include "files/pruned_block.hpp"

namespace llama {

class pruning_state {
 public:
  // Makes the directory. identity: a hash of everything that decides what a block becomes. Throws
  // file_error.
  pruning_state(std::string folder, std::uint64_t identity, const config& c);

  // Nothing when the block was not finished. Throws format_error for a file of another identity or
  // one that is damaged, and file_error.
  [[nodiscard]] std::optional<pruned_block> load(std::size_t layer) const;
  // Written under a temporary name and renamed. Throws file_error.
  void save(std::size_t layer, const pruned_block& block) const;
  // The files, and the directory when nothing else is in it.
  void remove() const;

 private:
  [[nodiscard]] std::string path(std::size_t layer) const;

  std::string folder_;
  std::uint64_t identity_;
  const config& config_;
};

}  // namespace llama

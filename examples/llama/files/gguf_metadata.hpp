// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The metadata of a GGUF file that is written: that of the file which was changed, byte for byte,
// or made from a checkpoint, in the types that llama.cpp asks for.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "files/model_file.hpp"
#include "sparsellm/pack/element_kind.hpp"

namespace llama {

// Keys of the metadata that say as JSON how weights were pruned, and how the residual stream was
// turned.
inline constexpr const char* pruning_key = "sparsellm.pruning";
inline constexpr const char* rotation_key = "sparsellm.rotation";

class gguf_metadata {
 public:
  // Everything that a change of weights leaves as it is. What says how tensors are stored
  // (general.file_type, general.quantization_version, and split.*, since one file is written) is
  // what `type` makes it. Throws format_error for what GGUF cannot say of a checkpoint.
  gguf_metadata(const model_file& file, sparsellm::element_kind type);

  // Whole numbers and floating-point ones take 32 bits where they fit. In the place of a value that
  // is there, or at the end.
  void set(const std::string& key, const metadata_value& value);

  [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }
  // All keys and values, as they stand in a file.
  [[nodiscard]] std::vector<std::byte> bytes() const;

 private:
  void carry(const model_file& file);
  void make(const model_file& file);
  void put(const std::string& key, std::vector<std::byte> bytes);
  [[nodiscard]] bool has(const std::string& key) const;

  std::vector<std::pair<std::string, std::vector<std::byte>>> values_;
};

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// config.json and generation_config.json of a Hugging Face checkpoint, as transformers reads them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "files/config.hpp"
#include "files/model_file.hpp"
#include "files/vocabulary.hpp"

namespace llama {

struct checkpoint_config {
  const family* kind = nullptr;
  std::map<std::string, metadata_value> values;  // under GGUF's keys
  token_ids ids;
  bool tied = false;              // the head is the embedding table
  per_projection<bool> has_bias;  // as config.json says
  std::size_t head_size = 0;      // even
  double rotary_base = 0;
  std::optional<llama3_scaling> scaling;  // Llama 3's

  // GGUF's key of something that architectures have each for themselves.
  [[nodiscard]] std::string key(const std::string& name) const {
    return std::string(kind->architecture) + "." + name;
  }
};

// name: what the model is called when config.json does not say; generation_config may be empty.
// Throws format_error for families that are not read, for values that are not supported, and for
// keys that are neither read nor known to be harmless (known_keys.hpp).
[[nodiscard]] checkpoint_config read_checkpoint_config(const std::string& config,
                                                       const std::string& generation_config,
                                                       const std::string& name);

}  // namespace llama

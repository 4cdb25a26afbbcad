// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A Hugging Face checkpoint of the Llama architecture: config.json, tokenizer.json and safetensors.
// Dense tensors, and pruned ones as compressed-tensors' sparse-24-bitmask and sparse-bitmask.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "files/model_file.hpp"

namespace llama {

struct checkpoint_texts {
  std::string config;            // config.json
  std::string tokenizer;         // tokenizer.json
  std::string tokenizer_config;  // tokenizer_config.json; may be empty
  std::string name;              // what the model is called when config.json does not say
};

struct bytes_view {
  const std::byte* data;
  std::size_t size;
};

// The key of a shard's metadata that holds orders and provenance, as JSON.
inline constexpr const char* sparsellm_metadata = "sparsellm";

class checkpoint : public model_file {
 public:
  // Shards are borrowed. Throws sparsellm::format_error.
  checkpoint(const checkpoint_texts& texts, const std::vector<bytes_view>& shards);

 private:
  void read_config(const checkpoint_texts& texts);
  [[nodiscard]] std::size_t head_size() const;
  std::vector<std::byte> rope_divisors_;  // as a file has them
};

}  // namespace llama

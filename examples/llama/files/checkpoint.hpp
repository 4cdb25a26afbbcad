// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A Hugging Face checkpoint of one of the families: config.json, tokenizer.json and safetensors.
// Dense tensors, and pruned ones as compressed-tensors' sparse-24-bitmask and sparse-bitmask.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "files/checkpoint_config.hpp"
#include "files/model_file.hpp"
#include "files/vocabulary.hpp"

namespace llama {

struct checkpoint_texts {
  std::string config;             // config.json
  std::string tokenizer;          // tokenizer.json
  std::string tokenizer_config;   // tokenizer_config.json; may be empty
  std::string generation_config;  // generation_config.json; may be empty
  std::string name;               // what the model is called when config.json does not say
};

// The key of a shard's metadata that holds orders and provenance, as JSON.
inline constexpr const char* sparsellm_metadata = "sparsellm";

class checkpoint : public model_file {
 public:
  // Shards are borrowed. Throws sparsellm::format_error.
  checkpoint(const checkpoint_texts& texts, const std::vector<bytes_view>& shards);

  [[nodiscard]] const vocabulary* own_vocabulary() const noexcept override { return &vocabulary_; }
  [[nodiscard]] std::string name_in_file(const std::string& name) const override;

 private:
  void read_tensors(const std::vector<bytes_view>& shards, const checkpoint_config& c);
  void check_biases(const checkpoint_config& c) const;

  const family* kind_ = nullptr;
  vocabulary vocabulary_;
  std::vector<std::byte> rope_divisors_;  // as a file has them
};

}  // namespace llama

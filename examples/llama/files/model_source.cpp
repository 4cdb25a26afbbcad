// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// All file access of the readers is here.
#include "files/model_source.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "files/checkpoint.hpp"
#include "files/gguf.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace llama {

namespace {

// model.safetensors, or the shards that its index names. None lies outside the directory.
std::vector<std::string> shards_of(const std::filesystem::path& directory) {
  const auto index = directory / "model.safetensors.index.json";
  if (!std::filesystem::exists(index)) return {(directory / "model.safetensors").string()};
  const nlohmann::json j =
      nlohmann::json::parse(sparsellm::read_file(index.string()), nullptr, false);
  sparsellm::require<sparsellm::format_error>(
      j.is_object() && j.contains("weight_map") && j["weight_map"].is_object(), "checkpoint: '",
      index.string(), "' has no weight_map");
  std::set<std::string> names;
  for (const auto& [tensor, shard] : j["weight_map"].items()) {
    sparsellm::require<sparsellm::format_error>(
        shard.is_string() &&
            std::filesystem::path(shard.get<std::string>()).filename() == shard.get<std::string>(),
        "checkpoint: the shard of '", tensor, "' is not a file name");
    names.insert(shard.get<std::string>());
  }
  std::vector<std::string> paths;
  for (const std::string& n : names) paths.push_back((directory / n).string());
  return paths;
}

}  // namespace

model_source::model_source(const std::string& path) {
  if (!std::filesystem::is_directory(path)) {
    mappings_.emplace_back(path);
    file_ = std::make_unique<gguf>(mappings_.back().data(), mappings_.back().size());
    return;
  }
  const std::filesystem::path directory = path;
  const auto text = [&](const char* name) {
    return sparsellm::read_file((directory / name).string());
  };
  checkpoint_texts texts{text("config.json"), text("tokenizer.json"), "", ""};
  if (std::filesystem::exists(directory / "tokenizer_config.json"))
    texts.tokenizer_config = text("tokenizer_config.json");
  texts.name = std::filesystem::absolute(directory).lexically_normal().filename().string();
  std::vector<bytes_view> shards;
  for (const std::string& p : shards_of(directory)) mappings_.emplace_back(p);
  for (const mapped_file& m : mappings_) shards.push_back({m.data(), m.size()});
  file_ = std::make_unique<checkpoint>(texts, shards);
}

void model_source::release(const tensor& t) const noexcept {
  for (const mapped_file& m : mappings_)
    if (t.data >= m.data() && t.data < m.data() + m.size()) m.release(t.data, t.bytes);
}

}  // namespace llama

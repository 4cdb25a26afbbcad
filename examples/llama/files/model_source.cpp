// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// All file access of the readers is here.
#include "files/model_source.hpp"

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "files/checkpoint.hpp"
#include "files/file_kind.hpp"
#include "files/gguf.hpp"
#include "files/json_ledger.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace llama {

using sparsellm::concat;
using sparsellm::format_error;
using sparsellm::raise;
using sparsellm::require;

namespace {

namespace fs = std::filesystem;

// What a directory without config.json, or without tensors, holds instead; for messages.
std::string instead_in(const fs::path& directory) {
  std::set<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator at(directory, failed), end; !failed && at != end;
       at.increment(failed))
    for (const char* ending : {".gguf", ".safetensors", ".bin", ".pth"})
      if (at->path().extension() == ending) names.insert(at->path().filename().string());
  if (names.empty()) return "";
  return concat("; '", directory.string(), "' holds '", *names.begin(), "'",
                names.size() > 1 ? concat(" and ", names.size() - 1, " more") : std::string());
}

// model.safetensors, which transformers prefers, or the shards that the index names. None lies
// outside the directory.
std::vector<std::string> shards_of(const fs::path& directory) {
  const fs::path whole = directory / "model.safetensors";
  if (fs::exists(whole)) return {whole.string()};
  const fs::path index = directory / "model.safetensors.index.json";
  require<sparsellm::file_error>(fs::exists(index), "cannot open '", whole.string(),
                                 "': neither it nor its index is there", instead_in(directory));
  const nlohmann::json j =
      parse_object(sparsellm::read_file(index.string()), "checkpoint: '" + index.string() + "'");
  require<format_error>(j.contains("weight_map") && j["weight_map"].is_object(), "checkpoint: '",
                        index.string(), "' has no weight_map");
  std::set<std::string> names;
  for (const auto& [tensor, shard] : j["weight_map"].items()) {
    require<format_error>(shard.is_string() && fs::path(shard.get<std::string>()).filename() ==
                                                   shard.get<std::string>(),
                          "checkpoint: the shard of '", tensor, "' is not a file name");
    names.insert(shard.get<std::string>());
  }
  std::vector<std::string> paths;
  for (const std::string& n : names) paths.push_back((directory / n).string());
  return paths;
}

// The directory's own name, whether the path ends in a slash, in "." or in a link.
std::string name_of(const fs::path& directory) {
  std::error_code failed;
  const fs::path real = fs::canonical(directory, failed);
  return (failed ? fs::absolute(directory).lexically_normal() : real).filename().string();
}

// Where part `part` of `parts` of a split GGUF is: beside the first, whose name says how.
std::string part_path(const std::string& first, std::size_t part, std::size_t parts) {
  const auto ending = [&](std::size_t n) {
    char text[64];
    std::snprintf(text, sizeof text, "-%05zu-of-%05zu.gguf", n + 1, parts);
    return std::string(text);
  };
  require<format_error>(first.ends_with(ending(0)), "GGUF: '", first, "' is part 1 of ", parts,
                        " of a split model; its name must end in '", ending(0),
                        "', so that the others are found");
  const std::string path = first.substr(0, first.size() - ending(0).size()) + ending(part);
  require<sparsellm::file_error>(fs::exists(path), "GGUF: '", first, "' is part 1 of ", parts,
                                 " of a split model, and '", path, "' is missing");
  return path;
}

}  // namespace

model_source::model_source(const std::string& path) {
  if (!fs::is_directory(path)) {
    require<format_error>(!path.ends_with(".safetensors"), "'", path,
                          "' is a checkpoint's tensors: give its directory, which has config.json");
    mappings_.emplace_back(path);
    const auto other = [&](std::size_t part, std::size_t parts) {
      mappings_.emplace_back(part_path(path, part, parts));
      return bytes_view{mappings_.back().data(), mappings_.back().size()};
    };
    file_ = std::make_unique<gguf>(mappings_.back().data(), mappings_.back().size(), other);
    return;
  }
  const fs::path directory = path;
  const auto text = [&](const char* name) {
    return sparsellm::read_file((directory / name).string());
  };
  const auto text_if_there = [&](const char* name) {
    return fs::exists(directory / name) ? text(name) : std::string();
  };
  require<sparsellm::file_error>(fs::exists(directory / "config.json"), "cannot open '",
                                 (directory / "config.json").string(), "'", instead_in(directory));
  // The configuration comes first, so that another kind of model is named as what it is.
  checkpoint_texts texts;
  texts.config = text("config.json");
  texts.generation_config = text_if_there("generation_config.json");
  texts.name = name_of(directory);
  (void)read_checkpoint_config(texts.config, texts.generation_config, texts.name);
  texts.tokenizer = text("tokenizer.json");
  texts.tokenizer_config = text_if_there("tokenizer_config.json");
  std::vector<bytes_view> shards;
  for (const std::string& p : shards_of(directory)) mappings_.emplace_back(p);
  for (const mapped_file& m : mappings_) {
    refuse_other_kind({reinterpret_cast<const char*>(m.data()), m.size()},
                      concat("'", m.path(), "' is not a safetensors file: it"));
    shards.push_back({m.data(), m.size()});
  }
  file_ = std::make_unique<checkpoint>(texts, shards);
}

void model_source::release(const tensor& t) const noexcept {
  for (const mapped_file& m : mappings_)
    if (t.data >= m.data() && t.data < m.data() + m.size()) m.release(t.data, t.bytes);
}

}  // namespace llama

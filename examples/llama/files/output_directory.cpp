// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/output_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "sparsellm/core/error.hpp"
#include "sparsellm/core/output_file.hpp"

namespace llama {

namespace fs = std::filesystem;
using sparsellm::file_error;
using sparsellm::require;

namespace {

// What programs read beside the tensors.
constexpr const char* companions[] = {"config.json",
                                      "generation_config.json",
                                      "tokenizer.json",
                                      "tokenizer_config.json",
                                      "special_tokens_map.json",
                                      "added_tokens.json",
                                      "tokenizer.model",
                                      "vocab.json",
                                      "merges.txt",
                                      "chat_template.jinja",
                                      "chat_template.json"};
// What every checkpoint has that is written here.
constexpr const char* written[] = {"config.json", "tokenizer.json", "tokenizer_config.json",
                                   "model.safetensors"};

bool holds(const char* const* first, const char* const* last, const std::string& name) {
  return std::find(first, last, name) != last;
}

bool is_of_checkpoint(const std::string& name) {
  const bool tensors = name.ends_with(".safetensors") || name.ends_with(".index.json") ||
                       (name.starts_with("pytorch_model") && name.ends_with(".bin")) ||
                       name == "adapter_config.json";
  return tensors || holds(std::begin(companions), std::end(companions), name);
}

}  // namespace

std::vector<std::string> companions_of(const std::string& model) {
  std::vector<std::string> there;
  if (fs::is_directory(model))
    for (const char* name : companions)
      if (fs::exists(fs::path(model) / name)) there.emplace_back(name);
  return there;
}

output_directory::output_directory(std::string path, const std::string& source, bool force)
    : path_(std::move(path)) {
  try {
    // Another run that ends may remove what it made, until this one has its lock.
    constexpr int most_tries = 8;
    for (int i = 1; !(make() && lock()); ++i)
      require<file_error>(i < most_tries, "cannot make the directory '", path_,
                          "': ", std::strerror(ENOENT));
    // The checkpoint's own files are tried, which may be there already and be read-only.
    for (const char* name : written) sparsellm::output_file((fs::path(path_) / name).string());
    find_foreign(source, force);
  } catch (...) {
    release();
    throw;
  }
}

bool output_directory::make() {
  std::error_code failed;
  std::vector<std::string> missing;  // the outermost first
  for (fs::path folder = fs::absolute(path_).lexically_normal();
       !fs::exists(fs::status(folder, failed)) && folder.has_relative_path();
       folder = folder.parent_path())
    if (folder.has_filename()) missing.insert(missing.begin(), folder.string());
  for (const std::string& folder : missing) {
    if (::mkdir(folder.c_str(), 0777) == 0) {
      made_.push_back(folder);
      continue;
    }
    if (errno == ENOENT) return false;
    require<file_error>(errno == EEXIST, "cannot make the directory '", folder,
                        "': ", std::strerror(errno));
  }
  require<file_error>(fs::is_directory(path_, failed) || !fs::exists(path_, failed),
                      "cannot make the directory '", path_, "': a file of this name is there");
  return true;
}

void output_directory::find_foreign(const std::string& source, bool force) {
  std::error_code failed;
  const bool own = fs::is_directory(source) && fs::equivalent(path_, source, failed);
  require<file_error>(force || !own, "'", path_,
                      "' is the model's own directory, whose dense weights would be lost; --force "
                      "replaces them");
  const std::vector<std::string> kept = companions_of(source);
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    const std::string name = entry.path().filename().string();
    if (is_of_checkpoint(name) && !holds(std::begin(written), std::end(written), name) &&
        std::find(kept.begin(), kept.end(), name) == kept.end())
      foreign_.push_back(name);
  }
  std::sort(foreign_.begin(), foreign_.end());
  require<file_error>(force || foreign_.empty(), "'", path_, "' holds '",
                      foreign_.empty() ? std::string() : foreign_.front(),
                      "' of another checkpoint, which would be read with this one; --force removes "
                      "it");
}

output_directory::~output_directory() { release(); }

void output_directory::release() noexcept {
  std::error_code ignored;
  // Without the lock the directory is another run's by now, however empty.
  if (lock_ >= 0)
    for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder)
      fs::remove(*folder, ignored);
  unlock();
}

void output_directory::unlock() noexcept {
  if (lock_ >= 0) ::close(std::exchange(lock_, -1));
}

bool output_directory::lock() {
  lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0 && errno == ENOENT) return false;
  require<file_error>(lock_ >= 0, "cannot open the directory '", path_,
                      "': ", std::strerror(errno));
  // Where locks are not supported, files are still whole each.
  const bool others = ::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (others) unlock();
  require<file_error>(!others, "'", path_, "': another run is writing there");
  struct stat locked{}, named{};
  if (::fstat(lock_, &locked) == 0 && ::stat(path_.c_str(), &named) == 0 &&
      locked.st_dev == named.st_dev && locked.st_ino == named.st_ino)
    return true;
  unlock();
  return false;
}

void output_directory::remove_foreign() const {
  for (const std::string& name : foreign_) {
    std::error_code failed;
    fs::remove(fs::path(path_) / name, failed);
    require<file_error>(!failed, "cannot remove '", (fs::path(path_) / name).string(),
                        "': ", failed.message());
  }
}

}  // namespace llama

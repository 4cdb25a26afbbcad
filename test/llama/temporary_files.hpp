// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Files and folders that are gone when a test is.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

// Another one each time.
inline std::string temporary_path() {
  static int count = 0;
  return "/tmp/sparsellm-test-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
}

class temporary_file {
 public:
  explicit temporary_file(const std::string& bytes) : path_(temporary_path()) {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~temporary_file() { std::filesystem::remove(path_); }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class temporary_folder {
 public:
  temporary_folder() : path_(temporary_path()) { std::filesystem::create_directories(path_); }
  ~temporary_folder() { std::filesystem::remove_all(path_); }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The directory that a checkpoint is written to: nothing of another checkpoint may stay in it,
// since readers would take that for a part of this one.
#pragma once

#include <string>
#include <vector>

namespace llama {

// The files of a checkpoint beside its tensors that are there; none for a GGUF file.
[[nodiscard]] std::vector<std::string> companions_of(const std::string& model);

class output_directory {
 public:
  // Makes the directory, or tries that it can be written. source: the model that it is made from,
  // whose companions the checkpoint will have. Throws file_error with the system's reason, when
  // another run is writing there, when it is the model's own, and when it holds shards, an index or
  // companions that the checkpoint will not have; `force` has the last two replaced and removed.
  output_directory(std::string path, const std::string& source, bool force);
  // A directory that was made and stayed empty is removed.
  ~output_directory();
  output_directory(const output_directory&) = delete;
  output_directory& operator=(const output_directory&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  // Removes what is of another checkpoint, once this one's tensors are there.
  void remove_foreign() const;

 private:
  // Both are false where a directory is gone that was there: another run may have removed it.
  bool make();
  bool lock();
  void unlock() noexcept;
  void find_foreign(const std::string& source, bool force);
  void release() noexcept;

  std::string path_;
  std::vector<std::string> foreign_, made_;  // made_: by this run, the innermost last
  int lock_ = -1;
};

}  // namespace llama

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Whole files or none: what is written stands under a temporary name beside the target, created
// for this writer alone, and is renamed over the target when it is complete. So a reader never sees
// half a file, and of two writers at once one whole file is left.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#if SPARSELLM_HAS_POSIX_FILES
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// A name beside `path` that no other writer of this process has; others are told by the exclusive
// creation.
[[nodiscard]] inline std::string temporary_beside(const std::string& path, long process) {
  static std::atomic<unsigned> count{0};
  const std::size_t slash = path.find_last_of('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  return concat(folder, ".sparsellm-", process, "-", count++, ".partial");
}

#if SPARSELLM_HAS_POSIX_FILES
// The number of the open file that a name like /dev/fd/3 stands for; -1 for other names.
[[nodiscard]] inline int descriptor_named(std::string_view path) {
  for (const std::string_view folder : {"/proc/self/fd/", "/dev/fd/"}) {
    const std::string_view digits = path.substr(path.size() < folder.size() ? 0 : folder.size());
    if (!path.starts_with(folder) || digits.empty() || digits.size() > 6 ||
        digits.find_first_not_of("0123456789") != std::string_view::npos)
      continue;
    int n = 0;
    for (const char c : digits) n = 10 * n + (c - '0');
    return n;
  }
  return -1;
}

// Where the links at `path` lead to, which need not exist; a name of an open file stays as it is.
[[nodiscard]] inline std::string follow_links(std::string path) {
  constexpr int most_links = 40;  // the kernel's own limit
  char target[4096];
  for (int i = 0; i < most_links && descriptor_named(path) < 0; ++i) {
    const auto length = ::readlink(path.c_str(), target, sizeof target);
    if (length <= 0 || static_cast<std::size_t>(length) == sizeof target) break;
    const std::string_view to(target, static_cast<std::size_t>(length));
    const std::size_t slash = path.find_last_of('/');
    path = to.front() == '/' || slash == std::string::npos
               ? std::string(to)
               : path.substr(0, slash + 1) + std::string(to);
  }
  return path;
}
#endif

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A file that is written in pieces and takes its place when all are there. Links are followed, so
// that they stay. What is no regular file (a device, a pipe, /dev/stdout) is written to directly
// and never replaced; it is opened at once, a pipe only when somebody reads it.
class output_file {
 public:
  // Tries at once whether the file can be written, so that a long computation need not end with the
  // answer; nothing is left behind. Throws file_error with the system's reason.
  explicit output_file(std::string path) : path_(std::move(path)) {
#if SPARSELLM_HAS_POSIX_FILES
    target_ = detail::follow_links(path_);
    if (const int open_already = detail::descriptor_named(target_); open_already >= 0) {
      file_ = ::dup(open_already);
      check(file_ >= 0);
      return;
    }
    struct stat found{};
    if (::stat(target_.c_str(), &found) == 0) {
      exists_ = true;
      mode_ = found.st_mode & 0777;
      if (!S_ISREG(found.st_mode)) {
        open_in_place(S_ISFIFO(found.st_mode));
        return;
      }
      const int probe = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);  // one may not replace it
      check(probe >= 0);
      ::close(probe);
    } else {
      check(errno != ELOOP);  // links in a circle, one of which would be replaced
    }
#else
    target_ = path_;
#endif
    create();
    discard();
  }
  ~output_file() { discard(); }
  output_file(const output_file&) = delete;
  output_file& operator=(const output_file&) = delete;

  // Throws file_error; the target is then what it was before, unless it is no regular file.
  void append(const void* data, std::size_t bytes) {
    if (!is_open()) create();
#if SPARSELLM_HAS_POSIX_FILES
    const char* at = static_cast<const char*>(data);
    while (bytes != 0) {
      const auto written = ::write(file_, at, bytes < largest_write ? bytes : largest_write);
      if (written < 0 && errno == EINTR) continue;
      check(written > 0);
      at += written;
      bytes -= static_cast<std::size_t>(written);
    }
#else
    check(std::fwrite(data, 1, bytes, file_) == bytes);
#endif
  }
  // The same for text.
  void append(std::string_view text) { append(text.data(), text.size()); }

  // Everything reaches the disk, then the name. Throws file_error as append() does. Nothing may
  // be appended afterwards.
  void commit() {
    if (!is_open()) create();
#if SPARSELLM_HAS_POSIX_FILES
    const bool replaces = !temporary_.empty();
    if (replaces) check(::fsync(file_) == 0 || errno == EINVAL || errno == ENOTSUP);
    check(::close(std::exchange(file_, -1)) == 0);
    if (!replaces) return;
#else
    check(std::fclose(std::exchange(file_, nullptr)) == 0);
    std::remove(target_.c_str());  // a rename replaces nothing here
#endif
    check(std::rename(temporary_.c_str(), target_.c_str()) == 0);
    temporary_.clear();
  }

 private:
  // Throws with the reason that errno has.
  void check(bool good) const {
    if (good) return;
    const int reason = errno;
    raise<file_error>(concat("cannot write '", path_, "': ", std::strerror(reason)));
  }

  void discard() noexcept {
#if SPARSELLM_HAS_POSIX_FILES
    if (file_ >= 0) ::close(std::exchange(file_, -1));
#else
    if (file_ != nullptr) std::fclose(std::exchange(file_, nullptr));
#endif
    if (!temporary_.empty()) std::remove(temporary_.c_str());
    temporary_.clear();
  }

#if SPARSELLM_HAS_POSIX_FILES
  static constexpr std::size_t largest_write = std::size_t{1} << 30;

  [[nodiscard]] bool is_open() const noexcept { return file_ >= 0; }

  void open_in_place(bool is_pipe) {
    // Without O_NONBLOCK a pipe that nobody reads would be waited for.
    file_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC | (is_pipe ? O_NONBLOCK : 0));
    require<file_error>(file_ >= 0 || !is_pipe || errno != ENXIO, "cannot write '", path_,
                        "': nobody reads the pipe");
    check(file_ >= 0);
    if (is_pipe) check(::fcntl(file_, F_SETFL, 0) == 0);
  }

  void create() {
    do {
      temporary_ = detail::temporary_beside(target_, static_cast<long>(::getpid()));
      file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (file_ < 0 && errno == EEXIST);
    if (file_ < 0) temporary_.clear();
    check(file_ >= 0);
    if (exists_) (void)::fchmod(file_, mode_);  // some file systems have no modes
  }

  int file_ = -1;
  bool exists_ = false;
  mode_t mode_ = 0;
#else
  [[nodiscard]] bool is_open() const noexcept { return file_ != nullptr; }

  void create() {
    do {
      temporary_ = detail::temporary_beside(target_, 0);
      file_ = std::fopen(temporary_.c_str(), "wbx");
    } while (file_ == nullptr && errno == EEXIST);
    if (file_ == nullptr) temporary_.clear();
    check(file_ != nullptr);
  }

  std::FILE* file_ = nullptr;
#endif
  std::string path_, target_;
  std::string temporary_;  // empty: none
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

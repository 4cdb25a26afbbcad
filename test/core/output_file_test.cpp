// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/core/output_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace fs = std::filesystem;
using sparsellm::file_error;
using sparsellm::output_file;
using sparsellm::read_file;
using sparsellm::replace_file;

namespace {

class folder {
 public:
  folder() : path_("/tmp/sparsellm-output-" + std::to_string(::getpid())) {
    fs::create_directories(path_);
  }
  ~folder() { fs::remove_all(path_); }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("output_file: a file takes its place when it is whole, and not before") {
  const folder f;
  replace_file(f / "a", "old");
  ::chmod((f / "a").c_str(), 0640);
  {
    output_file out(f / "a");
    CHECK(f.entries() == 1);  // trying leaves nothing
    out.append("new");
    CHECK(f.entries() == 2);
    CHECK(read_file(f / "a") == "old");
    out.append("er");
    out.commit();
  }
  CHECK(read_file(f / "a") == "newer");
  CHECK(f.entries() == 1);
  CHECK((fs::status(f / "a").permissions() == static_cast<fs::perms>(0640)));
  {
    output_file out(f / "a");
    out.append("lost");
  }
  CHECK(read_file(f / "a") == "newer");
  CHECK(f.entries() == 1);
}

TEST_CASE("output_file: links stay, and lead to the new file") {
  const folder f;
  fs::create_directories(f / "store");
  replace_file(f / "store/t", "old");
  fs::create_symlink("store/t", f / "link");
  fs::create_symlink("link", f / "second");
  fs::create_symlink("store/none", f / "dangling");
  replace_file(f / "second", "new");
  CHECK(read_file(f / "store/t") == "new");
  CHECK(fs::is_symlink(f / "link"));
  CHECK(fs::is_symlink(f / "second"));
  replace_file(f / "dangling", "made");
  CHECK(read_file(f / "store/none") == "made");
  CHECK(fs::is_symlink(f / "dangling"));
}

TEST_CASE("output_file: pipes and devices are written to") {
  const folder f;
  REQUIRE(::mkfifo((f / "pipe").c_str(), 0600) == 0);
  CHECK_SAYS(output_file(f / "pipe"), file_error, "nobody reads the pipe");
  std::string got;
  const int reader = ::open((f / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
  replace_file(f / "pipe", "through");
  char text[16];
  const auto n = ::read(reader, text, sizeof text);
  ::close(reader);
  CHECK(std::string(text, n > 0 ? static_cast<std::size_t>(n) : 0) == "through");
  CHECK(fs::is_fifo(f / "pipe"));
  fs::create_symlink("/dev/full", f / "full");
  if (fs::exists("/dev/full"))
    CHECK_SAYS(replace_file(f / "full", "x"), file_error, "No space left");
  CHECK(fs::is_character_file("/dev/null"));
  replace_file("/dev/null", "x");
  CHECK(fs::is_character_file("/dev/null"));
  // A name for an open file is that file, wherever it stands in it.
  replace_file(f / "open", "");
  const int open_file = ::open((f / "open").c_str(), O_WRONLY);
  REQUIRE(::write(open_file, "ab", 2) == 2);
  replace_file("/dev/fd/" + std::to_string(open_file), "cd");
  ::close(open_file);
  CHECK(read_file(f / "open") == "abcd");
}

TEST_CASE("output_file: what cannot be written is refused at once, with the reason") {
  const folder f;
  CHECK_SAYS(output_file("/no/such/folder/x"), file_error, "No such file or directory");
  CHECK_SAYS(output_file(f / "."), file_error, "Is a directory");
  replace_file(f / "a", "text");
  CHECK_SAYS(output_file(f / "a/b"), file_error, "Not a directory");
  fs::create_symlink("loop", f / "loop");
  CHECK_SAYS(output_file(f / "loop"), file_error, "symbolic links");
  if (::geteuid() == 0) return;  // whom no permission stops
  ::chmod((f / "a").c_str(), 0400);
  CHECK_SAYS(output_file(f / "a"), file_error, "Permission denied");
}

TEST_CASE("output_file: of writers at once, one whole file is left") {
  const folder f;
  const std::string a(1 << 20, 'a'), b(1 << 20, 'b');
  std::vector<std::thread> writers;
  for (const std::string* text : {&a, &b, &a, &b})
    writers.emplace_back([&f, text] {
      for (int i = 0; i < 5; ++i) {
        output_file out(f / "x");
        for (std::size_t at = 0; at < text->size(); at += 1 << 16)
          out.append(text->data() + at, 1 << 16);
        out.commit();
      }
    });
  for (std::thread& t : writers) t.join();
  const std::string left = read_file(f / "x");
  CHECK((left == a || left == b));
  CHECK(f.entries() == 1);
}

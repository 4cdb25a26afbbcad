// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// safetensors: eight bytes of header length, a JSON header, then the tensors' bytes without gaps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace llama {

enum class element { boolean, u8, i8, u16, i16, u32, i32, u64, i64, f16, bf16, f32, f64, f8 };
[[nodiscard]] std::size_t bytes_of(element e) noexcept;

struct safetensor {
  element type;
  std::vector<std::size_t> shape;
  const std::byte* data;
  std::size_t elements;
};

// A file's tensors, where they lie in memory. Names, types, shapes and every offset are checked.
class safetensors {
 public:
  // data is borrowed. Throws sparsellm::format_error.
  safetensors(const std::byte* data, std::size_t size);

  [[nodiscard]] const std::map<std::string, safetensor>& tensors() const noexcept {
    return tensors_;
  }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const noexcept {
    return metadata_;
  }

 private:
  std::map<std::string, safetensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

// A tensor to be written in pieces: append(piece, out) appends the bytes of each in turn.
struct safetensor_source {
  std::string name;
  element type;
  std::vector<std::size_t> shape;
  std::size_t pieces;
  std::function<void(std::size_t piece, std::vector<std::byte>& out)> append;
};

// The whole file or none (core/output_file.hpp). Called between pieces, `tick` may throw:
// nothing is left behind then. Throws sparsellm::file_error, and format_error when pieces are not
// together as long as the shape says.
void write_safetensors(const std::string& path, const std::vector<safetensor_source>& tensors,
                       const std::map<std::string, std::string>& metadata,
                       const std::function<void(double share)>& tick);

}  // namespace llama

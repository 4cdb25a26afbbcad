// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "files/gguf.hpp"

#include <limits>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "files/config.hpp"
#include "files/dequantize.hpp"
#include "files/mapped_file.hpp"
#include "llama/gguf_builder.hpp"
#include "sparsellm/core/error.hpp"

using namespace llama;
using sparsellm::file_error;
using sparsellm::format_error;

namespace {

gguf read(const std::string& bytes) {
  return {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("gguf: versions 2 and 3, every kind of value") {
  gguf_builder b;
  b.text("t", "x");
  b.whole("w", 7);
  b.real("r", 0.5f);
  b.flag("f", true);
  b.texts("ts", {"a", "bc"});
  b.wholes("ws", {-1, 2});
  b.reals("rs", {1.5f});
  b.floats("m", {3, 2}, {1, 2, 3, 4, 5, 6});
  for (const std::uint32_t version : {2u, 3u}) {
    const std::string bytes = b.bytes(version);
    const gguf file = read(bytes);
    CHECK(file.text("t") == "x");
    CHECK(file.whole("w") == 7);
    CHECK(file.real("r") == 0.5);
    CHECK(file.flag("f", false));
    CHECK(file.array<std::string>("ts")[1] == "bc");
    CHECK(file.array<std::int64_t>("ws")[0] == -1);
    CHECK(file.array<double>("rs")[0] == 1.5);
    const tensor& m = file.tensor_of("m", 2, 3);
    std::vector<float> row(3);
    dequantize_row(m, 1, row);
    CHECK(row == std::vector<float>{4, 5, 6});
    CHECK_SAYS(file.tensor_of("m", 3, 2), format_error, "must be 3x2, got 2x3");
    CHECK_SAYS(file.tensor_of("n", 1, 1), format_error, "'n' is missing");
    CHECK_SAYS(file.text("w"), format_error, "'w' must be text");
    CHECK_SAYS(file.whole("t"), format_error, "'t' must be a whole number");
    CHECK_SAYS(file.real("missing"), format_error, "'missing' is missing");
  }
}

TEST_CASE("gguf: a file that ends anywhere is refused, not read past") {
  const std::string whole = tiny_model().bytes();
  REQUIRE_NOTHROW(read(whole));
  const std::size_t header = whole.size() > 9000 ? 9000 : whole.size();
  for (std::size_t n = 0; n < header; n += n < 600 ? 1 : 37)
    REQUIRE_THROWS_AS(read(whole.substr(0, n)), format_error);
  CHECK_SAYS(read(whole.substr(0, whole.size() - 1)), format_error, "outside the");
}

TEST_CASE("gguf: malformed files are refused, saying where") {
  const std::string good = tiny_model().bytes();
  CHECK_SAYS(read(replaced(good, "GGUF", "GGML")), format_error, "does not begin with 'GGUF'");
  CHECK_SAYS(read(tiny_model().bytes(1)), format_error, "version 2 or 3 expected, got 1");
  CHECK_SAYS(read(tiny_model().bytes(0x03000000)), format_error, "big-endian");
  const std::string huge(8, '\x7f');
  CHECK_SAYS(read(good.substr(0, 8) + huge + good.substr(16)), format_error, "tensors at byte 8");
  gguf_builder twice;
  twice.text("k", "a");
  twice.text("k", "b");
  CHECK_SAYS(read(twice.bytes()), format_error, "'k' is there twice");
  gguf_builder odd;
  odd.tensor("q", {33}, 2, std::string(40, 'x'));
  CHECK_SAYS(read(odd.bytes()), format_error, "rows of 33 elements, not a multiple of Q4_0's 32");
  gguf_builder unknown;
  unknown.tensor("q", {32}, 99, std::string(40, 'x'));
  CHECK_SAYS(read(unknown.bytes()), format_error, "has type 99");
  gguf_builder large;
  large.tensor("q", {1u << 30, 1u << 30, 1u << 30}, 0, "x");
  CHECK_SAYS(read(large.bytes()), format_error, "outside the");
  gguf_builder empty;
  empty.tensor("q", {0}, 0, "");
  CHECK_SAYS(read(empty.bytes()), format_error, "extent of 0");
  gguf_builder aligned;
  aligned.whole("general.alignment", 24);
  CHECK_SAYS(read(aligned.bytes()), format_error, "power of two, got 24");
}

TEST_CASE("gguf: a model's numbers must fit together") {
  const auto with = [](const char* key, std::uint32_t value) {
    gguf_builder b = tiny_model();
    std::string bytes = b.bytes();
    const std::size_t at = bytes.find(key) + std::string(key).size() + 4;
    for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i));
    return bytes;
  };
  CHECK(read_config(read(tiny_model().bytes())).kv_heads == 2);
  CHECK_SAYS(read_config(read(with("llama.attention.head_count_kv", 3))), format_error,
             "4 heads cannot share 3");
  CHECK_SAYS(read_config(read(with("llama.block_count", 0))), format_error,
             "llama.block_count is 0");
  CHECK_SAYS(read_config(read(with("llama.embedding_length", 65))), format_error, "not 65 wide");
  gguf_builder other;
  other.text("general.architecture", "mamba");
  const std::string bytes = other.bytes();
  CHECK_SAYS(read_config(read(bytes)), format_error, "qwen3 expected, got 'mamba'");
  gguf_builder opt;
  opt.text("general.architecture", "opt");
  const std::string bytes_of_opt = opt.bytes();
  CHECK_SAYS(read(bytes_of_opt), format_error, "llama.cpp defines no architecture 'opt'");
  for (const char* key : {"llama.attention.sliding_window_pattern"}) {
    gguf_builder b = tiny_model();
    b.wholes(key, {1, 0, 1});
    const std::string of_three = b.bytes();
    CHECK_SAYS(read_config(read(of_three)), format_error, "of 3 of 2 blocks");
  }
}

TEST_CASE("gguf: every block type decodes to its definition") {
  // d = 0.5 and m = -1 as half; nibbles, fifth bits and scales chosen so that each element differs.
  const std::string d("\x00\x38", 2), m("\x00\xbc", 2);
  std::string nibbles, bytes32;
  for (int i = 0; i < 16; ++i) nibbles += static_cast<char>(i | ((15 - i) << 4));
  for (int i = 0; i < 32; ++i) bytes32 += static_cast<char>(i * 8 - 128);
  const std::string fifths("\x0f\x00\xf0\x00", 4);  // set for 0..3 and 20..23
  const auto row_of = [](std::uint32_t type, const std::string& block, std::size_t n) {
    gguf_builder b;
    b.tensor("x", {n}, type, block);
    const std::string bytes_of_file = b.bytes();
    const gguf file = read(bytes_of_file);
    std::vector<float> row(n);
    dequantize_row(*file.find("x"), 0, row);
    return row;
  };
  const auto q4_0 = row_of(2, d + nibbles, 32), q4_1 = row_of(3, d + m + nibbles, 32);
  const auto q5_0 = row_of(6, d + fifths + nibbles, 32);
  const auto q5_1 = row_of(7, d + m + fifths + nibbles, 32), q8_0 = row_of(8, d + bytes32, 32);
  const auto iq4_nl = row_of(20, d + nibbles, 32);
  const float numbers[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                           1,    13,   25,  38,  53,  69,  89,  113};
  for (int i = 0; i < 32; ++i) {
    const int q = i < 16 ? i : 15 - (i - 16);
    const int fifth = (i < 4 || (i >= 20 && i < 24)) ? 16 : 0;
    const auto at = static_cast<std::size_t>(i);
    INFO("element " << i);
    CHECK(q4_0[at] == 0.5f * static_cast<float>(q - 8));
    CHECK(q4_1[at] == 0.5f * static_cast<float>(q) - 1.0f);
    CHECK(q5_0[at] == 0.5f * static_cast<float>(q + fifth - 16));
    CHECK(q5_1[at] == 0.5f * static_cast<float>(q + fifth) - 1.0f);
    CHECK(iq4_nl[at] == 0.5f * numbers[q]);
    CHECK(q8_0[at] == 0.5f * static_cast<float>(i * 8 - 128));
  }
  const auto halves = row_of(1, d + m, 2),
             brains = row_of(30, std::string("\x80\x3f\x00\xc0", 4), 2);
  CHECK(halves == std::vector<float>{0.5f, -1.0f});
  CHECK(brains == std::vector<float>{1.0f, -2.0f});

  // Super-blocks: scales j + 1 and minimums j, 6 bits each, in the K types' packing.
  std::string scales(12, '\0');
  const auto pack_scale = [&](int j, unsigned scale, unsigned min) {
    auto* s = reinterpret_cast<unsigned char*>(scales.data());
    if (j < 4) {
      s[j] = static_cast<unsigned char>(s[j] | scale);
      s[j + 4] = static_cast<unsigned char>(s[j + 4] | min);
    } else {
      s[j + 4] = static_cast<unsigned char>((scale & 15) | ((min & 15) << 4));
      s[j - 4] = static_cast<unsigned char>(s[j - 4] | ((scale >> 4) << 6));
      s[j] = static_cast<unsigned char>(s[j] | ((min >> 4) << 6));
    }
  };
  for (int j = 0; j < 8; ++j)
    pack_scale(j, static_cast<unsigned>(j * 8 + 1), static_cast<unsigned>(j * 7));
  std::string q(128, '\0');
  for (int i = 0; i < 128; ++i) q[static_cast<std::size_t>(i)] = static_cast<char>(i * 37);
  std::string high(32, '\0');
  for (int i = 0; i < 32; ++i) high[static_cast<std::size_t>(i)] = static_cast<char>(i * 11);
  const auto q4_k = row_of(12, d + m + scales + q, 256);
  const auto q5_k = row_of(13, d + m + scales + high + q, 256);
  for (int e = 0; e < 256; ++e) {
    const int j = e / 32, i = e % 32;
    const int byte = (j / 2 * 32 + i) * 37 & 255;
    const int nibble = j % 2 == 0 ? byte & 15 : byte >> 4;
    const int fifth = ((i * 11) >> j & 1) * 16;
    const auto at = static_cast<std::size_t>(e);
    const float scale = 0.5f * static_cast<float>(j * 8 + 1),
                min = -1.0f * static_cast<float>(j * 7);
    CHECK(q4_k[at] == scale * static_cast<float>(nibble) - min);
    CHECK(q5_k[at] == scale * static_cast<float>(nibble + fifth) - min);
  }
  std::string high6(64, '\0'), scales6(16, '\0');
  for (int i = 0; i < 64; ++i) high6[static_cast<std::size_t>(i)] = static_cast<char>(i * 29);
  for (int i = 0; i < 16; ++i)
    scales6[static_cast<std::size_t>(i)] = static_cast<char>(i * 15 - 120);
  const auto q6_k = row_of(14, q + high6 + scales6 + d, 256);
  for (int e = 0; e < 256; ++e) {
    // Element e = 128 h + 32 k + i: nibble from byte 64 h + 32 (k mod 2) + i, bits from 32 h + i.
    const int h = e / 128, k = e / 32 % 4, i = e % 32;
    const int byte = (64 * h + 32 * (k % 2) + i) * 37 & 255;
    const int low = k < 2 ? byte & 15 : byte >> 4;
    const int top = (((32 * h + i) * 29 & 255) >> (2 * k)) & 3;
    const int scale = (e / 16) * 15 - 120;
    CHECK(q6_k[static_cast<std::size_t>(e)] ==
          0.5f * static_cast<float>(scale) * static_cast<float>((low | top << 4) - 32));
  }
}

TEST_CASE("mapped_file: missing and empty files are refused") {
  CHECK_SAYS(mapped_file("/no/such/model.gguf"), file_error, "cannot open '/no/such/model.gguf'");
  CHECK_SAYS(mapped_file("/tmp"), file_error, "empty or not a file");
  const temporary_file empty("");
  CHECK_SAYS(mapped_file(empty.path()), file_error, "empty or not a file");
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Writes small GGUF files: what the tests read and the fuzzers start from.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "llama/temporary_files.hpp"
#include "sparsellm/core/scalar.hpp"

class gguf_builder {
 public:
  void text(const std::string& key, const std::string& value) {
    entry(key, 8);
    put_string(values_, value);
  }
  void whole(const std::string& key, std::uint32_t value) {
    entry(key, 4);
    put(values_, value);
  }
  void real(const std::string& key, float value) {
    entry(key, 6);
    put(values_, value);
  }
  void flag(const std::string& key, bool value) {
    entry(key, 7);
    put(values_, static_cast<std::uint8_t>(value));
  }
  void texts(const std::string& key, const std::vector<std::string>& items) {
    array(key, 8, items.size());
    for (const std::string& s : items) put_string(values_, s);
  }
  void wholes(const std::string& key, const std::vector<std::int32_t>& items) {
    array(key, 5, items.size());
    for (const std::int32_t v : items) put(values_, v);
  }
  void reals(const std::string& key, const std::vector<float>& items) {
    array(key, 6, items.size());
    for (const float v : items) put(values_, v);
  }
  // shape: fastest first, as GGUF has it
  void tensor(const std::string& name, const std::vector<std::uint64_t>& shape, std::uint32_t type,
              const std::string& bytes) {
    data_.resize((data_.size() + 31) / 32 * 32);
    put_string(tensors_, name);
    put(tensors_, static_cast<std::uint32_t>(shape.size()));
    for (const std::uint64_t n : shape) put(tensors_, n);
    put(tensors_, type);
    put(tensors_, static_cast<std::uint64_t>(data_.size()));
    data_ += bytes;
    ++tensor_count_;
  }
  void floats(const std::string& name, const std::vector<std::uint64_t>& shape,
              const std::vector<float>& values) {
    std::string bytes;
    for (const float v : values) put(bytes, v);
    tensor(name, shape, 0, bytes);
  }

  [[nodiscard]] std::string bytes(std::uint32_t version = 3) const {
    std::string out = "GGUF";
    put(out, version);
    put(out, tensor_count_);
    put(out, value_count_);
    out += values_ + tensors_;
    out.resize((out.size() + 31) / 32 * 32);
    return out + data_;
  }

 private:
  template <class T>
  static void put(std::string& to, T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    if constexpr (std::endian::native == std::endian::big)
      std::reverse(std::begin(bytes), std::end(bytes));
    to.append(bytes, sizeof value);
  }
  static void put_string(std::string& to, const std::string& s) {
    put(to, static_cast<std::uint64_t>(s.size()));
    to += s;
  }
  void entry(const std::string& key, std::uint32_t type) {
    put_string(values_, key);
    put(values_, type);
    ++value_count_;
  }
  void array(const std::string& key, std::uint32_t type, std::size_t n) {
    entry(key, 9);
    put(values_, type);
    put(values_, static_cast<std::uint64_t>(n));
  }
  std::string values_, tensors_, data_;
  std::uint64_t value_count_ = 0, tensor_count_ = 0;
};

struct tiny_options {
  bool separate_head = false;
  bool llama3_scaling = false;  // all frequencies divided by 2
  bool linear_scaling = false;  // positions divided by 2
  // Of the projections: F32, or 2 Q4_0, 3 Q4_1, 6 Q5_0, 7 Q5_1, 8 Q8_0, 20 IQ4_NL. 12 Q4_K, 13 Q5_K
  // and 14 Q6_K make a model of width 256, whose values, and embeddings, are Q6_K: mixed as such
  // files are.
  std::uint32_t type = 0;
  std::uint32_t context = 128;
  [[nodiscard]] bool super_blocks() const { return type >= 12 && type <= 14; }
};

// Random blocks of 32, for weights of about the size that the float ones have.
inline std::string random_blocks(std::uint32_t type, std::size_t blocks, std::mt19937& random) {
  const bool five = type == 6 || type == 7;
  const float scale = type == 8 ? 0.0017f : type == 20 ? 0.0019f : five ? 0.0136f : 0.027f;
  const std::size_t payload = type == 8 ? 32 : five ? 20 : 16;
  std::string bytes;
  const auto put_half = [&](float x) {
    const std::uint16_t bits = sparsellm::narrow<sparsellm::half>(x).bits;
    bytes += static_cast<char>(bits & 0xff);
    bytes += static_cast<char>(bits >> 8);
  };
  for (std::size_t b = 0; b < blocks; ++b) {
    put_half(scale * (0.75f + static_cast<float>(random() % 512) / 1024));
    if (type == 3 || type == 7) put_half((five ? -15.5f : -7.5f) * scale);
    for (std::size_t i = 0; i < payload; ++i) bytes += static_cast<char>(random());
  }
  return bytes;
}

// Random super-blocks of 256, of the same size.
inline std::string random_super_blocks(std::uint32_t type, std::size_t blocks,
                                       std::mt19937& random) {
  std::string bytes;
  const auto put_half = [&](float x) {
    const std::uint16_t bits = sparsellm::narrow<sparsellm::half>(x).bits;
    bytes += static_cast<char>(bits & 0xff);
    bytes += static_cast<char>(bits >> 8);
  };
  const auto put_random = [&](std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) bytes += static_cast<char>(random());
  };
  for (std::size_t b = 0; b < blocks; ++b) {
    const float size = 0.75f + static_cast<float>(random() % 512) / 1024;
    if (type == 14) {
      put_random(128 + 64 + 16);
      put_half(size * 0.00004f);
      continue;
    }
    const float scale = size * (type == 12 ? 0.0004f : 0.0002f);
    put_half(scale);
    put_half((type == 12 ? 7.5f : 15.5f) * scale);
    put_random(12 + 128 + (type == 13 ? 32 : 0));
  }
  return bytes;
}

// A whole Llama model of two layers with random weights: width 64, 4 heads sharing 2 key-value
// heads, hidden 96, a byte-level vocabulary of 256 + 4.
inline gguf_builder tiny_model(const tiny_options& o = {}) {
  gguf_builder b;
  const std::uint32_t width = o.super_blocks() ? 256 : 64, hidden = o.super_blocks() ? 512 : 96;
  b.text("general.architecture", "llama");
  b.text("general.name", "tiny");
  b.whole("llama.block_count", 2);
  b.whole("llama.embedding_length", width);
  b.whole("llama.feed_forward_length", hidden);
  b.whole("llama.attention.head_count", 4);
  b.whole("llama.attention.head_count_kv", 2);
  b.whole("llama.context_length", o.context);
  b.real("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  b.real("llama.rope.freq_base", 10000.0f);
  if (o.linear_scaling) {
    b.text("llama.rope.scaling.type", "linear");
    b.real("llama.rope.scaling.factor", 2.0f);
  }
  b.text("tokenizer.ggml.model", "gpt2");
  b.text("tokenizer.ggml.pre", "smollm");
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;
  unsigned next = 256;
  for (unsigned c = 0; c < 256; ++c) {  // GPT-2's byte characters
    const bool printable = (c >= '!' && c <= '~') || (c >= 0xa1 && c <= 0xac) || c >= 0xae;
    const unsigned point = printable ? c : next++;
    std::string s;
    if (point < 0x80) {
      s += static_cast<char>(point);
    } else {
      s += static_cast<char>(0xc0 | (point >> 6));
      s += static_cast<char>(0x80 | (point & 0x3f));
    }
    tokens.push_back(s);
    types.push_back(1);
  }
  for (const char* s : {"th", "the", "<|end|>", "<|start|>"}) {
    tokens.emplace_back(s);
    types.push_back(s[0] == '<' ? 3 : 1);
  }
  b.texts("tokenizer.ggml.tokens", tokens);
  b.wholes("tokenizer.ggml.token_type", types);
  b.texts("tokenizer.ggml.merges", {"t h", "th e"});
  b.whole("tokenizer.ggml.eos_token_id", 258);
  b.whole("tokenizer.ggml.bos_token_id", 259);

  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  const auto add = [&](const std::string& name, std::uint64_t rows, std::uint64_t cols) {
    if (o.super_blocks() && rows != 1) {
      const bool mixed = !name.starts_with("blk.") || name.ends_with("attn_v.weight");
      const std::uint32_t type = mixed ? 14 : o.type;
      b.tensor(name, {cols, rows}, type, random_super_blocks(type, rows * cols / 256, random));
      return;
    }
    if (o.type != 0 && rows != 1 && name.starts_with("blk.")) {
      b.tensor(name, {cols, rows}, o.type, random_blocks(o.type, rows * cols / 32, random));
      return;
    }
    std::vector<float> v(rows * cols);
    for (float& x : v)
      x = rows == 1 ? 1.0f + 0.1f * normal(random)
                    : normal(random) / std::sqrt(static_cast<float>(cols));
    b.floats(name,
             rows == 1 ? std::vector<std::uint64_t>{cols} : std::vector<std::uint64_t>{cols, rows},
             v);
  };
  add("token_embd.weight", 260, width);
  add("output_norm.weight", 1, width);
  for (const char* l : {"blk.0.", "blk.1."}) {
    const std::string prefix = l;
    add(prefix + "attn_norm.weight", 1, width);
    add(prefix + "ffn_norm.weight", 1, width);
    add(prefix + "attn_q.weight", width, width);
    add(prefix + "attn_k.weight", width / 2, width);
    add(prefix + "attn_v.weight", width / 2, width);
    add(prefix + "attn_output.weight", width, width);
    add(prefix + "ffn_gate.weight", hidden, width);
    add(prefix + "ffn_up.weight", hidden, width);
    add(prefix + "ffn_down.weight", width, hidden);
  }
  if (o.separate_head) add("output.weight", 260, width);
  if (o.llama3_scaling) b.floats("rope_freqs.weight", {8}, std::vector<float>(8, 2.0f));
  return b;
}

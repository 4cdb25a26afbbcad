// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Random numbers of a period that is a prime, repeated: making 100 million of them would take
// longer than packing them, and rows begin at different places of the period.
#include "files/random_model.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "files/levels.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/pack/element_kind.hpp"

namespace llama {

using sparsellm::half;
using sparsellm::narrow;
using sparsellm::require;
using sparsellm::value_error;

namespace {

constexpr std::size_t period = 262139;      // blocks of a type
constexpr std::size_t different_rows = 61;  // that tensors begin at

std::vector<std::size_t> parse_numbers(const std::string& text) {
  std::vector<std::size_t> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    std::size_t n = 0;
    const auto [next, error] = std::from_chars(at, end, n);
    if (error != std::errc() || (next != end && *next != ',')) return {};
    numbers.push_back(n);
    at = next == end ? end : next + 1;
  }
  return numbers;
}

// One block of the type, for weights of that standard deviation.
void write_block(tensor_type type, float deviation, std::mt19937& random, std::byte* block) {
  const auto put = [&](std::size_t at, auto value) {
    std::memcpy(block + at, &value, sizeof(value));
  };
  if (type == tensor_type::f32 || type == tensor_type::f16 || type == tensor_type::bf16) {
    const float x = std::normal_distribution<float>(0.0f, deviation)(random);
    if (type == tensor_type::f32)
      put(0, x);
    else if (type == tensor_type::f16)
      put(0, narrow<half>(x));
    else
      put(0, narrow<sparsellm::bfloat16>(x));
    return;
  }
  // Levels of equal likelihood: their deviation is range / sqrt(12).
  const tensor_type_info& info = *info_of(static_cast<std::uint32_t>(type));
  const bool affine = type == tensor_type::q4_1 || type == tensor_type::q5_1;
  const std::size_t head = info.block == 256 ? 0 : affine ? 4 : 2;
  for (std::size_t b = head; b < info.bytes; ++b)
    put(b, static_cast<std::uint8_t>(random() & 0xff));
  const auto levels = static_cast<float>(1 << sparsellm::bits_of(storage_of(type)));
  const float half_range = (levels - 1) / 2;
  // The numbers of IQ4_NL's table have a root mean square of 67.4.
  const float scale =
      type == tensor_type::iq4_nl ? deviation / 67.4f : deviation * std::sqrt(12.0f) / levels;
  const auto put_half = [&](std::size_t at, float x) { put(at, narrow<half>(x)); };
  if (type == tensor_type::q6_k) {
    for (std::size_t b = 192; b < 208; ++b) put(b, std::int8_t{32});
    put_half(208, scale / 32);
  } else if (info.block == 256) {  // six bits each of scales and minima: all are 32
    put_half(0, scale / 32);
    put_half(2, half_range * scale / 32);
    for (std::size_t b = 4; b < 16; ++b) put(b, static_cast<std::uint8_t>(b < 12 ? 0xa0 : 0));
  } else {
    put_half(0, scale);
    if (affine) put_half(2, -half_range * scale);
  }
}

sparsellm::buffer<std::byte> random_rows(tensor_type type, std::size_t rows, std::size_t cols) {
  const tensor_type_info& info = *info_of(static_cast<std::uint32_t>(type));
  sparsellm::buffer<std::byte> bytes(rows * cols / info.block * info.bytes);
  std::mt19937 random(static_cast<std::uint32_t>(cols));
  const float deviation = 1.0f / std::sqrt(static_cast<float>(cols));
  const std::size_t first = std::min(bytes.size(), period * info.bytes);
  for (std::size_t at = 0; at < first; at += info.bytes)
    write_block(type, deviation, random, bytes.data() + at);
  for (std::size_t at = first; at < bytes.size(); at += first)
    std::memcpy(bytes.data() + at, bytes.data(), std::min(first, bytes.size() - at));
  return bytes;
}

}  // namespace

model_shape parse_shape(const std::string& text) {
  static const std::map<std::string, model_shape> known = {
      {"1b", {16, 2048, 8192, 32, 8}},    {"3b", {28, 3072, 8192, 24, 8}},
      {"7b", {32, 4096, 11008, 32, 32}},  {"8b", {32, 4096, 14336, 32, 8}},
      {"13b", {40, 5120, 13824, 40, 40}}, {"70b", {80, 8192, 28672, 64, 8}}};
  if (const auto at = known.find(text); at != known.end()) return at->second;
  const std::vector<std::size_t> n = parse_numbers(text);
  require<value_error>(
      n.size() == 5,
      "--shape: 1b, 3b, 7b, 8b, 13b, 70b or LAYERS,WIDTH,HIDDEN,HEADS,KV expected, got "
      "'",
      text, "'");
  const model_shape s{n[0], n[1], n[2], n[3], n[4]};
  const auto fits = [](std::size_t size, std::size_t most) { return size >= 1 && size <= most; };
  require<value_error>(fits(s.layers, 1024) && fits(s.width, 65536) && fits(s.hidden, 262144),
                       "--shape: 1 to 1024 layers, a width up to 65536 and a hidden size up to "
                       "262144 expected, got '",
                       text, "'");
  require<value_error>(s.width % 32 == 0 && s.hidden % 32 == 0,
                       "--shape: multiples of 32 expected, got a width of ", s.width,
                       " and a hidden size of ", s.hidden);
  require<value_error>(s.heads >= 1 && s.width % s.heads == 0 && s.width / s.heads % 2 == 0,
                       "--shape: heads of an even size that fill the width expected, got ", s.heads,
                       " heads for ", s.width, " channels");
  require<value_error>(s.kv_heads >= 1 && s.heads % s.kv_heads == 0, "--shape: ", s.heads,
                       " heads cannot share ", s.kv_heads, " key-value heads");
  return s;
}

random_model::random_model(const std::string& name, const model_shape& s, tensor_type type)
    : model_file("random model"), type_(type), ones_(s.width) {
  const tensor_type_info& info = *info_of(static_cast<std::uint32_t>(type));
  require<value_error>(s.width % info.block == 0 && s.hidden % info.block == 0,
                       "--shape: ", info.name, " takes multiples of ", info.block,
                       ", got a width of ", s.width, " and a hidden size of ", s.hidden);
  const std::size_t kv_width = s.width / s.heads * s.kv_heads;
  std::fill_n(ones_.data(), s.width, 1.0f);
  std::map<std::size_t, std::size_t> most_rows;  // by the number of columns
  most_rows[s.hidden] = s.width;
  most_rows[s.width] = std::max({vocabulary, s.hidden, s.width});
  for (const auto& [cols, rows] : most_rows)
    rows_[cols] = random_rows(type, rows + different_rows, cols);

  using whole = std::uint64_t;
  add("general.architecture", std::string("llama"));
  add("general.name", "random " + name);
  add("llama.block_count", whole{s.layers});
  add("llama.embedding_length", whole{s.width});
  add("llama.feed_forward_length", whole{s.hidden});
  add("llama.attention.head_count", whole{s.heads});
  add("llama.attention.head_count_kv", whole{s.kv_heads});
  add("llama.attention.layer_norm_rms_epsilon", 1e-5);
  add("llama.context_length", whole{4096});
  std::vector<std::string> tokens(vocabulary);
  for (std::size_t i = 0; i < vocabulary; ++i) tokens[i] = "<" + std::to_string(i) + ">";
  add("tokenizer.ggml.model", std::string("llama"));
  add("tokenizer.ggml.tokens", std::move(tokens));
  add("tokenizer.ggml.token_type", std::vector<std::int64_t>(vocabulary, 1));
  add("tokenizer.ggml.scores", std::vector<double>(vocabulary, 0.0));

  add_weight("token_embd", vocabulary, s.width);
  add_weight("output", vocabulary, s.width);
  add_norm("output_norm", s.width);
  for (std::size_t l = 0; l < s.layers; ++l) {
    const std::string block = "blk." + std::to_string(l) + ".";
    add_norm(block + "attn_norm", s.width);
    add_norm(block + "ffn_norm", s.width);
    add_weight(block + "attn_q", s.width, s.width);
    add_weight(block + "attn_k", kv_width, s.width);
    add_weight(block + "attn_v", kv_width, s.width);
    add_weight(block + "attn_output", s.width, s.width);
    add_weight(block + "ffn_gate", s.hidden, s.width);
    add_weight(block + "ffn_up", s.hidden, s.width);
    add_weight(block + "ffn_down", s.width, s.hidden);
  }
}

void random_model::add_weight(const std::string& name, std::size_t rows, std::size_t cols) {
  const tensor_type_info& info = *info_of(static_cast<std::uint32_t>(type_));
  const std::size_t row_bytes = cols / info.block * info.bytes;
  const std::size_t first = tensors().size() % different_rows;
  add({name + ".weight", type_, rows, cols, rows_.at(cols).data() + first * row_bytes,
       rows * row_bytes});
}

void random_model::add_norm(const std::string& name, std::size_t width) {
  add({name + ".weight", tensor_type::f32, 1, width,
       reinterpret_cast<const std::byte*>(ones_.data()), width * sizeof(float)});
}

}  // namespace llama

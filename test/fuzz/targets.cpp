// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/targets.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "files/checkpoint.hpp"
#include "files/checkpoint_config.hpp"
#include "files/config.hpp"
#include "files/dequantize.hpp"
#include "files/gguf.hpp"
#include "files/tokenizer.hpp"
#include "files/tokenizer_json.hpp"
#include "methods/search_state.hpp"
#include "sparsellm/calibrate/counts_json.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/pack/efficiency_table.hpp"

void fuzz_gguf(const std::uint8_t* data, std::size_t size) {
  const std::string_view whole(reinterpret_cast<const char*>(data), size);
  // Parts of a split model stand one behind the other, each in memory of its own.
  std::vector<std::vector<std::byte>> parts;
  for (std::size_t first = 0, last = 0; last < size; first = last) {
    last = std::min(whole.find("GGUF", first + 1), size);
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    parts.emplace_back(bytes + first, bytes + last);
  }
  if (parts.empty()) return;
  const auto part = [&](std::size_t n) {
    const auto& bytes = parts[std::min(n, parts.size() - 1)];
    return llama::bytes_view{bytes.data(), bytes.size()};
  };
  try {
    const llama::gguf file(part(0).data, part(0).size,
                           [&](std::size_t n, std::size_t) { return part(n); });
    for (const llama::tensor& t : file.tensors()) {
      std::vector<float> row(t.cols);
      llama::dequantize_row(t, 0, row);
      llama::dequantize_row(t, t.rows - 1, row);
    }
    try {
      check_tensors(file, llama::read_config(file));
    } catch (const sparsellm::error&) {
    }
    const llama::tokenizer t(file);
    (void)t.decode(t.encode("The history of 1,234 caf\xc3\xa9s \xff<|end|>\n\n don't"));
  } catch (const sparsellm::error&) {
  }
}

void fuzz_table(const std::uint8_t* data, std::size_t size) {
  try {
    const auto table = sparsellm::table_from_json({reinterpret_cast<const char*>(data), size});
    const std::string text = to_json(table);
    if (to_json(sparsellm::table_from_json(text)) != text) std::abort();
  } catch (const sparsellm::error&) {
  }
}

void fuzz_counts(const std::uint8_t* data, std::size_t size) {
  try {
    auto counts = sparsellm::counts_from_json({reinterpret_cast<const char*>(data), size});
    const std::string text = to_json(counts);
    if (to_json(sparsellm::counts_from_json(text)) != text) std::abort();
    for (const sparsellm::site_counts& s : counts.sites)
      if (sparsellm::compact_histogram(s.values.expand()).text() != s.values.text()) std::abort();
    counts.merge(sparsellm::counts_from_json(text));
  } catch (const sparsellm::error&) {
  }
}

void fuzz_layouts(const std::uint8_t* data, std::size_t size) {
  try {
    const auto table = sparsellm::parse_efficiencies({reinterpret_cast<const char*>(data), size});
    const std::string text = to_text(table);
    if (to_text(sparsellm::parse_efficiencies(text)) != text) std::abort();
    for (const sparsellm::efficiency_table::row& r : table.rows())
      if (!(r.efficiencies.floats.at(4096) <= 1.0)) std::abort();
  } catch (const sparsellm::error&) {
  }
}

// A checkpoint's shard, beside fixed texts.
void fuzz_checkpoint(const std::uint8_t* data, std::size_t size) {
  static const llama::checkpoint_texts texts{
      R"({"model_type":"llama","num_hidden_layers":1,"hidden_size":8,"intermediate_size":8,)"
      R"("num_attention_heads":2,"num_key_value_heads":1,"max_position_embeddings":8,)"
      R"("rms_norm_eps":1e-5,"vocab_size":2,"tie_word_embeddings":true})",
      R"({"model":{"vocab":{"a":0,"b":1},"merges":[]},"pre_tokenizer":{"type":"ByteLevel"}})", "",
      "", "fuzzed"};
  try {
    const llama::checkpoint file(texts, {{reinterpret_cast<const std::byte*>(data), size}});
    for (const llama::tensor& t : file.tensors()) {
      std::vector<float> row(t.cols);
      llama::dequantize_row(t, 0, row);
      llama::dequantize_row(t, t.rows - 1, row);
    }
    check_tensors(file, llama::read_config(file));
  } catch (const sparsellm::error&) {
  }
}

void fuzz_config(const std::uint8_t* data, std::size_t size) {
  // config.json, and behind a zero byte generation_config.json.
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(text.find('\0'), text.size());
  try {
    (void)llama::read_checkpoint_config(std::string(text.substr(0, cut)),
                                        std::string(text.substr(std::min(cut + 1, text.size()))),
                                        "fuzzed");
  } catch (const sparsellm::error&) {
  }
}

void fuzz_tokenizer(const std::uint8_t* data, std::size_t size) {
  // tokenizer.json, and behind a zero byte tokenizer_config.json.
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(text.find('\0'), text.size());
  try {
    const llama::tokenizer t(llama::read_tokenizer_json(
        std::string(text.substr(0, cut)), std::string(text.substr(std::min(cut + 1, text.size()))),
        {0, {1}, 4}));
    (void)t.decode(t.encode("Thh a <|end|> 12 \xff\xc3\xa9T\n"));
  } catch (const sparsellm::error&) {
  }
}

void fuzz_search(const std::uint8_t* data, std::size_t size) {
  try {
    (void)llama::parse_search({reinterpret_cast<const char*>(data), size}, "made from it",
                              std::vector<double>(llama::projections.size(), 1.0));
  } catch (const sparsellm::error&) {
  }
}

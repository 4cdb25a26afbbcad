// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/targets.hpp"

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "config.hpp"
#include "dequantize.hpp"
#include "gguf.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/core/error.hpp"
#include "tokenizer.hpp"

void fuzz_gguf(const std::uint8_t* data, std::size_t size) {
  try {
    const llama::gguf file(reinterpret_cast<const std::byte*>(data), size);
    for (const llama::tensor& t : file.tensors()) {
      std::vector<float> row(t.cols);
      llama::dequantize_row(t, 0, row);
      llama::dequantize_row(t, t.rows - 1, row);
    }
    try {
      (void)llama::read_config(file);
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

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// What tokenizer_oracle.py compares: {"tokenizer": {...}, "texts": [...]} in, a list of ids for
// each text out, or what the tokenizer is refused with.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "files/tokenizer.hpp"
#include "files/tokenizer_json.hpp"
#include "sparsellm/core/error.hpp"

int main() {
  const auto asked = nlohmann::json::parse(std::cin);
  nlohmann::json ids = nlohmann::json::array();
  try {
    const llama::tokenizer t(llama::read_tokenizer_json(asked["tokenizer"].dump(), "", {}));
    for (const std::string text : asked["texts"]) ids.push_back(t.encode(text));
  } catch (const sparsellm::error& e) {
    ids = e.what();
  }
  std::cout << ids << "\n";
}

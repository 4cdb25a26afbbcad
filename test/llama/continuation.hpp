// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Greedy text, and the reference's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "catch2_any.hpp"
#include "llama/real_model.hpp"
#include "model/generation.hpp"
#include "model/session.hpp"

// 32 tokens after the prompt; positions below dense_prefix use every channel.
inline std::vector<std::int32_t> greedy_continuation(real_model& r, const llama::window& prompt,
                                                     std::size_t dense_prefix) {
  llama::session s(r.exec, r.m, prompt.size(), prompt.size() + 32);
  llama::sampler greedy(0.0, 0);
  return llama::generate(s, prompt, 32, dense_prefix, {}, greedy, nullptr, quiet,
                         [](std::int32_t) {})
      .ids;
}

// The generated tokens agree up to the first step that rounding may decide.
inline void check_continuation(const std::vector<std::int32_t>& got,
                               const nlohmann::json& expected) {
  for (std::size_t i = 0; i < expected["ids"].size(); ++i) {
    if (expected["top1_margin"][i].get<double>() < 0.1) return;
    INFO("step " << i);
    REQUIRE(got[i] == expected["ids"][i].get<std::int32_t>());
  }
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The keys that model files may have without being read, each with the reason that it changes no
// result here. docs/files.md shows the lists; a test compares.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace llama {

// name: exact, or everything that begins with it when it ends in '*'.
struct known_key {
  std::string_view name, reason;
};

// nullptr when no entry is for the key.
[[nodiscard]] const known_key* find_key(std::span<const known_key> keys,
                                        std::string_view key) noexcept;

[[nodiscard]] std::span<const known_key> harmless_config_keys() noexcept;
[[nodiscard]] std::span<const known_key> harmless_generation_keys() noexcept;
[[nodiscard]] std::span<const known_key> harmless_tokenizer_keys() noexcept;
[[nodiscard]] std::span<const known_key> harmless_tokenizer_config_keys() noexcept;
// GGUF's metadata: those that are read, and the harmless ones; those that begin with the
// architecture as they are in a file of the architecture llama.
[[nodiscard]] std::span<const std::string_view> read_metadata_keys() noexcept;
[[nodiscard]] std::span<const known_key> harmless_metadata_keys() noexcept;
// A key of a file of this architecture as it is called in these lists.
[[nodiscard]] std::string as_listed(const std::string& key, const std::string& architecture);

}  // namespace llama

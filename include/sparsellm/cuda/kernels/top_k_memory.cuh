// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the choice of the k largest of a wide vector keeps in the device's memory from one of its
// kernels to the next, and how inputs are cut. Without CUB: workspace_bytes() needs the sizes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {

inline constexpr unsigned select_threads = 1024;
// Up to so many channels a token is chosen by one block: it keeps 14 keys a thread in registers
// (with 16 some spill) and reads x once, in one launch of a few microseconds. Many blocks need six
// launches that wait for each other, which cost more than that until a block has more to read than
// its registers hold. Llama's widths up to 14,336 are below, 28,672 is above. Tokens have blocks of
// their own anyway.
inline constexpr unsigned one_block_keys = 14, one_block_channels = one_block_keys * select_threads;
inline constexpr unsigned narrow_keys = 4;  // of a thread, up to 4096 channels
// Of a wide token. More do not help: what takes the time is six launches.
inline constexpr unsigned most_chunks = 64;
// Wide tokens that are chosen at once; more take turns.
inline constexpr std::size_t wide_tokens_at_once = 32;

// Keys have 32 bits: digits of 11, 11 and 10, the highest first.
inline constexpr unsigned key_passes = 3, key_digits = 1u << 11;

// What is known of the last key that stays.
struct key_rank {
  std::uint32_t prefix;  // its bits, as far as they are known
  unsigned wanted;       // how many of the keys that begin with it stay
};
// Of one token, zero at first.
struct wide_choice {
  unsigned long long chunk[most_chunks];   // keys above the last (upper 32 bits) and equal to it
  unsigned found[key_passes][key_digits];  // keys of each digit
  key_rank at[key_passes + 1];             // before each pass, and when all is known
};

[[nodiscard]] constexpr std::size_t top_k_scratch(std::size_t inputs, std::size_t tokens) {
  return inputs <= one_block_channels ? 0
                                      : std::min(tokens, wide_tokens_at_once) * sizeof(wide_choice);
}

}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

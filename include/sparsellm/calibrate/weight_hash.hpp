// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A 64-bit fingerprint of a model's weights, so that thresholds are not used with other weights.
// Not cryptographic: it tells mistakes apart, not forgeries. Little-endian words, four independent
// FNV-style lanes (in a single one the latency of the multiplication would limit it to one or two
// bytes per cycle).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// 16 digits: how tables and messages show a fingerprint.
[[nodiscard]] inline std::string hexadecimal(std::uint64_t hash) {
  std::string digits(16, '0');
  for (std::size_t i = 16; i-- > 0; hash >>= 4) digits[i] = "0123456789abcdef"[hash & 15];
  return digits;
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The hash of tensors that are added one after the other.
class weight_hash {
 public:
  // Adds one tensor's bytes. The hash depends on where one tensor ends and the next begins.
  void add(const void* data, std::size_t bytes) noexcept {
    std::uint64_t lanes[4] = {state_, state_ + 1, state_ + 2, state_ + 3};
    const auto* p = static_cast<const unsigned char*>(data);
    std::size_t i = 0;
    for (; i + 32 <= bytes; i += 32)
      for (int lane = 0; lane < 4; ++lane)
        lanes[lane] = mix(lanes[lane], whole_word(p + i + 8 * lane));
    for (; i < bytes; i += 8) lanes[0] = mix(lanes[0], word(p + i, bytes - i < 8 ? bytes - i : 8));
    for (const std::uint64_t lane : lanes) state_ = mix(state_, lane);
    state_ = mix(state_, bytes);
  }

  // The hash of what was added so far.
  [[nodiscard]] std::uint64_t value() const noexcept { return state_; }

 private:
  // One load, where the compiler would not make one of eight bytes.
  [[nodiscard]] static std::uint64_t whole_word(const unsigned char* p) noexcept {
    if constexpr (std::endian::native != std::endian::little) return word(p, 8);
    std::uint64_t w;
    std::memcpy(&w, p, sizeof w);
    return w;
  }
  [[nodiscard]] static std::uint64_t word(const unsigned char* p, std::size_t bytes) noexcept {
    std::uint64_t w = 0;
    for (std::size_t b = 0; b < bytes; ++b) w |= std::uint64_t{p[b]} << (8 * b);
    return w;
  }
  [[nodiscard]] static std::uint64_t mix(std::uint64_t h, std::uint64_t w) noexcept {
    h = (h ^ w) * 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio, odd
    return h ^ (h >> 32);
  }
  std::uint64_t state_ = 0xcbf29ce484222325u;  // FNV-1a's offset basis
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

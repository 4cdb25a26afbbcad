// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// LZ4-block and Zstandard decoders, enough for fatbin payloads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cudasim {
/// Both return an empty vector when the input is malformed.
std::vector<std::uint8_t> lz4_decompress(const std::uint8_t* src, std::size_t n,
                                         std::size_t out_size);
std::vector<std::uint8_t> zstd_decompress(const std::uint8_t* src, std::size_t n,
                                          std::size_t out_size);
}  // namespace cudasim

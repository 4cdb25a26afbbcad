// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The numbers that kernels and products are tuned by, a struct for each family. Comments say what
// was measured, or what limits the number.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0::detail {

// Bytes of a small batch's sums that a task goes through all channels with before the next outputs:
// half of the smallest L2 of servers, for the weights pass through it too. The fewer the tokens
// are, the longer are the runs that are read of a channel; with runs of 4 KiB whatever their number
// a batch of two on 14336 outputs took longer than with 64 KiB.
inline constexpr std::size_t batch_sum_bytes = std::size_t{256} << 10;

struct brick_tuning {
  // The largest batch of channel_major that skips: its sums stay in the caches, and a larger one
  // has hardly a channel that is dead in all tokens.
  static constexpr std::size_t skipping_batch = 16;
  // From this batch on, instruction sets with a bfloat16 dot product use it for bfloat16 weights,
  // and activations are rounded to bfloat16. Smaller batches are memory-bound and gain nothing.
  static constexpr std::size_t rounded_batch = skipping_batch + 1;
  // Strips that a task reads of a channel at least, where there are more threads than parts: runs
  // of 4 KiB of bfloat16 are still long.
  static constexpr std::size_t run_strips = 64;
  // Strips that a task of a batch reads of a channel at least.
  static constexpr std::size_t shortest_batch_run = 16;
  // A large batch reads channel_major in blocks of so many channels, a KiB of each one's run: few
  // enough that channels a power of two apart, which share sets of L2, find room there twice.
  static constexpr std::size_t tile_channels = 32;
  template <class T>
  static constexpr std::size_t tiled_strips = 32 / sizeof(T);
  // How many strips ahead in a channel's run a brick is prefetched, and so one page at most:
  // further than that hardware prefetchers go on by themselves.
  static constexpr std::size_t run_ahead = 10;
};

struct tile_tuning {
  // Channels whose weights are a block in L1, beside the tokens' that pass by.
  static constexpr std::size_t block_channels = 256;
  // Tokens and strips whose sums, and those tokens' block of channels, stay in L2.
  static constexpr std::size_t block_tokens = 512;
  static constexpr std::size_t strips_at_once = 8;
};

struct quantized_tuning {
  // As brick_tuning's.
  static constexpr std::size_t skipping_batch = 16;
  static constexpr std::size_t run_bytes = 2048;
  // How many strips ahead in a channel's run its levels are prefetched.
  static constexpr std::size_t run_ahead = 8;
  // Tokens whose levels of a block are kept between the two passes of rounding.
  static constexpr std::size_t tokens_at_once = 16;
  // Channels whose levels are made rows of tiles at a time, at least a block's, to stay in L2.
  static constexpr std::size_t channels_at_once = 256;
  // From this batch on tiles are used, where the instruction set has them. The bits are the same,
  // so only speed decides: on a Xeon they were faster than VNNI here; below it was not measured.
  static constexpr std::size_t tile_batch = skipping_batch + 1;
  // Two pages ahead in a stream: past the boundary where hardware prefetchers stop.
  static constexpr std::size_t stream_distance = 8192;
};

struct nm_tuning {
  // From this batch on weights are expanded into bricks once for all tokens.
  static constexpr std::size_t expanding_batch = 17;
  // Bytes of bricks at a time, for them to stay in the last-level cache.
  static constexpr std::size_t expanded_bytes = std::size_t{6} << 20;
  // Cells whose activations share a scale where they are rounded: 512 lanes.
  static constexpr std::size_t chunk_cells = 8;
};

struct bitmap_tuning {
  static constexpr std::size_t expanding_batch = nm_tuning::expanding_batch;
  // Neighbouring channels whose activations share a scale and are summed as integers before they
  // become floats: 512 products of 7 bits by 15 are the most that 32 bits hold.
  static constexpr std::size_t level_channels = 512;
  // Words that a task of a batch reads of a channel at least.
  static constexpr std::size_t shortest_batch_run = 8;
  // How far ahead in a channel its values are prefetched.
  static constexpr std::size_t ahead_bytes = 640;
  // Words of 64 outputs that a task reads of a channel at least.
  static constexpr std::size_t run_words = 32;
};

struct vector_tuning {
  // Floats that one thread adds or gates: below that a fork costs more.
  static constexpr std::size_t serial_sums = 16384;
  static constexpr std::size_t serial_gates = 4096;
};

// Of activations that are multiplied as integers: the largest level, whose high and low byte both
// fit a signed byte; and the bound below which a block whose |x| are all smaller counts as zero,
// because the scale's inverse would overflow.
inline constexpr float activation_levels = 32512.0f;
inline constexpr float least_activation = 0x1p-100f;

}  // namespace sparsellm::inline v0::detail

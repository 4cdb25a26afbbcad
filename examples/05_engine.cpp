// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// sparsellm inside an engine that has everything already: its own threads, its own memory, weights
// as the bytes of a GGUF file, and q, k and v with a threshold each.
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "sparsellm/sparsellm.hpp"

using namespace sparsellm;
using format = channel_major<q4_1>;

constexpr extents shape{3 * 256, 256};  // q, k and v stacked
constexpr std::size_t threads = 4;

// What a file would hold: blocks of a scale, a minimum and 32 levels of 4 bits.
std::vector<std::byte> gguf_blocks(std::mt19937& random) {
  std::vector<std::byte> bytes(shape.outputs * shape.inputs / 32 * gguf_block<q4_1>::bytes);
  for (std::size_t b = 0; b < bytes.size(); b += gguf_block<q4_1>::bytes) {
    const std::uint16_t scale = narrow<half>(0.02f).bits, minimum = narrow<half>(-0.15f).bits;
    const std::uint16_t numbers[] = {scale, minimum};
    for (std::size_t i = 0; i < 4; ++i)
      bytes[b + i] = static_cast<std::byte>(numbers[i / 2] >> (8 * (i % 2)));
    for (std::size_t i = 4; i < gguf_block<q4_1>::bytes; ++i)
      bytes[b + i] = static_cast<std::byte>(random());
  }
  return bytes;
}

int main() {
  std::mt19937 random(2);
  // Packing on the engine's threads: whatever runs body(0) to body(count - 1) will do.
  cpu::borrowed_executor pool(threads, [](std::size_t count, const auto& body) {
    std::vector<std::thread> team;
    for (std::size_t i = 0; i < count; ++i) team.emplace_back([&body, i] { body(i); });
    for (std::thread& t : team) t.join();
  });
  const std::vector<std::byte> blocks = gguf_blocks(random);
  const auto packed = pack<format>(pool, vector_view<const std::byte>(blocks), shape);

  // The engine's own memory: an arena, a mapped file. The library says how much, and checks.
  const std::size_t bytes = storage_bytes<format>(shape);
  buffer<std::byte> arena(bytes);
  std::memcpy(arena.data(), packed.storage_view().data(), bytes);
  const auto weight = view_of<format>(vector_view<const std::byte>(arena), shape);

  // Thresholds from a table, by site.
  threshold_table table;
  table.add({{0, "q"}, {256, 256}, 0.5, 0.70f});
  table.add({{0, "k"}, {256, 256}, 0.6, 0.85f});
  table.add({{0, "v"}, {256, 256}, 0.3, 0.40f});
  section<teal> sections[3];
  for (std::size_t p = 0; p < 3; ++p) {
    const char* const names[] = {"q", "k", "v"};
    sections[p] = {p * 256, (p + 1) * 256, {magnitude{}, above{table.at({0, names[p]}).threshold}}};
  }
  const stacked<teal> keep{sections, 3};

  std::vector<float> x(shape.inputs), y(shape.outputs), whole(shape.outputs);
  std::normal_distribution<float> normal;
  for (float& v : x) v = normal(random);

  // A decode step: every thread of the engine multiplies its slice, on memory of its own.
  std::vector<cpu::serial_executor> own(threads);
  std::vector<std::thread> team;
  for (std::size_t t = 0; t < threads; ++t)
    team.emplace_back([&, t] {
      multiply_slice(own[t], weight, slice_of(shape, t, threads), keep, vector_view<const float>(x),
                     y);
    });
  for (std::thread& t : team) t.join();

  multiply(pool, weight, keep, x, whole);
  const bool same = std::memcmp(y.data(), whole.data(), y.size() * sizeof(float)) == 0;
  std::printf("q[0] %.4f, k[0] %.4f, v[0] %.4f; slices and the whole agree to the bit: %s\n",
              static_cast<double>(y[0]), static_cast<double>(y[256]), static_cast<double>(y[512]),
              same ? "yes" : "no");
  return same ? 0 : 1;
}

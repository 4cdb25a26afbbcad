// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What each byte of a packed weight is for, found out by changing it and unpacking: script/drawings
// draws docs/formats.md's pictures of it. Prints a JSON array of formats, each with its pieces:
// runs of bytes of one kind that belong to the same outputs and channels.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "sparsellm/sparsellm.hpp"

using namespace sparsellm;

namespace {

struct range {
  std::size_t first = 0, last = 0;  // both are part of it
  friend bool operator==(const range&, const range&) = default;
};

// A run of bytes, or one byte.
struct piece {
  std::string kind;
  std::size_t byte = 0, bytes = 1;
  range outputs, channels;
};

template <class F>
std::vector<float> unpacked(const std::byte* storage, extents shape) {
  std::vector<float> all(shape.outputs * shape.inputs);
  const auto view = F::make_view(storage, shape);
  for (std::size_t r = 0; r < shape.outputs; ++r)
    F::unpack_row(view, r, vector_view<float>(all.data() + r * shape.inputs, shape.inputs));
  return all;
}

// What a byte is for, from the weights before and after it changed.
piece read_off(const std::vector<float>& before, const std::vector<float>& after, extents shape,
               bool pruned) {
  piece p;
  std::size_t changed = 0;
  bool zeros_moved = false, alike = true;  // alike: all of a block by the same amount
  float by = 0;
  std::size_t block = before.size();
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (std::memcmp(&before[i], &after[i], sizeof(float)) == 0) continue;
    const std::size_t o = i / shape.inputs, c = i % shape.inputs;
    if (changed++ == 0) {
      p.outputs = {o, o};
      p.channels = {c, c};
    }
    if (i / 16 != block) {
      block = i / 16;
      by = after[i] - before[i];
    }
    p.outputs.last = std::max(p.outputs.last, o);
    p.channels = {std::min(p.channels.first, c), std::max(p.channels.last, c)};
    zeros_moved = zeros_moved || (before[i] == 0) != (after[i] == 0);
    alike = alike && std::fabs(after[i] - before[i] - by) < 1e-3f * std::fabs(by);
  }
  if (changed == 0)
    p.kind = "padding";
  else if (pruned)
    p.kind = changed == 1 ? "value" : zeros_moved ? "mask" : "scale";
  else if (p.channels.first == p.channels.last)
    p.kind = "value";
  else
    p.kind = alike ? "minimum" : "scale";
  return p;
}

// Whether b goes on where a ends: the same channels and the next outputs, or the same output.
bool continues(const piece& a, const piece& b) {
  if (a.kind != b.kind) return false;
  if (a.kind == "padding") return true;
  return a.channels == b.channels || (a.outputs == b.outputs && a.outputs.first == a.outputs.last);
}

template <class F>
void print_map(const char* name, const packed_matrix<F>& weight, bool last = false) {
  const extents shape = weight.shape();
  const std::size_t bytes = F::bytes(shape);
  buffer<std::byte> storage(bytes + F::slack_bytes);
  std::memcpy(storage.data(), weight.storage_view().data(), bytes);
  const std::vector<float> before = unpacked<F>(storage.data(), shape);
  // A channel_bitmap begins with where its channels begin and how many values they keep; changed,
  // these would lead anywhere.
  std::size_t first = 0;
  std::vector<piece> pieces;
  if constexpr (F::layout == layout_kind::channel_bitmap) {
    const auto view = F::make_view(storage.data(), shape);
    const auto place = [&](const auto* p) {
      return static_cast<std::size_t>(reinterpret_cast<const std::byte*>(p) - storage.data());
    };
    first = place(view.data);
    const range all{0, shape.inputs - 1};
    pieces.push_back({"line", 0, place(view.ends), {}, all});
    pieces.push_back({"count", place(view.ends), first - place(view.ends), {}, all});
  }
  // More is not drawn.
  const std::size_t end = std::min(bytes, 80 * packed_alignment);
  for (std::size_t b = first; b < end; ++b) {
    storage[b] ^= std::byte{0xff};
    piece now = read_off(before, unpacked<F>(storage.data(), shape), shape, is_pruned(F::layout));
    storage[b] ^= std::byte{0xff};
    now.byte = b;
    if (!pieces.empty() && continues(pieces.back(), now) && b % packed_alignment != 0) {
      piece& run = pieces.back();
      run.bytes += 1;
      run.outputs = {std::min(run.outputs.first, now.outputs.first),
                     std::max(run.outputs.last, now.outputs.last)};
      run.channels = {std::min(run.channels.first, now.channels.first),
                      std::max(run.channels.last, now.channels.last)};
    } else {
      pieces.push_back(now);
    }
  }
  std::printf("{\"name\": \"%s\", \"outputs\": %zu, \"inputs\": %zu, \"bytes\": %zu, \"pieces\": [",
              name, shape.outputs, shape.inputs, bytes);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const piece& p = pieces[i];
    std::printf(
        "%s\n {\"kind\": \"%s\", \"byte\": %zu, \"bytes\": %zu, \"outputs\": [%zu, %zu], "
        "\"channels\": [%zu, %zu]}",
        i == 0 ? "" : ",", p.kind.c_str(), p.byte, p.bytes, p.outputs.first, p.outputs.last,
        p.channels.first, p.channels.last);
  }
  std::printf("]}%s\n", last ? "" : ",");
}

std::vector<float> numbers(extents shape) {
  std::mt19937 random(1);
  std::vector<float> w(shape.outputs * shape.inputs);
  for (float& v : w) v = static_cast<float>(random() % 1000) / 500 - 1.001f;
  return w;
}

template <class F>
void map(cpu::executor& exec, const char* name, extents shape) {
  const std::vector<float> w = numbers(shape);
  print_map(name, pack<F>(exec, matrix_view<const float>(w.data(), shape.outputs, shape.inputs)));
}

template <class F>
void map_pruned(cpu::executor& exec, const char* name, extents shape, bool last = false) {
  const std::vector<float> w = numbers(shape);
  const matrix_view<const float> weight(w.data(), shape.outputs, shape.inputs);
  print_map(name, pack_masked<F>(exec, weight, best_of_groups(exec, F::pattern, weight)), last);
}

}  // namespace

int main() {
  cpu::executor exec(1);
  std::puts("[");
  map<row_major<bfloat16>>(exec, "row_major<bfloat16>", {4, 40});
  map<panel<bfloat16>>(exec, "panel<bfloat16>", {64, 6});
  map<channel_major<bfloat16>>(exec, "channel_major<bfloat16>", {64, 6});
  map<panel<q8_0>>(exec, "panel<q8_0>", {128, 64});
  map<channel_major<q8_0>>(exec, "channel_major<q8_0>", {128, 64});
  map<panel<q4_1>>(exec, "panel<q4_1>", {256, 64});
  map<channel_major<q4_1>>(exec, "channel_major<q4_1>", {256, 64});
  map<channel_major<q5_1>>(exec, "channel_major<q5_1>", {256, 64});
  map<channel_major<q4_k>>(exec, "channel_major<q4_k>", {128, 256});
  map<channel_major<q5_k>>(exec, "channel_major<q5_k>", {128, 256});
  map<channel_major<q6_k>>(exec, "channel_major<q6_k>", {128, 256});
  map_pruned<n_of_m<bfloat16, 2, 4>>(exec, "n_of_m<bfloat16, 2, 4>", {16, 128});
  map_pruned<n_of_m<std::int8_t, 2, 4>>(exec, "n_of_m<int8_t, 2, 4>", {16, 128});
  map_pruned<channel_bitmap<bfloat16, 2, 4>>(exec, "channel_bitmap<bfloat16, 2, 4>", {128, 8},
                                             true);
  std::puts("]");
}

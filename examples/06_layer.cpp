// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Linear layers as an engine holds them: what the weights are stored as is known only when the
// program runs, a threshold table comes from a file, and q, k and v are one layer.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "sparsellm/sparsellm.hpp"

using namespace sparsellm;

constexpr std::size_t width = 512, heads_width = 512, kv_width = 128;

// What a model's file would tell: "bf16", "q8_0", ….
element_kind element_named(const std::string& wanted) {
  for (const element_kind kind : {element_kind::f32, element_kind::f16, element_kind::bf16,
                                  element_kind::q8_0, element_kind::q4_0, element_kind::q4_1})
    if (name(kind) == wanted) return kind;
  std::fprintf(stderr, "f32, f16, bf16, q8_0, q4_0 or q4_1 expected, got '%s'\n", wanted.c_str());
  std::exit(2);
}

// A table as `sparsellm-llama calibrate` writes one, for the one block of this example.
void write_table(const std::string& path) {
  threshold_table table;
  table.model.name = "example";
  table.add({{0, "q"}, {heads_width, width}, 0.5, 0.65f});
  table.add({{0, "k"}, {kv_width, width}, 0.6, 0.85f});
  table.add({{0, "v"}, {kv_width, width}, 0.3, 0.40f});
  save(table, path);
}

int main(int count, char** arguments) {
  const element_kind element = element_named(count > 1 ? arguments[1] : "bf16");
  cpu::executor exec;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;

  // q on k on v. Rows are asked for one by one, in any order and from several threads, so they may
  // come from a mapped file; here they are all in memory.
  constexpr extents shape{heads_width + 2 * kv_width, width};
  std::vector<float> numbers(shape.outputs * shape.inputs);
  for (float& w : numbers) w = normal(random) / 16;
  const auto row = [&](std::size_t r, vector_view<float> out) {
    std::copy_n(&numbers[r * width], width, out.data());
  };
  // The layout that is fastest when half of the channels are skipped.
  const layout_kind layout = choose_layout(shape, element, 0.5);
  sparse_linear qkv(any_weight(exec, element, layout, shape, row),
                    {heads_width, kv_width, kv_width});

  // A table for other weights is refused: at() compares the shape, and a hash where it has one.
  write_table("06_layer.json");
  const threshold_table table = load_threshold_table("06_layer.json");
  std::remove("06_layer.json");
  qkv.set_thresholds({table.at({0, "q"}, {heads_width, width}).threshold,
                      table.at({0, "k"}, {kv_width, width}).threshold,
                      table.at({0, "v"}, {kv_width, width}).threshold});

  std::vector<float> x(width), dense(shape.outputs), y(shape.outputs);
  for (float& v : x) v = normal(random);
  qkv.dense(exec, x, dense);
  qkv.sparse(exec, x, y);

  const auto change = [&](std::size_t first, std::size_t last) {
    double difference = 0, whole = 0;
    for (std::size_t o = first; o < last; ++o) {
      difference += static_cast<double>((y[o] - dense[o]) * (y[o] - dense[o]));
      whole += static_cast<double>(dense[o] * dense[o]);
    }
    return difference / whole;
  };
  const double q = change(0, heads_width), k = change(heads_width, heads_width + kv_width),
               v = change(heads_width + kv_width, shape.outputs);
  std::printf("%s, %zu bytes: skipping changed q by %.3f, k by %.3f and v by %.3f of its square\n",
              std::string(name(qkv.element())).c_str(), qkv.bytes(), q, k, v);
  return v < q && q < k && k < 0.5 ? 0 : 1;
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Prints a hash of the products of each family, on every instruction set of the machine. Built
// header-only and on sparsellm::compiled: both print the same.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "sparsellm/sparsellm.hpp"

using namespace sparsellm;

namespace {

std::uint64_t hash_of(const std::vector<float>& y) {
  std::uint64_t h = 1469598103934665603u;  // FNV-1a
  for (const float v : y) {
    std::uint32_t bits;
    std::memcpy(&bits, &v, sizeof bits);
    h = (h ^ bits) * 1099511628211u;
  }
  return h;
}

constexpr extents shape{150, 1100};

// One token dense, skipped, in sections, and batches on both sides of the borders between products.
void print(const char* name, cpu::executor& exec, const any_weight& w,
           const std::vector<float>& x) {
  std::vector<float> y(shape.outputs), all;
  const vector_view<const float> one(x.data(), shape.inputs);
  const section<teal> sections[] = {{0, 70, {magnitude{}, above{0.3f}}},
                                    {70, shape.outputs, {magnitude{}, above{0.9f}}}};
  multiply(exec, w, one, y);
  all.insert(all.end(), y.begin(), y.end());
  multiply(exec, w, stacked<teal>{sections, 2}, one, y);
  all.insert(all.end(), y.begin(), y.end());
  std::vector<float> h(shape.outputs / 2);
  multiply_gated(exec, w, keep_all{}, one, h);
  all.insert(all.end(), h.begin(), h.end());
  for (const std::size_t tokens : {3, 20}) {
    std::vector<float> batch(tokens * shape.outputs);
    multiply(exec, w, sparsifier{magnitude{}, above{0.5f}},
             matrix_view<const float>(x.data(), tokens, shape.inputs),
             matrix_view<float>(batch.data(), tokens, shape.outputs));
    all.insert(all.end(), batch.begin(), batch.end());
  }
  std::printf("%s on %s: %016llx\n", name, std::string(cpu::name(exec.instruction_set())).c_str(),
              static_cast<unsigned long long>(hash_of(all)));
}

}  // namespace

int main() {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> w(shape.outputs * shape.inputs), x(20 * shape.inputs);
  for (float& v : w) v = normal(random);
  for (float& v : x) v = normal(random);
  const matrix_view<const float> weight(w.data(), shape.outputs, shape.inputs);
  const auto fill = [&](std::size_t r, vector_view<float> out) {
    std::copy_n(&weight(r, 0), shape.inputs, out.data());
  };
  cpu::serial_executor serial;
  const weight_mask mask = best_of_groups(serial, nm_pattern{2, 4}, weight);
  for (const cpu::isa i : cpu::all_isas) {
    if (!cpu::supported(i)) continue;
    cpu::executor exec(2);
    exec.use(i);
    for (const layout_kind layout :
         {layout_kind::panel, layout_kind::channel_major, layout_kind::row_major})
      for (const element_kind element : {element_kind::f32, element_kind::f16, element_kind::bf16,
                                         element_kind::q8_0, element_kind::q4_1}) {
        if (layout == layout_kind::row_major && is_quantized(element)) continue;
        const std::string name =
            std::string(sparsellm::name(layout)) + " " + std::string(sparsellm::name(element));
        print(name.c_str(), exec, any_weight(exec, element, layout, shape, fill), x);
      }
    for (const layout_kind layout : {layout_kind::n_of_m, layout_kind::channel_bitmap})
      for (const element_kind element : {element_kind::f32, element_kind::bf16, element_kind::i8}) {
        const std::string name =
            std::string(sparsellm::name(layout)) + " " + std::string(sparsellm::name(element));
        print(name.c_str(), exec,
              any_weight(exec, element, layout, shape, fill, mask, nm_pattern{2, 4}), x);
      }
  }
}

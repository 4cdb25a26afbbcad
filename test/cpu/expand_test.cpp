// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// N:M weights as the bricks that large batches multiply: the same on every instruction set, and
// what the weight unpacks to.
#include <cmath>
#include <random>
#include <type_traits>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/cpu/executors/serial_executor.hpp"
#include "sparsellm/cpu/kernels/bitmap.hpp"
#include "sparsellm/cpu/kernels/nm.hpp"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/pack.hpp"

using namespace sparsellm;

namespace {

// Random weights in a format; w [outputs, inputs] becomes what it keeps of them.
template <class Format>
auto pack_random(extents e, std::mt19937& random, std::vector<float>& w) {
  std::normal_distribution<float> normal;
  cpu::serial_executor exec;
  w.resize(e.outputs * e.inputs);
  for (float& v : w) v = normal(random);
  auto packed = pack<Format>(exec, matrix_view<const float>(w.data(), e.outputs, e.inputs));
  unpack(packed, matrix_view<float>(w.data(), e.outputs, e.inputs));
  return packed;
}

// What a brick has of a weight: a level where there are scales; 0 for outputs that fill a strip up.
template <class T, class View>
float in_brick(const View& view, const std::vector<float>& w, std::size_t o, std::size_t c) {
  if (o >= view.shape.outputs) return 0;
  const float kept = w[o * view.shape.inputs + c];
  if constexpr (std::is_same_v<T, std::int8_t>) return std::round(kept / view.scales[o]);
  return kept;
}

}  // namespace

TEMPLATE_TEST_CASE("expand: every instruction set makes the same bricks of N:M weights", "",
                   (n_of_m<float, 2, 4>), (n_of_m<half, 4, 8>), (n_of_m<bfloat16, 2, 4>),
                   (n_of_m<bfloat16, 3, 7>), (n_of_m<bfloat16, 1, 2>), (n_of_m<std::int8_t, 2, 4>),
                   (n_of_m<std::int8_t, 5, 6>)) {
  using T = typename TestType::element;
  using brick = typename detail::expanded<T>::type;
  constexpr std::size_t width = detail::brick_outputs;
  std::mt19937 random(43);
  // Outputs that fill no strip, channels that fill no cell and no half of one.
  for (const extents e : {extents{32, 64}, {70, 150}, {41, 33}, {8, 1}}) {
    std::vector<float> w;
    const auto packed = pack_random<TestType>(e, random, w);
    const auto view = packed.view();
    for (const cpu::isa i : cpu::all_isas) {
      if (!cpu::supported(i)) continue;
      INFO(cpu::name(i) << " " << e.outputs << "x" << e.inputs);
      std::size_t wrong = 0;
      for (std::size_t s = 0; s * width < e.outputs; ++s) {
        // One channel more, which must be left alone.
        std::vector<brick> bricks((e.inputs + 1) * width, narrow<brick>(77.0f));
        detail::nm_kernels<T>(i).expand(view, s, bricks.data());
        for (std::size_t c = 0; c < e.inputs; ++c)
          for (std::size_t o = 0; o < width; ++o) {
            const float expected = in_brick<T>(view, w, s * width + o, c);
            wrong += widen(bricks[c * width + detail::slot_in_brick<brick>(o)]) != expected;
          }
        for (std::size_t o = 0; o < width; ++o)
          wrong += bricks[e.inputs * width + o] != narrow<brick>(77.0f);
      }
      CHECK(wrong == 0);
    }
  }
}

TEMPLATE_TEST_CASE("expand: every instruction set makes the same bricks of channel bitmaps", "",
                   (channel_bitmap<float, 2, 4>), (channel_bitmap<half, 4, 8>),
                   (channel_bitmap<bfloat16, 2, 4>), (channel_bitmap<bfloat16, 3, 7>),
                   (channel_bitmap<std::int8_t, 2, 4>), (channel_bitmap<std::int8_t, 5, 6>)) {
  using T = typename TestType::element;
  using brick = typename detail::expanded<T>::type;
  constexpr std::size_t width = detail::brick_outputs;
  std::mt19937 random(47);
  // Outputs that fill no strip and no word of a mask, more words than values are counted for.
  for (const extents e : {extents{64, 64}, {500, 30}, {90, 33}, {8, 1}}) {
    std::vector<float> w;
    const auto packed = pack_random<TestType>(e, random, w);
    const auto view = packed.view();
    const std::size_t strips = detail::brick_strips(e.outputs);
    for (const cpu::isa i : cpu::all_isas) {
      if (!cpu::supported(i)) continue;
      INFO(cpu::name(i) << " " << e.outputs << "x" << e.inputs);
      std::size_t wrong = 0;
      // All strips from each one on, the odd ones among them.
      for (std::size_t first = 0; first < strips; ++first) {
        const std::size_t some = (strips - first) * e.inputs * width;
        std::vector<brick> bricks(some + width, narrow<brick>(77.0f));
        detail::bitmap_kernels<T>(i).expand(view, {first, strips}, bricks.data());
        for (std::size_t k = 0; k < some; ++k) {
          const std::size_t s = first + k / width / e.inputs, c = k / width % e.inputs;
          const std::size_t o = s * width + k % width;
          wrong += widen(bricks[k / width * width + detail::slot_in_brick<brick>(k % width)]) !=
                   in_brick<T>(view, w, o, c);
        }
        for (std::size_t o = 0; o < width; ++o) wrong += bricks[some + o] != narrow<brick>(77.0f);
      }
      CHECK(wrong == 0);
    }
  }
}

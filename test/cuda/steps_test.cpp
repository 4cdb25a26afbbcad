// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// The example's kernels that are no products, each by itself.

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/embedding.hpp"
#include "cuda/steps.hpp"
#include "files/dequantize.hpp"
#include "sparsellm/cuda/copy.cuh"

using namespace llama;
using sparsellm::device_space;
using sparsellm::vector_view;

namespace {

std::vector<float> normal(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> v(n);
  for (float& x : v) x = distribution(random);
  return v;
}

struct steps_device {
  sparsellm::cuda::executor exec;
  template <class T>
  [[nodiscard]] auto up(const std::vector<T>& v) {
    auto there = sparsellm::cuda::to_device(exec, vector_view<const T>(v));
    exec.wait();
    return there;
  }
  template <class T>
  [[nodiscard]] std::vector<T> down(const sparsellm::cuda::device_buffer<T>& b) {
    std::vector<T> v(b.size());
    sparsellm::cuda::copy(exec, b.view(), vector_view<T>(v));
    return v;
  }
};

bool same(const likeliest& a, const likeliest& b) {
  return a.id == b.id && (a.margin == b.margin || (std::isnan(a.margin) && std::isnan(b.margin)));
}

}  // namespace

TEST_CASE("cuda: the likeliest token is the CPU's, ties and NaN included, whatever the blocks") {
  steps_device d;
  auto scratch = d.exec.allocate<std::byte>(cuda_likeliest_scratch());
  auto id = d.exec.allocate<std::int32_t>(1);
  auto ring = d.exec.allocate<likeliest>(4);
  auto place = d.up(std::vector<text_place>{{7, 0}});
  const float infinite = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  std::size_t found = 0;
  const auto check = [&](const std::vector<float>& logits) {
    const auto there = d.up(logits);
    cuda_likeliest(d.exec, there.data(), logits.size(), scratch.data(),
                   {id.data(), place.data(), 2, ring.data(), 4});
    const likeliest wanted = likeliest_of(vector_view<const float>(logits));
    CHECK(d.down(id)[0] == wanted.id);
    if (found >= 3) CHECK(same(d.down(ring)[found % 4], wanted));
    ++found;
    const text_place after = d.down(place)[0];
    CHECK(after.position == 7 + 2 * found);
    CHECK(after.found == found);
  };
  // The ring whole before it is read back.
  for (int i = 0; i < 3; ++i) check({1.0f, 3.0f, 2.0f});
  for (const std::size_t n : {1, 31, 2047, 4096, 4097, 9000, 70000}) {
    INFO(n << " logits");
    std::vector<float> logits = normal(n, static_cast<unsigned>(n));
    check(logits);
    logits[n / 3] = logits[n / 2] = logits[n - 1] = 9.0f;  // ties, in several blocks
    check(logits);
    logits[n / 2] = nan;
    logits[0] = nan;
    check(logits);
    logits[n - 1] = infinite;
    check(logits);
    check(std::vector<float>(n, nan));
    check(std::vector<float>(n, -infinite));
    check(std::vector<float>(n, -0.0f));
  }
}

TEST_CASE("cuda: norms of a few wide tokens have the bits of many, and the CPU's sums") {
  steps_device d;
  for (const std::size_t width : {96, 1024, 1500, 5000}) {
    for (const bool layer : {false, true}) {
      INFO(width << (layer ? ", LayerNorm" : ", RMSNorm"));
      const std::size_t many = 65;
      const std::vector<float> x = normal(many * width, 7), gain = normal(width, 8),
                               bias = normal(width, 9);
      std::vector<std::uint32_t> order(width);
      for (std::size_t i = 0; i < width; ++i) order[i] = static_cast<std::uint32_t>(width - 1 - i);
      const auto xs = d.up(x), gains = d.up(gain), biases = d.up(bias);
      const auto orders = d.up(order);
      const cuda_norm norm{gains.data(), layer ? biases.data() : nullptr, orders.data()};
      auto few = d.exec.allocate<float>(2 * width), all = d.exec.allocate<float>(many * width);
      cuda_normalise(d.exec, xs.data(), 2, width, norm, 1e-5f, few.data());
      cuda_normalise(d.exec, xs.data(), many, width, norm, 1e-5f, all.data());
      const std::vector<float> a = d.down(few), b = d.down(all);
      CHECK(std::equal(a.begin(), a.end(), b.begin()));
      double mean = 0, squares = 0;
      for (std::size_t i = 0; layer && i < width; ++i) mean += x[i];
      mean /= static_cast<double>(width);
      for (std::size_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
      const double factor = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-5);
      for (std::size_t i = 0; i < width; ++i) {
        const std::size_t c = order[i];
        const double wanted = (x[c] - mean) * factor * gain[c] + (layer ? bias[c] : 0.0f);
        REQUIRE(std::fabs(a[i] - wanted) <= 1e-5 * (1 + std::fabs(wanted)));
      }
    }
  }
}

TEST_CASE("cuda: attention over chunks of the cache, by few rows and by many, with windows") {
  steps_device d;
  const attention_shape a{4, 2, 24, 0, 700, 1e-5f};
  const std::vector<float> keys = normal(2 * 700 * 24, 3), values = normal(2 * 700 * 24, 4);
  const auto k = d.up(keys), v = d.up(values);
  for (const std::size_t first : {0, 255, 256, 610})
    for (const std::size_t window : {0, 1, 258, 300}) {
      INFO("from " << first << ", window " << window);
      const std::size_t many = 9;
      const std::vector<float> qkv = normal(many * a.row(), 5);
      const auto q = d.up(qkv);
      auto scratch = d.exec.allocate<float>(cuda_attention_scratch(a, many));
      auto out = d.exec.allocate<float>(many * 96), one = d.exec.allocate<float>(96);
      const auto run = [&](std::size_t row, std::size_t n, std::size_t end, float* to) {
        const auto place = d.up(std::vector<text_place>{{static_cast<unsigned>(first + row), 0}});
        cuda_attend(d.exec, a, q.data() + row * a.row(), n, {&place.data()->position, end, false},
                    window, k.data(), v.data(), scratch.data(), to);
      };
      run(0, many, first + many, out.data());
      const std::vector<float> all = d.down(out);
      // One by one, also by launches that would serve later positions.
      for (const std::size_t row : {0, 4, 8})
        for (const std::size_t end : {first + row + 1, cuda_attention_end(a, first + row)}) {
          run(row, 1, end, one.data());
          const std::vector<float> got = d.down(one);
          CHECK(std::equal(got.begin(), got.end(), all.begin() + static_cast<long>(row * 96)));
        }
      const std::size_t row = 8, seen = first + row + 1;
      const std::size_t from = window == 0 || seen <= window ? 0 : seen - window;
      double wrong = 0;
      for (std::size_t h = 0; h < 4; ++h) {
        const auto at = [&](std::size_t p) { return (h / 2 * 700 + p) * 24; };
        std::vector<double> p;
        double sum = 0;
        for (std::size_t i = from; i < seen; ++i) {
          double dot = 0;
          for (std::size_t c = 0; c < 24; ++c)
            dot += static_cast<double>(qkv[row * a.row() + h * 24 + c]) * keys[at(i) + c];
          p.push_back(std::exp(dot / std::sqrt(24.0)));
          sum += p.back();
        }
        for (std::size_t c = 0; c < 24; ++c) {
          double wanted = 0;
          for (std::size_t i = from; i < seen; ++i) wanted += p[i - from] / sum * values[at(i) + c];
          wrong = std::fmax(wrong, std::fabs(wanted - all[row * 96 + h * 24 + c]));
        }
      }
      CHECK(wrong < 1e-5);
    }
}

TEST_CASE("cuda: embeddings of every type are the rows of the file, to the bit") {
  steps_device d;
  std::mt19937 random(11);
  for (const tensor_type type :
       {tensor_type::f32, tensor_type::f16, tensor_type::bf16, tensor_type::q4_0, tensor_type::q4_1,
        tensor_type::q5_0, tensor_type::q5_1, tensor_type::q8_0, tensor_type::iq4_nl,
        tensor_type::q4_k, tensor_type::q5_k, tensor_type::q6_k}) {
    const tensor_type_info& info = *info_of(static_cast<std::uint32_t>(type));
    INFO(info.name);
    const std::size_t table_rows = 9, width = 512;
    std::vector<std::byte> bytes(table_rows * width / info.block * info.bytes);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    const tensor table{"t", type, table_rows, width, bytes.data(), bytes.size()};
    const cuda_embedding there(d.exec, table);
    const auto ids = d.up(std::vector<std::int32_t>{3, 8, 0});
    const auto place = d.up(std::vector<text_place>{{4, 0}});
    auto x = d.exec.allocate<float>(3 * width);
    there.look_up(d.exec, ids.data(), 3, x.data());
    const std::vector<float> found = d.down(x);
    there.add_positions(d.exec, {&place.data()->position, 7, false}, 2, 3, x.data());
    const std::vector<float> sums = d.down(x);
    std::size_t wrong = 0, finite = 0;
    std::vector<float> row(width), later(width);
    for (std::size_t t = 0; t < 3; ++t) {
      dequantize_row(table, std::vector<std::size_t>{3, 8, 0}[t], row);
      dequantize_row(table, 6 + t, later);
      for (std::size_t c = 0; c < width; ++c) {
        if (!std::isfinite(row[c]) || !std::isfinite(later[c])) continue;
        ++finite;
        wrong += std::memcmp(&found[t * width + c], &row[c], sizeof(float)) != 0;
        const float sum = row[c] + later[c];
        wrong += std::memcmp(&sums[t * width + c], &sum, sizeof(float)) != 0;
      }
    }
    CHECK(finite > width);
    CHECK(wrong == 0);
  }
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Orders made on the device are the host's, channel for channel.

#include "sparsellm/cuda/permute.cuh"

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/cuda/prune.cuh"
#include "sparsellm/prune/saliency.hpp"

// CUB brings a ::cuda of its own.
namespace sparsellm {

namespace {

// Channels of different weight, with ties, zeros of both signs and whole channels alike.
std::vector<float> weights(std::size_t rows, std::size_t cols, unsigned seed) {
  std::vector<float> w = normal(rows * cols, seed);
  for (std::size_t i = 0; i < w.size(); ++i) {
    const std::size_t c = i % cols;
    w[i] *= 0.25f + static_cast<float>(c * 7 % 11);
    if (c % 9 == 4) w[i] = 1.0f;
    if (c % 9 == 5) w[i] = i % 2 == 0 ? 0.0f : -0.0f;
    if (c % 5 == 1) w[i] = std::round(w[i]);
  }
  return w;
}

struct scored {
  scored(device& d, std::size_t rows, std::size_t cols, unsigned seed)
      : host(rows * cols), view(host.data(), rows, cols) {
    const std::vector<float> w = weights(rows, cols, seed);
    std::vector<double> norms(cols);
    for (std::size_t c = 0; c < cols; ++c) norms[c] = 0.5 + static_cast<double>(c % 3);
    const std::vector<float> scale = wanda_scale(norms);
    score_weights(d.host, matrix_view<const float>(w.data(), rows, cols),
                  sparsellm::scaled_magnitude{scale.data()},
                  matrix_view<float>(host.data(), rows, cols));
    memory = d.exec.allocate<float>(rows * cols);
    const auto weight = d.up(w), scales = d.up(scale);
    cuda::score_weights(d.exec, matrix_view<const float, device_space>(weight.data(), rows, cols),
                        cuda::scaled_magnitude{scales.data()},
                        matrix_view<float, device_space>(memory.data(), rows, cols));
    there = matrix_view<const float, device_space>(memory.data(), rows, cols);
  }
  std::vector<float> host;
  matrix_view<const float> view;
  cuda::device_buffer<float> memory;
  matrix_view<const float, device_space> there;
};

}  // namespace

TEST_CASE("cuda: scores, means and the global shuffle are the host's") {
  device d;
  for (const std::size_t cols : {1, 7, 64, 131, 300}) {
    const scored s(d, 37, cols, 91);
    CHECK(d.down(s.memory) == s.host);
    const std::vector<double> mean = mean_scores(s.view);
    const cuda::device_buffer<double> there = cuda::mean_scores(d.exec, s.there);
    const buffer<double> got = cuda::to_host(d.exec, there);
    CHECK(std::vector<double>(got.begin(), got.end()) == mean);
    for (const std::size_t m : {1, 2, 3, 4, 8, 400})
      for (const dealing how : {dealing::round_robin, dealing::zigzag}) {
        INFO(cols << " channels in groups of " << m);
        CHECK(cuda::global_shuffle(d.exec, there.view(), m, how) ==
              global_shuffle(vector_view<const double>(mean), m, how));
      }
  }
  // Zeros of both signs are equal and keep their order.
  const std::vector<double> zeros{-0.0, 0.0, -0.0, 0.0, 1.0, 0.0};
  const auto there = cuda::to_device(d.exec, vector_view<const double>(zeros));
  CHECK(cuda::global_shuffle(d.exec, there.view(), 2) ==
        global_shuffle(vector_view<const double>(zeros), 2));
  const std::vector<double> bad{1.0, std::nan(""), std::nan("")};
  const auto bads = cuda::to_device(d.exec, vector_view<const double>(bad));
  CHECK_SAYS(cuda::global_shuffle(d.exec, bads.view(), 2), value_error, "channel 1 is NaN");
  CHECK_THROWS_AS(cuda::global_shuffle(d.exec, there.view(), 0), value_error);
}

TEST_CASE("cuda: the block shuffle takes the host's exchanges") {
  device d;
  for (const nm_pattern p : {nm_pattern{2, 4}, {4, 8}, {1, 3}, {13, 32}})
    for (const std::size_t cols : {5, 64, 131}) {
      INFO(p.n << ":" << p.m << ", " << cols << " channels");
      const scored s(d, 300, cols, 92);
      const channel_order plain = channel_order::identity(cols);
      block_shuffle_options how;
      how.block = 64;
      for (const double least : {1e-9, 0.0, 1e-3}) {
        how.least_gain = least;
        const channel_order wanted = block_shuffle(d.host, p, s.view, plain, how);
        CHECK(cuda::block_shuffle(d.exec, p, s.there, plain, how) == wanted);
        if (cols > p.m) CHECK((least != 0.0 || !wanted.is_identity()));
      }
    }
}

TEST_CASE(
    "cuda: a block shuffle reports, stops when it is told and refuses what the host refuses") {
  device d;
  const scored s(d, 20, 64, 93);
  const channel_order plain = channel_order::identity(64);
  block_shuffle_options how;
  how.block = 32;
  std::vector<double> heard;
  (void)cuda::block_shuffle(d.exec, {2, 4}, s.there, plain, how, [&](double share) {
    heard.push_back(share);
    return true;
  });
  CHECK(heard.size() > 2);
  CHECK(heard.back() == 1.0);
  const auto never = [](double) { return false; };
  CHECK(cuda::block_shuffle(d.exec, {2, 4}, s.there, plain, how, never).is_identity());
  CHECK_THROWS_AS(cuda::block_shuffle(d.exec, {2, 4}, s.there, channel_order::identity(63), how),
                  shape_error);
  how.block = 3;
  CHECK_THROWS_AS(cuda::block_shuffle(d.exec, {2, 4}, s.there, plain, how), value_error);
}

}  // namespace sparsellm

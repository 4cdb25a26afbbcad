// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// What is counted on the device is what the host's observers count, to the bit.

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/cuda/statistics.cuh"

using namespace sparsellm;

namespace {

constexpr std::size_t channels = 70;

// Rows with zeros of both signs, denormals, values beyond the bins, equal channels.
std::vector<float> awkward(std::size_t rows) {
  std::vector<float> x = normal(rows * channels, 31);
  for (std::size_t r = 0; r < rows; ++r) {
    x[r * channels + 1] = r % 2 == 0 ? 0.0f : -0.0f;
    x[r * channels + 2] = 1e-40f * static_cast<float>(r);
    x[r * channels + 3] = r % 3 == 0 ? 1e9f : -3e4f;
    x[r * channels + 4] = 0.5f;
  }
  return x;
}

}  // namespace

TEST_CASE("cuda: a histogram of the device has the host's quantiles") {
  device d;
  const std::vector<float> x = awkward(50);
  cuda::device_histogram there(d.exec);
  const auto xs = d.up(x);
  // In two batches, the second with rows apart.
  there.observe(d.exec, matrix_view<const float, device_space>(xs.data(), 20, channels));
  there.observe(
      d.exec, matrix_view<const float, device_space>(xs.data() + 20 * channels, 30, 40, channels));
  // A third, in which every channel has a scale.
  std::vector<float> scale(channels), scaled(channels);
  for (std::size_t c = 0; c < channels; ++c) scale[c] = 1.0f + static_cast<float>(c) / 64;
  const auto scales = d.up(scale);
  there.observe(d.exec, matrix_view<const float, device_space>(xs.data(), 2, channels),
                scales.view());
  // What is taken over comes on top of what the host has counted itself.
  const std::vector<float> here{0.0f, 5e8f, 3.0f, std::ldexp(1.0f, -100)};
  histogram host, from_device;
  host.observe(here);
  from_device.observe(here);
  host.observe(vector_view<const float>(x.data(), 20 * channels));
  for (std::size_t r = 20; r < 50; ++r)
    host.observe(vector_view<const float>(&x[r * channels], 40));
  for (std::size_t r = 0; r < 2; ++r) {
    for (std::size_t c = 0; c < channels; ++c) scaled[c] = x[r * channels + c] * scale[c];
    host.observe(scaled);
  }
  there.add_to(d.exec, from_device);
  CHECK(from_device.count() == host.count());
  CHECK(from_device.zeros() == host.zeros());
  CHECK(from_device.non_finite() == 0);
  CHECK(from_device.max() == host.max());
  // 0.03 is in the first bin, 0.995 in the last: both hold values far apart.
  for (const double q : {0.0, 0.03, 0.1, 0.25, 0.4, 0.5, 0.65, 0.9, 0.995, 1.0})
    CHECK(from_device.quantile(q) == host.quantile(q));

  std::vector<float> bad(channels, 1.0f);
  bad[3] = std::numeric_limits<float>::infinity();
  bad[4] = std::numeric_limits<float>::quiet_NaN();
  const auto bads = d.up(bad);
  there.observe(d.exec, matrix_view<const float, device_space>(bads.data(), 1, channels));
  histogram refused;
  there.add_to(d.exec, refused);
  CHECK(refused.non_finite() == 2);
  CHECK(refused.count() == 20 * channels + 30 * 40 + 3 * channels - 2);
  CHECK_THROWS_AS(refused.quantile(0.5), value_error);
}

TEST_CASE("cuda: norms, ranges, firing rates and entropies have the host's bits") {
  device d;
  const std::size_t rows = 60;
  const std::vector<float> x = awkward(rows);
  const auto xs = d.up(x);
  const matrix_view<const float, device_space> first(xs.data(), 25, channels),
      second(xs.data() + 25 * channels, rows - 25, channels);
  cuda::device_channel_stats there(d.exec, channels, 0.6f);
  there.observe(d.exec, first);
  there.observe(d.exec, second);
  const channel_stats got = there.on_host(d.exec);
  channel_stats host(channels, 0.6f);
  for (std::size_t r = 0; r < rows; ++r)
    host.observe(vector_view<const float>(&x[r * channels], channels));
  CHECK(got.rows() == host.rows());
  channel_stats both = there.on_host(d.exec);
  both.merge(host);  // which refuses another firing threshold
  CHECK(both.rows() == 2 * rows);
  for (std::size_t c = 0; c < channels; ++c) {
    CHECK(got.l1_norm(c) == host.l1_norm(c));
    CHECK(got.l2_norm(c) == host.l2_norm(c));
    CHECK(got.min(c) == host.min(c));
    CHECK(got.max(c) == host.max(c));
    CHECK(got.firing_rate(c) == host.firing_rate(c));
  }
  for (const auto of : {entropy_options::values::with_sign, entropy_options::values::absolute}) {
    const entropy_options how{100, entropy_options::logarithm::natural,
                              entropy_options::range::channel, of};
    entropy counted(host, how), from_device(host, how);
    for (std::size_t r = 0; r < rows; ++r)
      counted.observe(vector_view<const float>(&x[r * channels], channels));
    // What is taken over comes on top of what the host has counted itself.
    for (entropy* e : {&counted, &from_device})
      e->observe(vector_view<const float>(&x[7 * channels], channels));
    cuda::device_entropy bins(d.exec, from_device);
    bins.observe(d.exec, first);
    bins.observe(d.exec, second);
    bins.add_to(d.exec, from_device);
    CHECK(from_device.rows() == rows + 1);
    for (std::size_t c = 0; c < channels; ++c) CHECK(from_device.value(c) == counted.value(c));

    std::vector<float> bad(channels, 1.0f);
    bad[3] = std::numeric_limits<float>::infinity();
    bad[channels - 1] = std::numeric_limits<float>::quiet_NaN();
    const auto bads = d.up(bad);
    bins.observe(d.exec, matrix_view<const float, device_space>(bads.data(), 1, channels));
    bins.add_to(d.exec, from_device);
    CHECK_SAYS(from_device.value(0), value_error, "2 of the observed values are NaN or infinite");
  }
  CHECK_THROWS_AS(there.observe(d.exec, matrix_view<const float, device_space>(xs.data(), 2, 3)),
                  shape_error);
  CHECK_THROWS_AS(cuda::device_channel_stats(d.exec, 0), shape_error);
}

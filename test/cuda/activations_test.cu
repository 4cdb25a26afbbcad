// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Activations of 16 bits, and the gate, on the device.

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/cuda/gate.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/cuda/multiply_gated.cuh"
#include "sparsellm/cuda/multiply_rows.cuh"
#include "sparsellm/cuda/workspace.cuh"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/row_major.hpp"

using namespace sparsellm;

namespace {

template <class T>
std::vector<T> rounded(const std::vector<float>& v) {
  std::vector<T> out;
  for (const float x : v) out.push_back(narrow<T>(x));
  return out;
}
template <class T>
std::vector<float> widened(const std::vector<T>& v) {
  std::vector<float> out;
  for (const T x : v) out.push_back(widen(x));
  return out;
}

// Whether the first n of y are those of `wanted`, rounded.
template <class T>
bool rounds_to(device& d, const cuda::device_buffer<float>& wanted, const cuda::device_buffer<T>& y,
               std::size_t n) {
  std::vector<T> got(n);
  cuda::copy(d.exec, vector_view<const T, device_space>(y.data(), n), vector_view<T>(got));
  return got == rounded<T>(d.down(wanted, n));
}

}  // namespace

TEMPLATE_TEST_CASE("cuda: 16-bit activations give the float product, rounded", "", half, bfloat16) {
  using T = TestType;
  device d;
  const extents e{70, 300};
  const std::size_t tokens = 3;
  const auto weight = d.pack<channel_major<bfloat16>>(normal(e.outputs * e.inputs, 111), e);
  const std::vector<T> x = rounded<T>(normal(tokens * e.inputs, 112));
  const auto xs = cuda::to_device(d.exec, vector_view<const T>(x));
  const auto wide = d.up(widened(x));
  auto y = d.exec.template allocate<T>(tokens * e.outputs);
  auto wanted = d.exec.template allocate<float>(tokens * e.outputs);
  const sparsifier keep{magnitude{}, above{0.5f}};
  const auto same = [&](std::size_t n) { return rounds_to(d, wanted, y, n); };
  const vector_view<const float, device_space> wide0(wide.data(), e.inputs);
  const vector_view<float, device_space> wanted0(wanted.data(), e.outputs);
  const vector_view<T, device_space> y0(y.data(), e.outputs);

  multiply(d.exec, weight, keep, wide0, wanted0);
  multiply(d.exec, weight, keep, vector_view<const T, device_space>(xs.data(), e.inputs), y0);
  CHECK(same(e.outputs));
  active_set active(d.exec, e.inputs);
  sparsify(d.exec, sparsifier{magnitude{}, above{0.9f}}, wide0, active);
  multiply(d.exec, weight, active, wanted0);
  multiply(d.exec, weight, active, y0);
  CHECK(same(e.outputs));
  multiply(d.exec, weight, keep,
           matrix_view<const float, device_space>(wide.data(), tokens, e.inputs),
           matrix_view<float, device_space>(wanted.data(), tokens, e.outputs));
  multiply(d.exec, weight, keep, matrix_view<const T, device_space>(xs.data(), tokens, e.inputs),
           matrix_view<T, device_space>(y.data(), tokens, e.outputs));
  CHECK(same(tokens * e.outputs));
  CHECK_THROWS_AS(cuda::convert(d.exec, wide0, y0), shape_error);
}

TEST_CASE("cuda: gate and silu of one token and of rows that lie apart") {
  device d;
  const std::size_t tokens = 3, n = 200;
  const std::vector<float> both = normal(tokens * 2 * n, 113);
  auto there = d.up(both);
  auto out = d.exec.allocate<float>(tokens * n);
  const matrix_view<const float, device_space> gates(there.data(), tokens, n, 2 * n),
      ups(there.data() + n, tokens, n, 2 * n);
  gate(d.exec, gates, ups, matrix_view<float, device_space>(out.data(), tokens, n));
  const std::vector<float> gated = d.down(out);
  std::size_t wrong = 0;
  for (std::size_t t = 0; t < tokens; ++t)
    for (std::size_t i = 0; i < n; ++i) {
      const double g = both[t * 2 * n + i],
                   wanted = g / (1 + std::exp(-g)) * both[(2 * t + 1) * n + i];
      wrong += !(std::fabs(gated[t * n + i] - wanted) <= 1e-5 * (1 + std::fabs(wanted)));
    }
  CHECK(wrong == 0);
  gate(d.exec, gates.row(2), ups.row(2), vector_view<float, device_space>(out.data(), n));
  CHECK(d.down(out, n) == std::vector<float>(gated.begin() + 2 * n, gated.end()));

  silu(d.exec, gates, matrix_view<float, device_space>(out.data(), tokens, n));
  const std::vector<float> all = d.down(out);
  for (std::size_t i = 0; i < tokens * n; ++i)
    CHECK(all[i] * both[(2 * (i / n) + 1) * n + i % n] == gated[i]);
  silu(d.exec, gates.row(1), vector_view<float, device_space>(there.data() + 2 * n, n));
  CHECK(d.down(there, 3 * n).back() == all[2 * n - 1]);
  CHECK_THROWS_AS(silu(d.exec, gates.row(0), vector_view<float, device_space>(out.data(), 5)),
                  shape_error);
}

TEMPLATE_TEST_CASE("cuda: gate and silu of 16 bits are those of floats, rounded", "", half,
                   bfloat16) {
  using T = TestType;
  device d;
  const std::size_t tokens = 3, n = 200;
  const std::vector<T> both = rounded<T>(normal(tokens * 2 * n, 114));
  const auto there = cuda::to_device(d.exec, vector_view<const T>(both));
  const auto wide = d.up(widened(both));
  auto out = d.exec.template allocate<T>(tokens * n);
  auto wanted = d.exec.template allocate<float>(tokens * n);
  const auto same = [&] { return rounds_to(d, wanted, out, tokens * n); };
  const matrix_view<const float, device_space> gates(wide.data(), tokens, n, 2 * n),
      ups(wide.data() + n, tokens, n, 2 * n);
  const matrix_view<const T, device_space> gates16(there.data(), tokens, n, 2 * n),
      ups16(there.data() + n, tokens, n, 2 * n);
  const matrix_view<float, device_space> wide_out(wanted.data(), tokens, n);
  const matrix_view<T, device_space> out16(out.data(), tokens, n);
  gate(d.exec, gates, ups, wide_out);
  gate(d.exec, gates16, ups16, out16);
  CHECK(same());
  gate(d.exec, gates16, ups, out16);
  CHECK(same());
  silu(d.exec, gates, wide_out);
  silu(d.exec, gates16, out16);
  CHECK(same());
  gate(d.exec, gates.row(2), ups.row(2), wide_out.row(0));
  gate(d.exec, gates16.row(2), ups16.row(2), out16.row(0));
  silu(d.exec, gates.row(1), wide_out.row(2));
  silu(d.exec, gates16.row(1), out16.row(2));
  CHECK(same());
}

// Every family of formats, and every verb: a batch of 9 is on tensor cores.
TEMPLATE_TEST_CASE("cuda: every verb takes 16-bit activations, in the memory that it says", "",
                   row_major<half>, channel_major<float>, channel_major<bfloat16>, panel<half>,
                   channel_major<q8_0>, channel_major<q4_1>, (n_of_m<bfloat16, 2, 4>),
                   (channel_bitmap<half, 2, 4>)) {
  using F = TestType;
  using T = bfloat16;
  device d;
  // Gate and up in one kernel, and in two.
  for (const extents e : {extents{1024, 200}, {70, 300}}) {
    INFO(F::name << " " << e.outputs << "x" << e.inputs);
    const std::size_t most = 9, hidden = e.outputs / 2;
    const auto weight = d.pack<F>(normal(e.outputs * e.inputs, 121), e);
    const std::vector<T> x = rounded<T>(normal(most * e.inputs, 122)),
                         marks = rounded<T>(normal(most * e.outputs, 123));
    const auto xs = cuda::to_device(d.exec, vector_view<const T>(x)),
               scores = cuda::to_device(d.exec, vector_view<const T>(marks));
    const auto wide = d.up(widened(x)), wide_scores = d.up(widened(marks));
    auto y = d.exec.template allocate<T>(most * e.outputs);
    auto wanted = d.exec.template allocate<float>(most * e.outputs);
    const sparsifier keep{magnitude{}, above{0.5f}};
    const auto same = [&](std::size_t n) { return rounds_to(d, wanted, y, n); };
    for (const std::size_t tokens : {1, 3, 9}) {
      INFO(tokens << " tokens");
      // No more than the workspace is there.
      auto memory = d.exec.template allocate<std::byte>(cuda::workspace_bytes<T>(weight, tokens));
      d.exec.set_workspace(memory.view());
      const matrix_view<const float, device_space> in(wide.data(), tokens, e.inputs);
      const matrix_view<const T, device_space> in16(xs.data(), tokens, e.inputs);
      const auto wide_out = [&](std::size_t n) {
        return matrix_view<float, device_space>(wanted.data(), tokens, n);
      };
      const auto out = [&](std::size_t n) {
        return matrix_view<T, device_space>(y.data(), tokens, n);
      };
      multiply(d.exec, weight, keep, in, wide_out(e.outputs));
      multiply(d.exec, weight, keep, in16, out(e.outputs));
      CHECK(same(tokens * e.outputs));
      multiply_gated(d.exec, weight, keep, in, wide_out(hidden));
      multiply_gated(d.exec, weight, keep, in16, out(hidden));
      CHECK(same(tokens * hidden));
      multiply_gated(d.exec, weight, keep, in, out(hidden));
      CHECK(same(tokens * hidden));
      if constexpr (std::same_as<F, row_major<half>>) {
        multiply_rows(d.exec, weight,
                      matrix_view<const float, device_space>(wide_scores.data(), tokens, e.outputs),
                      keep, in, wide_out(e.outputs));
        multiply_rows(d.exec, weight,
                      matrix_view<const T, device_space>(scores.data(), tokens, e.outputs), keep,
                      in16, out(e.outputs));
        CHECK(same(tokens * e.outputs));
        multiply_rows(d.exec, weight,
                      matrix_view<const float, device_space>(wide_scores.data(), tokens, e.outputs),
                      keep, in16, out(e.outputs));
        CHECK(same(tokens * e.outputs));
      }
      d.exec.set_workspace({});
    }
    // One token: lists are made of the rounded numbers.
    const vector_view<const T, device_space> x0(xs.data(), e.inputs);
    active_set a(d.exec, e.inputs), b(d.exec, e.inputs), next(d.exec, hidden);
    sparsify(d.exec, keep, x0, a);
    sparsify(d.exec, keep, vector_view<const float, device_space>(wide.data(), e.inputs), b);
    multiply(d.exec, weight, a, vector_view<T, device_space>(y.data(), e.outputs));
    multiply(d.exec, weight, b, vector_view<float, device_space>(wanted.data(), e.outputs));
    CHECK(same(e.outputs));
    const vector_view<T, device_space> h0(y.data(), hidden);
    multiply_gated(d.exec, weight, keep, x0, h0, keep, next);
    std::vector<T> h(hidden);
    cuda::copy(d.exec, vector_view<const T, device_space>(h0.data(), hidden), vector_view<T>(h));
    std::uint32_t listed = 0, kept = 0;
    for (const T v : h) kept += std::fabs(widen(v)) > 0.5f;
    cuda::copy(d.exec, vector_view<const std::uint32_t, device_space>(next.view().count, 1),
               vector_view<std::uint32_t>(&listed, 1));
    CHECK(listed == kept);
    if constexpr (std::same_as<F, row_major<half>>) {
      multiply_rows(d.exec, weight, next, x0, vector_view<T, device_space>(y.data(), e.outputs));
      multiply_rows(d.exec, weight, next,
                    vector_view<const float, device_space>(wide.data(), e.inputs),
                    vector_view<float, device_space>(wanted.data(), e.outputs));
      CHECK(same(e.outputs));
    }
  }
}

// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Weights packed on the device are the host's, byte for byte, also in others' order of metadata.

#include "sparsellm/cuda/pack.cuh"
#include "sparsellm/pack/pack_masked.hpp"

#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/cuda/semi_structured.cuh"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/row_major.hpp"
#include "sparsellm/pack/semi_structured.hpp"

// CUB brings a ::cuda and a ::half of its own.
namespace sparsellm {

namespace {

matrix_view<const float, device_space> matrix(const cuda::device_buffer<float>& b, extents e) {
  return {b.data(), e.outputs, e.inputs};
}

// From the first byte of the storage.
template <class F>
std::vector<std::byte> bytes_of(device& d, const packed_matrix<F, device_space>& m) {
  std::vector<std::byte> bytes(F::bytes(m.shape()));
  cuda::copy(d.exec,
             vector_view<const std::byte, device_space>(m.storage_view().data(), bytes.size()),
             vector_view<std::byte>(bytes));
  return bytes;
}

}  // namespace

TEMPLATE_TEST_CASE("cuda: packing gives the host's bytes", "", (n_of_m<bfloat16, 2, 4>),
                   (n_of_m<half, 4, 8>), (n_of_m<float, 1, 3>), (n_of_m<std::int8_t, 2, 4>),
                   (n_of_m<std::int8_t, 5, 7>), (channel_bitmap<bfloat16, 2, 4>),
                   (channel_bitmap<float, 3, 7>), (channel_bitmap<half, 1, 2>),
                   (channel_bitmap<std::int8_t, 4, 8>)) {
  using F = TestType;
  device d;
  for (const extents e : {extents{1, 1}, {5, 70}, {9, 129}, {16, 256}, {130, 64}, {520, 40}}) {
    INFO(e.outputs << "x" << e.inputs);
    const std::vector<float> w = awkward(e, 43);
    const auto there = d.up(w);
    const cuda::device_mask mask =
        cuda::best_of_groups(d.exec, F::pattern, matrix(there, e), cuda::scaled_magnitude{});
    const auto got = pack_masked<F>(d.exec, matrix(there, e), mask);
    const auto wanted = pack_masked<F>(
        d.host, e,
        [&](std::size_t r, vector_view<float> out) {
          for (std::size_t c = 0; c < e.inputs; ++c) out[c] = w[r * e.inputs + c];
        },
        mask.on_host(d.exec));
    CHECK(std::memcmp(bytes_of(d, got).data(), wanted.storage_view().data(), F::bytes(e)) == 0);
    const auto unmasked = pack<F>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
    CHECK(std::memcmp(bytes_of(d, pack<F>(d.exec, matrix(there, e))).data(),
                      unmasked.storage_view().data(), F::bytes(e)) == 0);
  }
}

TEMPLATE_TEST_CASE("cuda: packing dense and quantised weights gives the host's bytes", "",
                   row_major<float>, row_major<bfloat16>, panel<float>, panel<half>,
                   panel<bfloat16>, channel_major<half>, channel_major<bfloat16>, panel<q8_0>,
                   panel<q4_0>, panel<q4_1>, channel_major<q8_0>, channel_major<q4_0>,
                   channel_major<q4_1>) {
  using F = TestType;
  device d;
  for (const extents e : {extents{1, 1}, {5, 70}, {65, 33}, {129, 64}, {200, 300}}) {
    INFO(e.outputs << "x" << e.inputs);
    const std::vector<float> w = awkward(e, 44);
    const auto wanted = pack<F>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
    const auto got = pack<F>(d.exec, matrix(d.up(w), e));
    CHECK(got.shape() == e);
    CHECK(std::memcmp(bytes_of(d, got).data(), wanted.storage_view().data(), F::bytes(e)) == 0);
  }
}

TEMPLATE_TEST_CASE("cuda: dense weights that do not fit a format are refused", "", panel<half>,
                   row_major<half>, channel_major<q4_1>) {
  device d;
  const extents e{3, 40};
  std::vector<float> w(120, 1.0f);
  w[2 * 40 + 7] = std::numeric_limits<float>::quiet_NaN();
  w[2 * 40 + 9] = 1e30f;
  CHECK_SAYS(pack<TestType>(d.exec, matrix(d.up(w), e)), value_error, "weight [2, 7]");
  CHECK_THROWS_AS(pack<TestType>(d.exec, matrix(d.up(w), {0, 40})), shape_error);
}

TEST_CASE("cuda: weights and masks that do not fit a format are refused") {
  device d;
  const extents e{2, 8};
  std::vector<float> w(16, 1.0f);
  w[11] = 1e30f;
  const auto large = d.up(w);
  const cuda::device_mask mask =
      cuda::best_of_groups(d.exec, {2, 4}, matrix(large, e), cuda::scaled_magnitude{});
  using F = n_of_m<half, 2, 4>;
  using G = channel_bitmap<half, 1, 4>;
  CHECK_SAYS(pack_masked<F>(d.exec, matrix(large, e), mask), value_error, "weight [1, 3]");
  CHECK_SAYS(pack_masked<G>(d.exec, matrix(large, e), mask), value_error, "1 of every 4");
  CHECK_THROWS_AS(pack_masked<F>(d.exec, matrix(large, {4, 4}), mask), shape_error);
}

TEMPLATE_TEST_CASE("cuda: 2:4 weights convert to CUTLASS's layout and back", "", half, bfloat16,
                   std::int8_t) {
  using F = n_of_m<TestType, 2, 4>;
  device d;
  for (const extents e : {extents{32, 64}, {64, 256}, {96, 128}, {32, 96}}) {
    if (sizeof(TestType) == 1 && e.inputs % 128 != 0) continue;
    INFO(e.outputs << "x" << e.inputs);
    const std::vector<float> w = awkward(e, 44);
    const auto packed = pack<F>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
    const auto there = cuda::to_device(d.exec, packed);
    const semi_structured<TestType> wanted = to_semi_structured(packed);
    cuda::device_semi_structured<TestType> got = cuda::to_semi_structured(d.exec, there);
    const auto metadata = cuda::to_host(d.exec, got.metadata);
    const auto values = cuda::to_host(d.exec, got.values);
    REQUIRE(metadata.size() == wanted.metadata.size());
    REQUIRE(values.size() == wanted.values.size());
    CHECK(std::memcmp(metadata.data(), wanted.metadata.data(),
                      metadata.size() * sizeof(wanted.metadata[0])) == 0);
    CHECK(std::memcmp(values.data(), wanted.values.data(), values.size() * sizeof(TestType)) == 0);
    CHECK(got.scales.size() == wanted.scales.size());
    const auto back = cuda::from_semi_structured(d.exec, got);
    CHECK(bytes_of(d, back) == bytes_of(d, there));

    // Channel 0 twice.
    cuda::check(cudaMemset(got.metadata.data(), 0, sizeof(wanted.metadata[0])), "metadata");
    CHECK_SAYS(cuda::from_semi_structured(d.exec, got), value_error,
               "row 0, channels from 0 do not ascend");
    got.values = d.exec.template allocate<TestType>(4);
    CHECK_SAYS(cuda::from_semi_structured(d.exec, got), shape_error, "values expected, got 4");
  }
}

TEST_CASE("cuda: a vocabulary's outputs are converted, more than a grid's second dimension has") {
  using F = n_of_m<half, 2, 4>;
  using S = semi_structured<half>;
  device d;
  const extents tall{65568, 32};
  const auto packed = pack<F>(d.host, tall, [](std::size_t r, vector_view<float> row) {
    for (std::size_t c = 0; c < row.size(); ++c)
      row[c] = static_cast<float>((r * 7 + c * 13) % 31) - 15.0f;
  });
  const auto there = cuda::to_device(d.exec, packed);
  const S wanted = to_semi_structured(packed);
  const auto got = cuda::to_semi_structured(d.exec, there);
  const auto metadata = cuda::to_host(d.exec, got.metadata);
  const auto values = cuda::to_host(d.exec, got.values);
  CHECK(std::memcmp(metadata.data(), wanted.metadata.data(),
                    metadata.size() * sizeof(wanted.metadata[0])) == 0);
  CHECK(std::memcmp(values.data(), wanted.values.data(), values.size() * sizeof(half)) == 0);
  CHECK(bytes_of(d, cuda::from_semi_structured(d.exec, got)) == bytes_of(d, there));

  // Llama-3's head, whose indices alone are looked at: nothing of that size is allocated.
  const extents head{128256, 8192};
  const std::size_t columns = head.inputs / (4 * S::groups), elements = head.outputs * columns;
  const unsigned blocks = detail::device::metadata_blocks(head, columns);
  CHECK(std::size_t{blocks} * detail::device::metadata_threads >= elements);
  CHECK(blocks <= 0x7fffffffu);
  const auto last = detail::device::place_of_thread(
      blocks - 1, static_cast<unsigned>((elements - 1) % detail::device::metadata_threads),
      columns);
  CHECK(last.row == head.outputs - 1);
  CHECK(last.in_row == columns - 1);
  CHECK(S::place(last.row, last.in_row, head.outputs) == elements - 1);
  const auto view = F::make_view<device_space>(nullptr, head);
  const auto* const end = view.values(view.strips() - 1, view.cells() - 1) +
                          detail::nm_strip_outputs * view.values_per_output;
  CHECK(reinterpret_cast<std::uintptr_t>(end) == F::bytes(head));
  CHECK_THROWS_AS((void)detail::device::metadata_blocks({std::size_t{1} << 30, 1 << 20}, 1 << 15),
                  shape_error);
}

TEST_CASE("cuda: values that are not finite and shapes that CUTLASS lacks are not converted") {
  device d;
  using F = n_of_m<half, 2, 4>;
  const extents e{32, 64};
  const auto there = d.pack<F>(awkward(e, 45), e);
  cuda::device_semi_structured<half> got = cuda::to_semi_structured(d.exec, there);
  const std::vector<half> infinite(1, narrow<half>(std::numeric_limits<float>::infinity()));
  cuda::copy(d.exec, vector_view<const half>(infinite),
             vector_view<half, device_space>(got.values.data() + 5, 1));
  CHECK_SAYS(cuda::from_semi_structured(d.exec, got), value_error, "value 5 is not a finite");
  const auto odd = d.pack<F>(normal(40 * 64, 46), {40, 64});
  CHECK_THROWS_AS(cuda::to_semi_structured(d.exec, odd), shape_error);
}

}  // namespace sparsellm

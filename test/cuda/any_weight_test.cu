// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// A weight on the device whose format is chosen when the program runs has the products of one whose
// format is known when it is compiled.
#include "sparsellm/cuda/any_weight.cuh"

#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"

using namespace sparsellm;

namespace {

using output = matrix_view<float, device_space>;
using device_weight = basic_any_weight<device_space>;
const extents shape{70, 96};

// body(F's weight, the same bytes as any_weight) of every format that has products here.
template <class... F, class Body>
void for_each_format(detail::format_list<F...>, device& d, const Body& body) {
  const std::vector<float> w = normal(shape.outputs * shape.inputs, 7);
  const auto both = [&](auto known) {
    const device_weight chosen(
        detail::value_of<typename decltype(known)::format>(), shape,
        cuda::to_device(d.exec,
                        pack<typename decltype(known)::format>(
                            d.host, matrix_view<const float>(w.data(), shape.outputs, shape.inputs))
                            .storage_view()));
    INFO(detail::describe(chosen.format()));
    body(known, chosen);
  };
  const auto packed = [&]<class G>(std::type_identity<G>) {
    if constexpr (detail::device::has_products<G>) both(d.pack<G>(w, shape).view());
  };
  (packed(std::type_identity<F>{}), ...);
}

}  // namespace

TEST_CASE("cuda: every format's products through any_weight have the bits of the format's own") {
  device d;
  const std::size_t tokens = 12, hidden = shape.outputs / 2;  // on tensor cores
  const auto xs = d.up(normal(tokens * shape.inputs, 8));
  auto wanted = d.exec.allocate<float>(tokens * shape.outputs),
       got = d.exec.allocate<float>(tokens * shape.outputs);
  const teal keep{magnitude{}, above{0.6745f}};
  const auto matrix = [&](auto& y, std::size_t cols) {
    return matrix_view<float, device_space>(y.data(), tokens, cols);
  };
  const matrix_view<const float, device_space> x(xs.data(), tokens, shape.inputs);
  std::size_t formats = 0;
  for_each_format(detail::any_formats{}, d, [&](const auto& known, const device_weight& chosen) {
    ++formats;
    CHECK(chosen.shape() == shape);
    multiply(d.exec, known, keep, x, matrix(wanted, shape.outputs));
    multiply(d.exec, chosen, keep, x, matrix(got, shape.outputs));
    CHECK(d.down(got) == d.down(wanted));
    const matrix_view<const float, device_space> few(xs.data(), 3, shape.inputs);
    multiply(d.exec, known, keep, few, output(wanted.data(), 3, shape.outputs));
    multiply(d.exec, chosen, keep, few, output(got.data(), 3, shape.outputs));
    CHECK(d.down(got, 3 * shape.outputs) == d.down(wanted, 3 * shape.outputs));
    multiply(d.exec, known, keep, x.row(0), matrix(wanted, shape.outputs).row(0));
    multiply(d.exec, chosen, keep, x.row(0), matrix(got, shape.outputs).row(0));
    CHECK(d.down(got) == d.down(wanted));
    multiply_gated(d.exec, known, keep, x, matrix(wanted, hidden));
    multiply_gated(d.exec, chosen, keep, x, matrix(got, hidden));
    CHECK(d.down(got) == d.down(wanted));
  });
  CHECK(formats > 20);
}

TEST_CASE(
    "cuda: any_weight has rows to choose where it is row_major, and says so where it is not") {
  device d;
  const std::vector<float> w = normal(shape.outputs * shape.inputs, 9);
  const auto fill = [&](std::size_t r, vector_view<float> out) {
    for (std::size_t c = 0; c < out.size(); ++c) out[c] = w[r * shape.inputs + c];
  };
  const auto xs = d.up(normal(shape.inputs, 10)), scores = d.up(normal(shape.outputs, 11));
  auto wanted = d.exec.allocate<float>(shape.outputs), got = d.exec.allocate<float>(shape.outputs);
  const matrix_view<const float, device_space> x(xs.data(), 1, shape.inputs),
      asked(scores.data(), 1, shape.outputs);
  const matrix_view<float, device_space> y(got.data(), 1, shape.outputs);
  const teal keep{magnitude{}, above{0.5f}};

  const device_weight rows = cuda::to_device(
      d.exec, any_weight(d.host, element_kind::bf16, layout_kind::row_major, shape, fill));
  multiply_rows(d.exec, rows, asked, keep, x, y);
  multiply_rows(d.exec, d.pack<row_major<bfloat16>>(w, shape).view(), asked, keep, x,
                matrix_view<float, device_space>(wanted.data(), 1, shape.outputs));
  CHECK(d.down(got) == d.down(wanted));

  const device_weight channels = cuda::to_device(
      d.exec, any_weight(d.host, element_kind::q4_1, layout_kind::channel_major, shape, fill));
  CHECK_SAYS(multiply_rows(d.exec, channels, asked, keep, x, y), value_error,
             "a row_major weight expected, got q4_1 as channel_major");
  for (const element_kind other : {element_kind::q5_0, element_kind::q5_1, element_kind::iq4_nl,
                                   element_kind::q4_k, element_kind::q5_k, element_kind::q6_k})
    CHECK_SAYS(
        cuda::to_device(d.exec, any_weight(d.host, other, layout_kind::channel_major, shape, fill)),
        value_error,
        "no products of q5_0, q5_1, iq4_nl, q4_k, q5_k and q6_k, got " + std::string(name(other)) +
            " as channel_major");
  CHECK_THROWS_AS(
      device_weight(channels.format(), {shape.outputs, 2 * shape.inputs},
                    cuda::to_device(d.exec, vector_view<const std::byte>(
                                                std::vector<std::byte>(64).data(), 64))),
      shape_error);
}

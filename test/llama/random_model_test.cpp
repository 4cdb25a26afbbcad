// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "files/random_model.hpp"

#include <cmath>
#include <set>
#include <vector>

#include "catch2_any.hpp"
#include "files/config.hpp"
#include "files/dequantize.hpp"

using namespace llama;

TEST_CASE("random_model: weights have the standard deviation 1 / sqrt(inputs) in every type") {
  const model_shape shape = parse_shape("3,256,512,4,2");
  for (const tensor_type type :
       {tensor_type::f32, tensor_type::f16, tensor_type::bf16, tensor_type::q8_0, tensor_type::q4_0,
        tensor_type::q4_1, tensor_type::q5_0, tensor_type::q5_1, tensor_type::iq4_nl,
        tensor_type::q4_k, tensor_type::q5_k, tensor_type::q6_k}) {
    const random_model m("small", shape, type);
    const config c = read_config(m);
    CHECK(c.layers == 3);
    CHECK(c.kv_width() == 128);
    std::set<float> first;  // of every weight: they differ
    for (std::size_t l = 0; l < c.layers; ++l)
      for (const projection p : projections) {
        const tensor& t = weight_of(m, c, l, p);
        std::vector<float> row(t.cols);
        double sum = 0, squares = 0;
        for (std::size_t r = 0; r < t.rows; ++r) {
          dequantize_row(t, r, row);
          if (r == 0) first.insert(row[0]);
          for (const float w : row) {
            sum += static_cast<double>(w);
            squares += static_cast<double>(w) * static_cast<double>(w);
          }
        }
        const auto n = static_cast<double>(t.rows * t.cols);
        const double deviation = std::sqrt(squares / n) * std::sqrt(static_cast<double>(t.cols));
        INFO(name(p) << " of type " << static_cast<unsigned>(type));
        CHECK_THAT(deviation, WithinRel(1.0, 0.05));
        // Q4_0's, Q5_0's, Q6_K's and Q8_0's levels reach one further down than up, and IQ4_NL's
        // numbers are -5.875 on average.
        const double lower = type == tensor_type::q4_0     ? -std::sqrt(12.0) / 32
                             : type == tensor_type::q5_0   ? -std::sqrt(12.0) / 64
                             : type == tensor_type::iq4_nl ? -5.875 / 67.4
                             : type == tensor_type::q6_k   ? -std::sqrt(12.0) / 128
                             : type == tensor_type::q8_0   ? -std::sqrt(12.0) / 512
                                                           : 0.0;
        CHECK_THAT(sum / n * std::sqrt(static_cast<double>(t.cols)), WithinAbs(lower, 0.03));
      }
    CHECK(first.size() > 10);
  }
}

TEST_CASE("random_model: rows are whole blocks") {
  CHECK_SAYS(random_model("x", parse_shape("1,256,544,4,2"), tensor_type::q4_k),
             sparsellm::value_error, "Q4_K takes multiples of 256, got a width of 256");
}

TEST_CASE("random_model: the shapes of Llama models") {
  CHECK(parse_shape("8b").hidden == 14336);
  CHECK(parse_shape("16,2048,8192,32,8").kv_heads == parse_shape("1b").kv_heads);
}

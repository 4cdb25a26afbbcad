// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// docs/support-matrix.md is what multiplies<Executor, Format> answers.
#include <string>

#include "catch2_any.hpp"
#include "sparsellm/core/replace_file.hpp"
#include "sparsellm/cpu/executors/borrowed_executor.hpp"
#include "sparsellm/sparsellm.hpp"

using namespace sparsellm;

namespace {

struct runs_now {
  template <class Body>
  void operator()(std::size_t count, const Body& body) const {
    for (std::size_t i = 0; i < count; ++i) body(i);
  }
};

template <class... F>
std::string row(const std::string& name) {
  std::string cells;
  ((cells += multiplies<cpu::executor, F> && multiplies<cpu::borrowed_executor<runs_now>, F>
                 ? " yes |"
                 : " no |"),
   ...);
  return "| `" + name + "` |" + cells + "\n";
}

template <int Bits, quantization Kind>
std::string quantised(const std::string& name) {
  return row<panel<quantized<Bits, 32, Kind>>, channel_major<quantized<Bits, 32, Kind>>,
             channel_major<quantized<Bits, 128, Kind>>>(name);
}

template <template <class> class Format>
std::string three(const std::string& name) {
  return row<Format<float>, Format<half>, Format<bfloat16>>(name);
}

}  // namespace

TEST_CASE("docs: the support matrix is true") {
  const std::string table =
      "# Which pairs run\n\n"
      "On every CPU executor (`cpu::executor`, `openmp_executor`, `tbb_executor`, "
      "`borrowed_executor`,\n"
      "`serial_executor`), one token and batches, every instruction set of `cpu/isa/list.inl`. "
      "Written by\n"
      "`test/docs/support_matrix_test.cpp`.\n\n"
      "| format | float | half | bfloat16 |\n|---|---|---|---|\n" +
      three<row_major>("row_major") + three<panel>("panel") +
      three<channel_major>("channel_major") +
      "\n| quantised | panel | channel_major | blocks of 128 |\n|---|---|---|---|\n" +
      quantised<8, quantization::symmetric>("q8_0") +
      quantised<8, quantization::affine>("quantized<8>, affine") +
      quantised<5, quantization::symmetric>("q5_0") + quantised<5, quantization::affine>("q5_1") +
      quantised<4, quantization::symmetric>("q4_0") + quantised<4, quantization::affine>("q4_1") +
      quantised<4, quantization::non_linear>("iq4_nl") +
      "\n| super-blocks | panel | channel_major |\n|---|---|---|\n" +
      row<panel<q4_k>, channel_major<q4_k>>("q4_k") +
      row<panel<q5_k>, channel_major<q5_k>>("q5_k") +
      row<panel<q6_k>, channel_major<q6_k>>("q6_k") +
      "\n| N:M, any N and M | float | half | bfloat16 | 8-bit levels |\n|---|---|---|---|---|\n" +
      row<n_of_m<float, 2, 4>, n_of_m<half, 4, 8>, n_of_m<bfloat16, 2, 3>,
          n_of_m<std::int8_t, 2, 4>>("n_of_m") +
      row<channel_bitmap<float, 2, 4>, channel_bitmap<half, 4, 8>, channel_bitmap<bfloat16, 2, 3>,
          channel_bitmap<std::int8_t, 2, 4>>("channel_bitmap");
  // What follows is CUDA's, held by test/cuda/multiply_test.cu.
  CHECK(read_file(std::string(SPARSELLM_SOURCE_DIR) + "/docs/support-matrix.md")
            .substr(0, table.size()) == table);
}

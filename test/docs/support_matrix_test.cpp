// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// docs/support-matrix.md is what multiplies<Executor, Format> answers.
#include <string>

#include "catch2_any.hpp"
#include "sparsellm/core/replace_file.hpp"
#include "sparsellm/cpu/borrowed_executor.hpp"
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

template <template <class> class Format>
std::string three(const std::string& name) {
  return row<Format<float>, Format<half>, Format<bfloat16>>(name);
}

}  // namespace

TEST_CASE("docs: the support matrix is true") {
  const std::string table =
      "# Which pairs run\n\n"
      "On every CPU executor (`cpu::executor`, `openmp_executor`, `tbb_executor`, "
      "`borrowed_executor`), one\n"
      "token and batches, every instruction set of `cpu/isa.hpp`. Written by\n"
      "`test/docs/support_matrix_test.cpp`.\n\n"
      "| format | float | half | bfloat16 |\n|---|---|---|---|\n" +
      three<row_major>("row_major") + three<panel>("panel") + three<channel_major>("channel_major");
  CHECK(read_file(std::string(SPARSELLM_SOURCE_DIR) + "/docs/support-matrix.md") == table);
}

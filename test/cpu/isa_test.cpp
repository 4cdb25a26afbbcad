// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/cpu/isa/isa.hpp"

#include <cstdlib>

#include "catch2_any.hpp"

using namespace sparsellm;

TEST_CASE("isa: names parse back, unknown and missing ones are refused") {
  for (const cpu::isa i : cpu::all_isas) {
    if (cpu::supported(i))
      CHECK(cpu::parse_isa(cpu::name(i)) == i);
    else
      CHECK_SAYS(cpu::parse_isa(cpu::name(i)), value_error, "this machine does not have");
  }
  CHECK_SAYS(cpu::parse_isa("sse2"), value_error, "got 'sse2'");
  CHECK(cpu::supported(cpu::isa::scalar));
}

TEST_CASE("isa: says which ones this machine tests") {
  std::string all;
  for (const cpu::isa i : cpu::all_isas)
    if (cpu::supported(i)) all += std::string(cpu::name(i)) + " ";
  WARN("instruction sets under test: " << all);
  CHECK(cpu::supported(cpu::default_isa()));
}

// Of a model of processor that is emulated the caller knows it.
TEST_CASE("isa: the best one is what the caller expects") {
  const char* const expected = std::getenv("SPARSELLM_EXPECTED_ISA");
  if (expected == nullptr) return;
  CHECK(cpu::name(cpu::default_isa()) == std::string_view(expected));
}

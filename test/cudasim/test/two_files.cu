// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A program of two files: both hold the same inline device variable, and one instantiation of a
// kernel template each.
#include "two_files.hpp"

int main() {
  int failures = 0;
  failures += second_file() != 42;
  failures += run_scaled(7) != 42;
  int value = 0;
  failures += cudaMemcpyFromSymbol(&value, factor<6>, sizeof value) != cudaSuccess || value != 6;
  std::printf("two files: %d failures\n", failures);
  return failures;
}

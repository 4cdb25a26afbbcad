#!/usr/bin/env python3
"""Writes a program of every C++ block of README.md and docs/**/*.md, which runs them.

  ```cpp                the statements of a function, which is called
  ```cpp declarations   what stands outside of functions, which is compiled
  ```cpp step           of the tutorial, which tutorial.py runs

Every block is in a namespace of its own, its #includes before all of them. Statements find the parameters
of PREAMBLE, and may hide them by declaring their own. Where they end with y as an output, y must be near the
product of all weights.

usage: snippets.py PROGRAM.cpp
"""
import pathlib
import re
import sys

sys.dont_write_bytecode = True
from fences import ROOT, blocks_of, documents

HEADERS = """
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <sparsellm/sparsellm.hpp>
"""

# What a reader takes as given: a layer's weight W [outputs, inputs], rows of its inputs [tokens, inputs],
# one input x [inputs] and output y [outputs], a threshold tau, the same weight packed, and its bytes.
PREAMBLE = """void statements(
    cpu::executor& exec, std::size_t outputs, std::size_t inputs, std::size_t tokens, std::size_t threads,
    float tau, matrix_view<const float> weight, matrix_view<const float> rows, vector_view<const float> x,
    vector_view<float> y, const packed_matrix<channel_major<bfloat16>>& w, vector_view<const std::byte> bytes) {"""

MAIN = """
int main() {
  using namespace sparsellm;
  constexpr std::size_t outputs = 256, inputs = 512, tokens = 600, threads = 2;
  std::mt19937 random(1);
  const auto draw = [&] {  // activations look like this: most near 0, a few large
    const double u = (static_cast<double>(random()) + 0.5) / 4294967296.0;
    return static_cast<float>(u < 0.5 ? std::log(2 * u) : -std::log(2 - 2 * u));
  };
  std::vector<float> numbers(outputs * inputs), samples(tokens * inputs), x(inputs), y(outputs);
  for (std::vector<float>* all : {&numbers, &samples, &x})
    for (float& v : *all) v = draw();
  cpu::executor exec(threads);
  const matrix_view<const float> weight(numbers.data(), outputs, inputs), rows(samples.data(), tokens, inputs);
  const auto w = pack<channel_major<bfloat16>>(exec, weight);

  int failures = 0;
  const auto run = [&](const char* where, bool writes_y, auto statements) {
    for (float& v : y) v = std::numeric_limits<float>::quiet_NaN();
    statements(exec, outputs, inputs, tokens, threads, 0.7f, weight, rows, vector_view<const float>(x),
               vector_view<float>(y), w, w.storage_view());
    double difference = 0, whole = 0;
    for (std::size_t o = 0; o < outputs; ++o) {
      double exact = 0;
      for (std::size_t i = 0; i < inputs; ++i) exact += static_cast<double>(weight(o, i)) * static_cast<double>(x[i]);
      difference += std::pow(static_cast<double>(y[o]) - exact, 2);
      whole += exact * exact;
    }
    // Half of the activations are skipped: some 20 % of the outputs' size.
    if (writes_y && !(std::sqrt(difference / whole) < 0.4)) {
      std::printf("%s: y differs from W x by %.2f of its size\\n", where, std::sqrt(difference / whole));
      ++failures;
    }
  };
"""


def in_a_namespace(page, first, kind, text, number):
    name = page.relative_to(ROOT)
    if kind not in ("", "declarations"):
        sys.exit(f"snippets: {name}:{first - 1}: 'cpp' or 'cpp declarations' expected, got 'cpp {kind}'")
    whole = kind == "declarations"
    body = "\n".join("" if line.startswith("#include") else line for line in text)
    return "\n".join([
        f"namespace snippet_{number} {{",
        "using namespace sparsellm;",
        "" if whole else PREAMBLE + "{",
        f'#line {first} "{name}"',
        body,
        "" if whole else "}}",
        f"}}  // namespace snippet_{number}",
        "",
    ])


def main():
    found = [(page, first, kind, text) for page in documents()
             for first, language, kind, text in blocks_of(page) if language == "cpp" and kind != "step"]
    includes = [line for _, _, _, text in found for line in text if line.startswith("#include")]
    program = HEADERS + "\n".join(dict.fromkeys(includes)) + "\n"
    calls = ""
    for number, (page, first, kind, text) in enumerate(found):
        program += in_a_namespace(page, first, kind, text, number)
        if not kind:
            writes_y = "true" if re.search(r"\by\)", "\n".join(text)) else "false"
            calls += f'  run("{page.relative_to(ROOT)}:{first}", {writes_y}, snippet_{number}::statements);\n'
    if not calls:
        sys.exit("snippets: no C++ block found")
    counts = f"{len(found)} blocks of {len({page for page, *_ in found})} pages compiled, {calls.count('run(')} run"
    program += MAIN + calls + f'  if (failures == 0) std::puts("snippets: {counts}");\n  return failures != 0;\n}}\n'
    pathlib.Path(sys.argv[1]).write_text(program, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()

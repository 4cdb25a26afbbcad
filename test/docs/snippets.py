#!/usr/bin/env python3
"""Compiles every C++ block of README.md and docs/*.md, all of them in one file.

  ```cpp                the statements of a function, or a whole program when it has a main()
  ```cpp declarations   what stands outside of functions
  ```cpp step           of the tutorial, which tutorial.py runs

Every block is in a namespace of its own, its #includes before all of them. Statements find the parameters
of PREAMBLE, and may hide them by declaring their own.

usage: snippets.py COMPILER [FLAGS...]
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

HEADERS = """
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <sparsellm/sparsellm.hpp>
"""

# What a reader takes as given: a layer's weight W [outputs, inputs], rows of its inputs [tokens, inputs],
# one input x [inputs] and output y [outputs], a threshold tau, and the same weight packed.
PREAMBLE = """[[maybe_unused]] inline void statements(
    [[maybe_unused]] cpu::executor& exec, [[maybe_unused]] std::size_t outputs,
    [[maybe_unused]] std::size_t inputs, [[maybe_unused]] std::size_t tokens,
    [[maybe_unused]] std::size_t threads, [[maybe_unused]] float tau,
    [[maybe_unused]] matrix_view<const float> weight, [[maybe_unused]] matrix_view<const float> rows,
    [[maybe_unused]] vector_view<const float> x, [[maybe_unused]] vector_view<float> y,
    [[maybe_unused]] const packed_matrix<channel_major<bfloat16>>& w,
    [[maybe_unused]] vector_view<const std::byte> bytes) {"""


def blocks_of(page):
    """(line of the first statement, the fence's other words, text) of each C++ block."""
    fence, first, kind, text = None, 0, "", []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if fence is None:
            begin = re.match(r"(```+)\s*(\S*)\s*(.*)$", line)
            if begin:
                fence, language, kind = begin.groups()
                first, text = number + 1, []
        elif line.strip() == fence:
            if language in ("cpp", "c++", "C++", "cxx") and kind.strip() != "step":
                yield first, kind.strip(), text
            fence = None
        else:
            text.append(line)
    if fence is not None:
        sys.exit(f"snippets: {page.relative_to(ROOT)}: the block of line {first - 1} has no end")


def in_a_namespace(page, first, kind, text, number):
    name = page.relative_to(ROOT)
    if kind not in ("", "declarations"):
        sys.exit(f"snippets: {name}:{first - 1}: 'cpp' or 'cpp declarations' expected, got 'cpp {kind}'")
    whole = kind == "declarations" or any(re.search(r"\bmain\s*\(", line) for line in text)
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
    pages = [ROOT / "README.md"] + sorted((ROOT / "docs").rglob("*.md"))
    found = [(page, *block) for page in pages for block in blocks_of(page)]
    if not found:
        sys.exit("snippets: no C++ block found")
    includes = [line for _, _, _, text in found for line in text if line.startswith("#include")]
    program = HEADERS + "\n".join(dict.fromkeys(includes)) + "\n"
    for number, block in enumerate(found):
        program += in_a_namespace(*block, number)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "snippets.cpp"
        source.write_text(program, encoding="utf-8")
        command = sys.argv[1:] + ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                                  "-Wno-unused", f"-I{ROOT / 'include'}", str(source)]
        result = subprocess.run(command, check=False)
    print(f"snippets: {len(found)} blocks of {len({page for page, *_ in found})} pages")
    return result.returncode


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main())

#!/usr/bin/env python3
"""docs/tutorial.md as programs, and their output held against the page's.

  ```cpp step     the first is a whole program; each further one goes to the end of its main()
  ```cuda step    a whole program for the GPU
  ```output       what the block before it prints

usage: tutorial.py extract FOLDER       write FOLDER/tutorial.cpp and FOLDER/gpu.cu
       tutorial.py check cpp COMMAND…   run a program made of the blocks of one kind, compare
       tutorial.py write cpp COMMAND…   run it, and put what it prints into the page
"""
import pathlib
import re
import subprocess
import sys

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
FENCE = re.compile(r"```(cpp step|cuda step|output)\n(.*?)```\n", re.DOTALL)
END_OF_STEP = "-- end of step --"


def steps(text):
    """[(kind, code, output, where the output stands)], and dies where a step has none."""
    found, result = list(FENCE.finditer(text)), []
    for code, output in zip(found[::2], found[1::2]):
        if code[1] == "output" or output[1] != "output":
            sys.exit(f"tutorial: a step and its output expected by turns, got '{code[1]}' and '{output[1]}'")
        result.append((code[1].split()[0], code[2], output[2], output.span(2)))
    if len(found) % 2:
        sys.exit("tutorial: the last step has no output")
    return result


def program(codes):
    """The steps in one main(). A line after each says where its output ends."""
    first, *others = codes
    head, brace = first.rstrip().rsplit("\n", 1)
    if brace != "}":
        sys.exit(f"tutorial: the first step must end with main()'s brace, got '{brace}'")
    mark = f'  std::puts("{END_OF_STEP}");\n'
    return head + "\n" + mark + "".join("\n" + code + mark for code in others) + "}\n"


def outputs(command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"tutorial: {command[-1]} ended with {result.returncode}: {result.stdout}{result.stderr}")
    parts = result.stdout.split(END_OF_STEP + "\n")
    if parts.pop() != "":
        sys.exit("tutorial: text behind the last step's end")
    return parts


def main():
    mode, *rest = sys.argv[1:] or [""]
    text = PAGE.read_text(encoding="utf-8")
    if mode == "extract" and len(rest) == 1:
        for kind, name in (("cpp", "tutorial.cpp"), ("cuda", "gpu.cu")):
            codes = [code for k, code, *_ in steps(text) if k == kind]
            pathlib.Path(rest[0], name).write_text(program(codes), encoding="utf-8")
        return 0
    if mode not in ("check", "write") or len(rest) < 2:
        sys.exit(__doc__)
    kind, *command = rest
    mine = [step for step in steps(text) if step[0] == kind]
    got = outputs(command)
    if len(mine) != len(got):
        sys.exit(f"tutorial: {len(mine)} steps expected, the program has {len(got)}")
    if mode == "write":
        for (*_, (first, last)), new in reversed(list(zip(mine, got))):
            text = text[:first] + new + text[last:]
        PAGE.write_text(text, encoding="utf-8")
        return 0
    for number, ((_, _, expected, _), new) in enumerate(zip(mine, got)):
        if expected != new:
            sys.exit(f"tutorial: {kind} step {number}: the page says\n{expected}and the program\n{new}")
    print(f"tutorial: {len(mine)} steps print what the page says")
    return 0


if __name__ == "__main__":
    sys.exit(main())

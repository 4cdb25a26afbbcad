#!/usr/bin/env python3
"""Copies the recipes of vcpkg, Conan and Spack with what is known at release only filled in.

@SHA256@ and @SHA512@ are the checksums of the archive, @ARCHIVES@ the address of the folder in which it lies on the
web, @HOME@ the project's own address. An archive cannot hold its own checksum, so what is committed has these words.

usage: fill.py ARCHIVE OUTPUT --home URL --archives URL
"""
import argparse
import hashlib
import pathlib
import re
import sys

RECIPES = pathlib.Path(__file__).resolve().parent
KINDS = ("vcpkg", "conan", "spack")


def address(text):
    if not re.match(r"(https?|file)://", text):
        raise argparse.ArgumentTypeError(f"expected an address such as https://…, got '{text}'")
    return text.rstrip("/")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--home", type=address, required=True)
    parser.add_argument("--archives", type=address, required=True)
    options = parser.parse_args()
    data = options.archive.read_bytes()
    words = {"HOME": options.home, "ARCHIVES": options.archives,
             "SHA256": hashlib.sha256(data).hexdigest(), "SHA512": hashlib.sha512(data).hexdigest()}
    for kind in KINDS:
        for recipe in sorted((RECIPES / kind).rglob("*")):
            if not recipe.is_file() or "__pycache__" in recipe.parts:
                continue
            text = recipe.read_text(encoding="utf-8")
            text = re.sub(r"@([A-Z0-9]+)@", lambda word: words[word[1]], text)
            filled = options.output / recipe.relative_to(RECIPES)
            filled.parent.mkdir(parents=True, exist_ok=True)
            filled.write_text(text, encoding="utf-8")
    print(f"recipes of {', '.join(KINDS)}: {options.output}")


if __name__ == "__main__":
    sys.exit(main())

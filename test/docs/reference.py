#!/usr/bin/env python3
"""Makes the reference (docs/Doxyfile) and looks for the public names of namespace sparsellm in it.

usage: reference.py DOXYGEN FOLDER
"""
import html
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIST = pathlib.Path(__file__).with_name("public_names.txt")


def words_of(page):
    return set(re.findall(r"\w+", html.unescape(re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8")))))


def main():
    doxygen, folder = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = (ROOT / "docs" / "Doxyfile").read_text(encoding="utf-8") + f'\nOUTPUT_DIRECTORY = "{folder}"\n'
    made = subprocess.run([doxygen, "-"], cwd=ROOT, input=settings, text=True, check=False)
    if made.returncode != 0:
        return f"reference: {doxygen} warned or failed ({made.returncode})"
    missing = []
    for scope in ("sparsellm", "sparsellm::cpu"):
        page = words_of(folder / "html" / f"namespace{scope.replace('::', '_1_1')}.html")
        for name in LIST.read_text(encoding="utf-8").splitlines():
            above, _, last = name.rpartition("::")
            if above == scope and last not in page:
                missing.append(name)
    if missing:
        return "reference: public names that are not in it:\n" + "\n".join(missing)
    print("reference: every public name is in it")
    return 0


if __name__ == "__main__":
    sys.exit(main())

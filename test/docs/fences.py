"""The fenced blocks of the project's pages: what snippets.py and shell_blocks.py run."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LANGUAGES = {"cpp", "cuda", "sh", "cmake", "json", "text", "output"}


def blocks_of(page):
    """(line of the first statement, language, the fence's other words, lines) of each block of a page. Dies
    where a block has no end, names no language of LANGUAGES, or is indented instead of fenced."""
    name = page.relative_to(ROOT)
    fence, first, language, kind, text, blocks, previous = None, 0, "", "", [], [], ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if fence is None:
            if begin := re.match(r"(```+)\s*(\S*)\s*(.*)$", line):
                fence, language, kind = begin.groups()
                if language not in LANGUAGES:
                    sys.exit(f"{name}:{number}: one of {', '.join(sorted(LANGUAGES))} expected behind ```, got '{language}'")
                first, text = number + 1, []
            elif re.match(r" {4}\S", line) and re.match(r"$|#", previous):
                sys.exit(f"{name}:{number}: a fenced block expected, got an indented one")
            previous = line
        elif line.strip() == fence:
            blocks.append((first, language, kind.strip(), text))
            fence = None
        else:
            text.append(line)
    if fence is not None:
        sys.exit(f"{name}: the block of line {first - 1} has no end")
    return blocks


def documents():
    """README.md and every page under docs/."""
    return [ROOT / "README.md"] + sorted((ROOT / "docs").rglob("*.md"))

#!/usr/bin/env python3
"""Every link of README.md, CHANGELOG.md, CONTRIBUTING.md and docs/**/*.md to a place in the project leads
there: the file exists, and so does the heading behind '#'. Addresses of other sites are not visited.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def without_code(text):
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page):
    """What GitHub calls the headings of a page."""
    found = set()
    for line in re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE).splitlines():
        if heading := re.match(r"#+ (.*)", line):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            found.add(re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-"))
    return found


def main():
    pages = [ROOT / n for n in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")] + sorted((ROOT / "docs").rglob("*.md"))
    broken, links = [], 0
    for page in pages:
        for target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
            if re.match(r"[a-z]+:", target):
                continue
            links += 1
            path, _, anchor = target.partition("#")
            to = (page.parent / path).resolve() if path else page
            if not to.exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}: there is no such file")
            elif anchor and to.suffix == ".md" and anchor not in anchors(to):
                broken.append(f"{page.relative_to(ROOT)}: {target}: there is no such heading")
    print("\n".join(broken) or f"links: {links} of {len(pages)} pages lead somewhere")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())

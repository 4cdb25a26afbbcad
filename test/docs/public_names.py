#!/usr/bin/env python3
"""Holds the public names of the library, and that each is explained.

Public is what include/sparsellm/sparsellm.hpp declares in namespace sparsellm, its namespaces aside from detail,
and the public members of its classes. Inline namespaces (the version, the baseline) are left out of names. They are
compared with public_names.txt, so that a name that comes or goes is seen; --write writes that file.

A public type, function, constant or enumerator has a comment in front of it or behind it on its line. Members of a
class, enumerators and overloads may share the comment above a group of neighbours, which ends with an empty line.

usage: public_names.py [--write]
"""
import difflib
import functools
import glob
import pathlib
import re
import sys

# Where Debian keeps its packages' modules, which another Python on the path does not look into.
sys.path.append("/usr/lib/python3/dist-packages")
LIBRARIES = glob.glob("/usr/lib/*/libclang-14.so.1") + glob.glob("/usr/lib/llvm-14/lib/libclang-14.so.1")
try:
    import clang.cindex as cx
except ImportError:
    print("skipped: python3-clang-14 is not installed")
    sys.exit(0)
if not LIBRARIES:
    print("skipped: libclang 14 is not installed")
    sys.exit(0)
cx.Config.set_library_file(LIBRARIES[0])

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include" / "sparsellm"
LIST = pathlib.Path(__file__).with_name("public_names.txt")

KIND = cx.CursorKind
CLASSES = {KIND.CLASS_DECL, KIND.STRUCT_DECL, KIND.UNION_DECL, KIND.CLASS_TEMPLATE,
           KIND.CLASS_TEMPLATE_PARTIAL_SPECIALIZATION}
FUNCTIONS = {KIND.FUNCTION_DECL, KIND.FUNCTION_TEMPLATE, KIND.CXX_METHOD, KIND.CONSTRUCTOR,
             KIND.CONVERSION_FUNCTION}
TYPES = {KIND.TYPE_ALIAS_DECL, KIND.TYPEDEF_DECL, KIND.TYPE_ALIAS_TEMPLATE_DECL, KIND.ENUM_DECL}
VALUES = {KIND.VAR_DECL, KIND.FIELD_DECL, KIND.ENUM_CONSTANT_DECL}
# What clang 14's binding has no kinds for: concepts and templates of variables.
UNNAMED = {KIND.UNEXPOSED_DECL}


def parse():
    index = cx.Index.create()
    arguments = ["-x", "c++", "-std=c++20", f"-I{ROOT / 'include'}", "-DSPARSELLM_COMPILED"]
    unit = index.parse("names.cpp", arguments, [("names.cpp", "#include <sparsellm/sparsellm.hpp>\n")])
    errors = [d for d in unit.diagnostics if d.severity >= cx.Diagnostic.Error]
    if errors:
        sys.exit("public_names: the headers do not compile:\n" + "\n".join(map(str, errors)))
    return unit


@functools.lru_cache(maxsize=None)
def lines_of(path):
    return pathlib.Path(path).read_text(encoding="utf-8").splitlines()


def is_comment(line):
    return line.lstrip().startswith("//")


def first_line(cursor):
    """Where a declaration begins, its template head and attributes included."""
    lines = lines_of(cursor.location.file.name)
    line = cursor.extent.start.line
    while line > 1 and re.match(r"\s*(template\b|requires\b|\[\[|SPARSELLM_)", lines[line - 2]):
        line -= 1
    return line


def explained(cursor, in_class):
    lines = lines_of(cursor.location.file.name)
    begin = first_line(cursor)
    last = cursor.extent.end.line if cursor.kind in VALUES else cursor.location.line
    if any("//" in lines[i - 1] for i in range(begin, last + 1)):
        return True
    at = begin - 1  # lines[at - 1] is the line above
    if at >= 1 and is_comment(lines[at - 1]):
        return True
    # A group of neighbours: no empty line between it and a comment. What opens a scope ends it.
    while at >= 1:
        text = lines[at - 1]
        if text.strip() == "":
            return False
        if is_comment(text):
            return True
        if in_class and re.match(r"\s*(public|private|protected):", text):
            return False
        if re.match(r"(namespace|class|struct|#|enum)", text.lstrip()) and not (not in_class and text.endswith(";")):
            return False
        at -= 1
    return False


def is_public(cursor):
    return cursor.access_specifier in (cx.AccessSpecifier.PUBLIC, cx.AccessSpecifier.INVALID)


class Names:
    def __init__(self):
        self.names = set()
        self.bare = []

    def add(self, scope, cursor, in_class):
        name = scope + cursor.spelling.split("<")[0]
        self.names.add(name)
        special = cursor.kind in FUNCTIONS and (
            cursor.spelling.startswith("operator") or cursor.is_default_constructor() or
            cursor.is_copy_constructor() or cursor.is_move_constructor() or
            cursor.spelling.startswith("~"))
        member_of_explained = cursor.kind in (KIND.FIELD_DECL, KIND.ENUM_CONSTANT_DECL) or (
            in_class and (cursor.kind in TYPES or cursor.kind in VALUES))
        # Fields, enumerators, member types and constants are explained with their class.
        if not special and not member_of_explained and not explained(cursor, in_class):
            where = pathlib.Path(cursor.location.file.name).relative_to(ROOT)
            self.bare.append(f"{where}:{cursor.location.line}: {name}")
        return name

    def visit(self, cursor, scope, in_class):
        for child in cursor.get_children():
            file = child.location.file
            if file is None or not pathlib.Path(file.name).is_relative_to(INCLUDE):
                continue
            if child.kind == KIND.NAMESPACE:
                if child.spelling == "detail":
                    continue
                inline = re.match(r"v\d+$|baseline_", child.spelling)
                self.visit(child, scope if inline else scope + child.spelling + "::", False)
            elif not is_public(child):
                continue
            elif child.kind in CLASSES:
                # A specialisation has the name of its template, and is explained there.
                if child.spelling and child.is_definition():
                    name = scope + child.spelling
                    self.names.add(name)
                    if child.kind != KIND.CLASS_TEMPLATE_PARTIAL_SPECIALIZATION and not self.specialises(child) \
                            and not explained(child, in_class):
                        where = pathlib.Path(file.name).relative_to(ROOT)
                        self.bare.append(f"{where}:{child.location.line}: {name}")
                    self.visit(child, name + "::", True)
            elif child.kind in FUNCTIONS | TYPES | VALUES | UNNAMED:
                if child.spelling and not child.spelling.startswith("<deduction guide") and not (
                        child.kind in UNNAMED and scope + child.spelling in self.names):
                    name = self.add(scope, child, in_class)
                    if child.kind == KIND.ENUM_DECL:
                        self.visit(child, name + "::", True)

    @staticmethod
    def specialises(cursor):
        return "<" in cursor.displayname and cursor.kind != KIND.CLASS_TEMPLATE


def main():
    unit = parse()
    found = Names()
    for top in unit.cursor.get_children():
        if top.kind == KIND.NAMESPACE and top.spelling == "sparsellm":
            found.visit(top, "sparsellm::", False)
    names = sorted(found.names)
    if "--write" in sys.argv[1:]:
        LIST.write_text("\n".join(names) + "\n", encoding="utf-8")
    listed = LIST.read_text(encoding="utf-8").splitlines() if LIST.exists() else []
    failed = False
    if names != listed:
        failed = True
        print("The public names are not those of test/docs/public_names.txt (public_names.py --write writes it):")
        print("\n".join(line for line in difflib.unified_diff(listed, names, "listed", "declared", lineterm="", n=0)
                        if not line.startswith("@@")))
    bare = sorted(set(found.bare))
    if bare:
        failed = True
        print(f"{len(bare)} public names without a comment:")
        print("\n".join(bare))
    print(f"public_names: {len(names)} names")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Looks at the form of what a release is made of: the recipes of packaging/, CITATION.cff, CHANGELOG.md, .github.

Nothing is fetched, and none of vcpkg, Conan and Spack is needed. Recipes are looked at as packaging/fill.py fills
them in. YAML is read where Python has PyYAML, and named as left out where it has not.

usage: recipes.py VERSION CMAKE
"""
import ast
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

# Where Debian keeps its packages' modules, which another Python on the path does not look into.
sys.path.append("/usr/lib/python3/dist-packages")
try:
    import yaml
except ImportError:
    yaml = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
HOME, ARCHIVES = "https://project.example/sparsellm", "https://archives.example/sparsellm"
problems = []


def expect(condition, problem):
    if not condition:
        problems.append(problem)


def read(path):
    return path.read_text(encoding="utf-8")


def check_vcpkg(folder, version):
    port = folder / "vcpkg" / "ports" / "sparsellm"
    manifest = json.loads(read(port / "vcpkg.json"))
    for field in ("name", "version", "description", "homepage", "license", "supports", "dependencies"):
        expect(field in manifest, f"vcpkg.json: no field '{field}'")
    expect(manifest["name"] == port.name, f"vcpkg.json: the name is {manifest['name']}, the folder's {port.name}")
    expect(manifest["version"] == version, f"vcpkg.json: version {manifest['version']}, the project's is {version}")
    expect(manifest["license"] == "Apache-2.0", "vcpkg.json: the licence is not Apache-2.0")
    for feature, about in manifest["features"].items():
        expect("description" in about, f"vcpkg.json: feature '{feature}' has no description")
    for feature in manifest["default-features"]:
        expect(feature in manifest["features"], f"vcpkg.json: default feature '{feature}' is none")
    for feature in manifest["features"]:
        expect(feature in read(port / "usage"), f"usage: nothing of feature '{feature}'")


def check_portfile(folder, cmake):
    """Runs the portfile with functions of vcpkg that do nothing: those it calls must exist, and CMake must read it."""
    functions = ("vcpkg_download_distfile", "vcpkg_extract_source_archive", "vcpkg_check_features",
                 "vcpkg_cmake_configure", "vcpkg_cmake_install", "vcpkg_cmake_config_fixup", "vcpkg_fixup_pkgconfig",
                 "vcpkg_install_copyright")
    portfile = folder / "vcpkg" / "ports" / "sparsellm" / "portfile.cmake"
    for features in ("", "compiled"):
        with tempfile.TemporaryDirectory() as work:
            script = pathlib.Path(work) / "portfile_dry_run.cmake"
            script.write_text("cmake_minimum_required(VERSION 3.22)\n" + "".join(f"function({name})\n  message(STATUS \"{name}\")\nendfunction()\n" for name in functions)
                              + f'set(CURRENT_PACKAGES_DIR "{work}/packages")\nset(PORT sparsellm)\n'
                              + f'set(FEATURES "{features}")\nset(VERSION 0.0.0)\ninclude("{portfile}")\n', encoding="utf-8")
            run = subprocess.run([cmake, "-P", script], capture_output=True, text=True, check=False)
            expect(run.returncode == 0, f"portfile.cmake with features '{features}':\n{run.stderr}")
            for name in functions:
                expect(name in run.stdout, f"portfile.cmake does not call {name}")


def class_of(path, base):
    """The assignments of the class of `path` that derives from `base`, by name."""
    for node in ast.parse(read(path), str(path)).body:
        if isinstance(node, ast.ClassDef) and any(getattr(b, "id", "") == base for b in node.bases):
            return node, {t.id: a.value for a in node.body if isinstance(a, ast.Assign) for t in a.targets}
    problems.append(f"{path.name}: no class that derives from {base}")
    return ast.ClassDef("", [], [], [], []), {}


def check_conan(folder, version):
    recipe, values = class_of(folder / "conan" / "conanfile.py", "ConanFile")
    for field in ("name", "version", "description", "license", "homepage", "topics", "settings", "options",
                  "default_options", "package_type"):
        expect(field in values, f"conanfile.py: no attribute '{field}'")
    expect(ast.literal_eval(values["version"]) == version, f"conanfile.py: the version is not {version}")
    options, defaults = ast.literal_eval(values["options"]), ast.literal_eval(values["default_options"])
    expect(options.keys() == defaults.keys(), "conanfile.py: options and default_options differ")
    methods = {node.name for node in recipe.body if isinstance(node, ast.FunctionDef)}
    missing = {"layout", "validate", "source", "generate", "build", "package", "package_info"} - methods
    expect(not missing, f"conanfile.py: no {', '.join(sorted(missing))}")
    sources = re.findall(r'^  "([0-9.]+)":$', read(folder / "conan" / "conandata.yml"), re.M)
    expect(sources == [version], f"conandata.yml: sources of {sources}, the project's version is {version}")
    class_of(folder / "conan" / "test_package" / "conanfile.py", "ConanFile")
    for file in re.findall(r"[a-z_]+\.cpp", read(folder / "conan" / "test_package" / "CMakeLists.txt")):
        expect((folder / "conan" / "test_package" / file).exists(), f"test_package: no {file}")


def check_spack(folder, version):
    package, values = class_of(folder / "spack" / "packages" / "sparsellm" / "package.py", "CMakePackage")
    for field in ("homepage", "url"):
        expect(field in values, f"package.py: no attribute '{field}'")
    expect(ast.get_docstring(package), "package.py: no description")
    calls = [node.value for node in package.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    versions = [ast.literal_eval(call.args[0]) for call in calls if call.func.id == "version"]
    expect(versions == [version], f"package.py: versions {versions}, the project's is {version}")


def check_options(folder):
    """Every SPARSELLM_BUILD_* that a recipe sets is an option of the project."""
    known = set(re.findall(r"(?:option|set)\((SPARSELLM_\w+)", read(ROOT / "CMakeLists.txt")))
    for recipe in folder.rglob("*"):
        if recipe.suffix in (".py", ".cmake"):
            for name in re.findall(r"SPARSELLM_BUILD_[A-Z_]+", read(recipe)):
                expect(name in known, f"{recipe.name}: {name} is no option of the project")


def check_filled(version, cmake):
    with tempfile.TemporaryDirectory() as work:
        archive, filled = pathlib.Path(work) / "archive.tar.gz", pathlib.Path(work) / "filled"
        archive.write_bytes(b"an archive")
        subprocess.run([sys.executable, PACKAGING / "fill.py", archive, filled, "--home", HOME, "--archives", ARCHIVES],
                       check=True, stdout=subprocess.DEVNULL)
        check_vcpkg(filled, version)
        check_portfile(filled, cmake)
        check_conan(filled, version)
        check_spack(filled, version)
        check_options(filled)
        for recipe in filled.rglob("*"):
            expect(recipe.is_dir() or not re.search(r"@[A-Z0-9]+@", read(recipe)), f"{recipe.name}: not filled in")
        port = read(filled / "vcpkg" / "ports" / "sparsellm" / "portfile.cmake")
        expect(hashlib.sha512(b"an archive").hexdigest() in port, "portfile.cmake: not the archive's SHA512")
        for recipe in ("conan/conandata.yml", "spack/packages/sparsellm/package.py"):
            text = read(filled / recipe)
            expect(hashlib.sha256(b"an archive").hexdigest() in text, f"{recipe}: not the archive's SHA256")
            expect(f"{ARCHIVES}/sparsellm-{version}.tar.gz" in text, f"{recipe}: not the archive's address")


def check_documents(version):
    changelog = read(ROOT / "CHANGELOG.md")
    sections = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", changelog, re.M)
    expect(sections[0] == ("Unreleased", ""), "CHANGELOG.md: the first section is not [Unreleased]")
    expect(sections[1][0] == version, f"CHANGELOG.md: the first version is {sections[1][0]}, the project's is {version}")
    citation = read(ROOT / "CITATION.cff")
    found = re.search(r"^version: (.+)$", citation, re.M)
    expect(found and found[1] == version, f"CITATION.cff: the version is not {version}")
    date = re.search(r"^date-released: (.+)$", citation, re.M)
    expect(date and date[1] == sections[1][1], "CITATION.cff: the date is not that of CHANGELOG.md")
    if yaml is None:
        print("PyYAML is not installed: YAML was not read")
        return
    fields = yaml.safe_load(citation).keys()
    expect({"cff-version", "message", "title", "authors"} <= fields, "CITATION.cff: a required field is missing")
    yaml.safe_load(read(PACKAGING / "conan" / "conandata.yml"))
    for form in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")):
        content = yaml.safe_load(read(form))
        expect({"name", "description", "body"} <= content.keys(), f"{form.name}: a required field is missing")
        names = [part.get("id") for part in content["body"]]
        expect(len(set(names)) == len(names) and "version" in names and "machine" in names,
               f"{form.name}: asks for no version or machine, or twice by the same name")
        for part in content["body"]:
            expect("label" in part["attributes"], f"{form.name}: '{part['id']}' has no label")


def main():
    version, cmake = sys.argv[1:]
    check_filled(version, cmake)
    check_documents(version)
    if problems:
        return "recipes:\n  " + "\n  ".join(problems)
    print("recipes: vcpkg, Conan, Spack, the citation and the forms are as they should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())

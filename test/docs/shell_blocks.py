#!/usr/bin/env python3
"""Runs every ```sh block of README.md, CONTRIBUTING.md, packaging/README.md and docs/**/*.md in bash, as it
stands, each page's blocks one after the other in a folder like the reader's.

Commands are found in REAL, which run, and in STAND_INS, which look at what they are asked for in place of what
takes a network, a machine or an hour; whatever else a block calls is not found, and fails the test. sparsellm-llama
is the real program: where a command names no model of its own, it runs on the small one of the tests. What a block
of real commands prints is compared with the ```output block that follows it.

usage: shell_blocks.py SPARSELLM_LLAMA MAKE_TINY_MODEL COMPILER
"""
import ast
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from fences import ROOT, blocks_of, documents

PAGES = [*documents(), ROOT / "CONTRIBUTING.md", ROOT / "packaging" / "README.md"]
REAL = ("bash", "mkdir")  # and g++, which is the compiler of this build, and sparsellm-llama
# Why a command does not run here, but what it is asked for is checked.
STAND_INS = {
    "script": "a script of the project: installs packages, or takes minutes to hours; "
              "it must exist, have no syntax error, and name in its usage what it is given",
    "test/cudasim/run": "builds a simulator; the test cuda.simulator runs it",
    ".gpu-day/run.sh": "made for a machine with a GPU by script/gpu-day, whose text must name it",
    "apt-get": "changes the machine; packages must be among those that script/test installs",
    "git": "clones the reader's copy; the folder it makes has what is here",
    "cmake": "whole builds; presets, options of ours, targets and build folders must exist",
    "ctest": "whole runs of the tests; the preset must exist and its folder be configured",
    "cpack": "the test package.deb runs it; the generator must be that one",
    "nvcc": "takes a minute, and -arch=native a GPU; docs.tutorial_gpu builds and runs the same file",
    "./gpu": "made by nvcc",
    "fuzzer": "runs until stopped, built by clang alone; the corpus must exist",
    "llama-bench": "llama.cpp's, run by the tests llamacpp.*; the plugin's variables and files must exist",
    "llama-completion": "as llama-bench",
    "llama-perplexity": "as llama-bench; where it would count, sparsellm-llama counts",
    "ggml-rpc-server": "as llama-bench",
}


def fail(problem):
    sys.exit(f"shell_blocks: {problem}")


def text_of(*names):
    return "\n".join((ROOT / name).read_text(encoding="utf-8") for name in names)


def usage_of(script):
    """The comment or docstring that a script begins with, when nothing is wrong with its syntax."""
    path = ROOT / "script" / script
    if not os.access(path, os.X_OK):
        fail(f"script/{script}: no such program")
    text = path.read_text(encoding="utf-8")
    if "python3" in text.splitlines()[0]:
        return ast.get_docstring(ast.parse(text, str(path)))
    subprocess.run(["bash", "-n", path], check=True)
    return "\n".join(line for line in re.split(r"\n(?!#)", text, maxsplit=1)[0].splitlines()[1:])


def stand_in_script(name, args):
    usage = usage_of(name)
    for arg in args:
        if not re.search(rf"(?<![\w-]){re.escape(arg)}(?![\w-])", usage):
            fail(f"script/{name} knows no '{arg}'")


def stand_in_run(_, args):
    if ".gpu-day/run.sh " + " ".join(args) not in usage_of("gpu-day"):
        fail(f"script/gpu-day knows no .gpu-day/run.sh {args}")


def stand_in_apt_get(_, args):
    known = text_of("script/test", "script/packages").split()
    if args != ["update"] and args[0] != "install":
        fail(f"apt-get update or install expected, got apt-get {args}")
    for package in args[1:]:
        if package not in known:
            fail(f"apt-get {args}: script/test installs no {package}")


def stand_in_git(_, args):
    if args[:2] != ["clone", "REPOSITORY"] or len(args) != 3:
        fail(f"git clone REPOSITORY FOLDER expected, got git {args}")
    os.mkdir(args[2])
    os.symlink(ROOT / "include", os.path.join(args[2], "include"))
    for folder in ("script", "test"):  # of stand-ins
        os.symlink(f"../{folder}", os.path.join(args[2], folder))


def stand_in_cudasim(_, args):
    if not os.access(ROOT / "test" / "cudasim" / "run", os.X_OK) or args != ["./gpu"]:
        fail(f"test/cudasim/run ./gpu expected, got {args}")


def preset_folder(kind, name):
    """The build folder of a preset, which has to have that name among presets of that kind."""
    presets = json.loads(text_of("CMakePresets.json"))
    if name not in [p["name"] for p in presets[kind]]:
        fail(f"CMakePresets.json: no '{name}' among {kind}")
    return next(p for p in presets["configurePresets"] if p["name"] == name)["binaryDir"].replace("${sourceDir}/", "")


def stand_in_cmake(_, args):
    rules = text_of(*(p.relative_to(ROOT) for p in ROOT.glob("*/**/CMakeLists.txt") if "build" not in p.parts[-2]), "CMakeLists.txt")
    if args[0] == "--preset":
        os.makedirs(preset_folder("configurePresets", args[1]))
    elif args[0] == "--build":
        if not os.path.isdir(args[1]):
            fail(f"cmake --build {args[1]}: nothing configured that folder")
        for target in args[3:] if len(args) > 2 and args[2] == "--target" else []:
            # Fuzzers are named by a loop.
            name = re.sub(r"^sparsellm_(\w+)_fuzz$", r"\1", target)
            if name not in re.split(r"[^\w-]+", rules):
                fail(f"cmake --build: no target '{target}'")
    elif args[:2] == ["-S", "."] and args[2] == "-B":
        for option in re.findall(r"-D(\w+)=", " ".join(args)):
            if not option.startswith("CMAKE_") and not re.search(rf"(option|set)\({option}\b", rules):
                fail(f"cmake: no option {option}")
        os.makedirs(args[3], exist_ok=True)
    else:
        fail(f"cmake with --preset, --build or -S . -B expected, got cmake {args}")


def stand_in_ctest(_, args):
    if args[0] != "--preset" or not os.path.isdir(preset_folder("testPresets", args[1])):
        fail(f"ctest {args}: nothing configured that preset")


def stand_in_cpack(_, args):
    if args != ["-G", "DEB"]:
        fail(f"cpack -G DEB expected, got cpack {args}")


def stand_in_nvcc(_, args):
    for arg in args:
        path = arg.removeprefix("-I")
        if (arg.startswith("-I") or arg.endswith(".cu")) and not os.path.exists(path):
            fail(f"nvcc: no {path}")


def stand_in_fuzzer(name, args):
    target = name.removesuffix("_fuzz")
    if not (ROOT / "test" / "fuzz" / f"{name}.cpp").exists():
        fail(f"test/fuzz/{name}.cpp: no such file")
    found, corpus = args[-2:]
    if not os.path.isdir(found) or corpus != f"test/fuzz/corpus/{target}" or not (ROOT / corpus).is_dir():
        fail(f"{name}: a folder and test/fuzz/corpus/{target} expected, got {found} and {corpus}")


def stand_in_llamacpp(_, __):
    read = text_of("plugin/ggml/settings.cpp")
    plugin = os.environ.get("GGML_BACKEND_PATH", "")
    if plugin not in (f"{os.getcwd()}/build/plugin/ggml/libggml-sparsellm.so", "…/libggml-sparsellm.so"):
        fail(f"GGML_BACKEND_PATH: the plugin in build/plugin/ggml expected, got '{plugin}'")
    for variable, value in os.environ.items():
        if not variable.startswith("SPARSELLM_") or variable in ("SPARSELLM_CACHE", "SPARSELLM_BLOCKS"):
            continue
        if f'"{variable}"' not in read:
            fail(f"the plugin reads no {variable}")
        if variable in ("SPARSELLM_THRESHOLDS", "SPARSELLM_COUNTS") and not os.path.exists(value):
            fail(f"{variable}: nothing wrote {value}")
        if variable == "SPARSELLM_CALIBRATE":
            subprocess.run(["sparsellm-llama", "calibrate", "--text", "text.txt", "--tokens", "512", "--sparsity", "0.5",
                            "--output", value + ".table", "--write-counts", value], check=True, stdout=subprocess.DEVNULL)


CHECKS = {".gpu-day/run.sh": stand_in_run, "apt-get": stand_in_apt_get, "git": stand_in_git, "cmake": stand_in_cmake,
          "ctest": stand_in_ctest, "cpack": stand_in_cpack, "nvcc": stand_in_nvcc,
          "test/cudasim/run": stand_in_cudasim, "./gpu": lambda *_: None}


def stand_in(name, args):
    """What is run in place of a program of STAND_INS."""
    with open(os.environ["SPARSELLM_BLOCKS"], "a", encoding="utf-8") as log:
        log.write(name + "\n")
    if name.startswith("script/"):
        stand_in_script(name.removeprefix("script/"), args)
    elif name.endswith("_fuzz"):
        stand_in_fuzzer(name, args)
    else:
        CHECKS.get(name, stand_in_llamacpp)(name, args)


def write(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def prepare(folder, page, llama, tiny, compiler):
    """A folder as the reader has it: the programs, a model, texts, and the files that the page says to write."""
    def program(path, command):
        write(folder / path, f'#!/usr/bin/env bash\n{command}\n', 0o755)

    def stands_in(path, name):
        program(path, shlex.join([sys.executable, os.path.abspath(__file__), "--stand-in", name]) + ' "$@"')

    for script in sorted(p.name for p in (ROOT / "script").iterdir()):
        stands_in(f"script/{script}", f"script/{script}")
    for target in sorted(p.stem for p in (ROOT / "test" / "fuzz").glob("*_fuzz.cpp")):
        stands_in(f"build-fuzz/test/fuzz/{target}", target)
    for name in set(STAND_INS) - {"script", "fuzzer"}:
        stands_in(name if "/" in name else f"bin/{name}", name)
    for name in REAL:
        (folder / "bin" / name).symlink_to(shutil.which(name))
    program("bin/g++", f'PATH={shlex.quote(os.environ["PATH"])} exec {shlex.quote(compiler)} "$@"')
    # A command that names no model means the one that script/get-model fetches; a small one is fastest on one thread.
    small = (f'case " $* " in *" thresholds "*) ;; *" --model "*) set -- "$@" --threads 1 ;; '
             f'*) set -- "$@" --threads 1 --model {shlex.quote(str(tiny))} ;; esac')
    for path in ("bin/sparsellm-llama", "build/examples/llama/sparsellm-llama"):
        program(path, f'{small}\nexec {shlex.quote(llama)} "$@"')
    # Enough to calibrate and search on, and 16 windows of 512 to score.
    for name, lines in (("text.txt", 50), ("book.txt", 50), ("other.txt", 200)):
        write(folder / name, f"the cat of {name} and the dog, then the other things\n" * lines)
    (folder / "model.gguf").symlink_to(tiny)
    blocks = blocks_of(page)
    for language, name in (("cpp", "tutorial.cpp"), ("cuda", "gpu.cu")):
        if steps := [text for _, l, kind, text in blocks if l == language and kind == "step"]:
            write(folder / name, "\n".join(steps[0]) + "\n")
    return blocks


def run_page(folder, page, *programs):
    """How many blocks the page has; dies where one of them fails."""
    blocks, count = prepare(folder, page, *programs), 0
    log = folder / "bin" / "stood-in"
    environment = {"PATH": str(folder / "bin"), "HOME": str(folder), "SPARSELLM_CACHE": str(folder / "cache"),
                   "SPARSELLM_BLOCKS": str(log), "LANG": "C.UTF-8"}
    for number, (first, language, _, text) in enumerate(blocks):
        if language != "sh":
            continue
        log.write_text("", encoding="utf-8")
        result = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", "\n".join(text)], cwd=folder, env=environment,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
        where = f"{page.relative_to(ROOT)}:{first}"
        if result.returncode != 0:
            fail(f"{where} ends with {result.returncode}:\n{result.stdout}{result.stderr}")
        stood_in = log.read_text(encoding="utf-8").split()
        following = blocks[number + 1] if number + 1 < len(blocks) else None
        if following and following[1] == "output" and not stood_in and "\n".join(following[3]) + "\n" != result.stdout:
            fail(f"{where}: the page shows\n" + "\n".join(following[3]) + f"\nand the commands print\n{result.stdout}")
        print(f"{where}: " + (f"checked: {', '.join(dict.fromkeys(stood_in))}" if stood_in else "run"))
        count += 1
    return count


def main():
    if sys.argv[1:2] == ["--stand-in"]:
        stand_in(sys.argv[2], sys.argv[3:])
        return
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    llama, make_tiny_model, compiler = sys.argv[1:]
    with tempfile.TemporaryDirectory() as work:
        tiny = pathlib.Path(work) / "tiny.gguf"
        subprocess.run([make_tiny_model, tiny, "1024"], check=True)
        counts = [run_page(pathlib.Path(work) / page.relative_to(ROOT).with_suffix(""), page, llama, tiny, compiler) for page in PAGES]
    print(f"shell_blocks: {sum(counts)} blocks of {sum(c > 0 for c in counts)} pages")


main()

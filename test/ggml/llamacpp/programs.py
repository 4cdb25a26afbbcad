"""llama.cpp's programs with and without the plugin, and what their results are held to.

A test is called with the paths that ggml.cmake's llamacpp.cmake sets: PROGRAMS (llama.cpp's folder of programs),
EVALUATE, PLUGIN, SPARSELLM_LLAMA, MODEL, TEXT, FOLDER (for models that are made of MODEL).
"""
import array
import json
import math
import os
import pathlib
import re
import subprocess
import sys

PROGRAMS, EVALUATE, PLUGIN, SPARSELLM_LLAMA, MODEL, TEXT, FOLDER = map(pathlib.Path, sys.argv[1:8])
FORMS = ("injected", "accelerator", "device")
# Programs look for plugins when an option makes them look for devices; no tensor is named so.
FIND_PLUGINS = ["-ot", "zzz=CPU"]
# Two logits nearer to each other than this may change places: llama.cpp rounds activations to bfloat16 before it
# multiplies weights of that type, the plugin does not. Of SmolLM2 that moves logits of about 15 by 0.03, at most by 0.08 in
# 60 tokens; after "Once upon a time there was" the texts part at token 50, where the two likeliest are 0.02 apart.
NEAR_TIE = 0.1
failures = 0


def check(holds, what):
    global failures
    print("ok    " if holds else "FAILED", what, flush=True)
    failures += not holds


def finish():
    sys.exit(failures != 0)


def environment(variables):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPARSELLM_", "GGML_", "LLAMA_"))}
    # On a busy machine threads that spin at barriers take the processor from those that they wait for.
    return {"OMP_WAIT_POLICY": "passive"} | kept | {k: str(v) for k, v in variables.items()}


def run(program, arguments, may_fail=False, **variables):
    """(what it writes, what it says beside that, and with may_fail its exit status)"""
    ended = subprocess.run([PROGRAMS / program, *map(str, arguments)], env=environment(variables), capture_output=True,
                           timeout=300)
    out, said = (s.decode("utf8", "replace") for s in (ended.stdout, ended.stderr))
    if may_fail:
        return out, said, ended.returncode
    if ended.returncode != 0:
        sys.exit(f"{program} failed with {ended.returncode}:\n{said[-3000:]}")
    return out, said


def plugin(form="injected", **variables):
    return {"GGML_BACKEND_PATH": PLUGIN, "SPARSELLM_FORM": form} | variables


def evaluate(model, tokens, write=0, batch=512, threads=2, contexts=1, loads=1, logits=None, text=TEXT, **variables):
    """(readings as test/ggml/evaluate.cpp prints them, what was said beside that)"""
    out, said = run(EVALUATE, [model, text, tokens, write, batch, threads, contexts, loads, *([logits] if logits else [])],
                    **variables)
    return json.loads(out), said


def perplexity(reading):
    return math.exp(sum(reading["nll"]) / len(reading["nll"]))


def llama_perplexity(model, *options, threads=2, text=TEXT, chunks=2, **variables):
    said = "".join(run("llama-perplexity", ["-m", model, "-f", text, "-c", 256, "-b", 256, "--chunks", chunks, "-t",
                                            threads, *FIND_PLUGINS, *options], **variables))
    return float(re.search(r"Final estimate: PPL = ([0-9.]+)", said).group(1))


def close(a, b, share):
    return abs(a - b) <= share * abs(b)


def first_near_tie(reading):
    """After how many written tokens the two likeliest were so close for the first time; all where never."""
    read = len(reading["ids"]) - reading["count"]
    for n in range(reading["count"]):
        (_, first), (_, second) = reading["best"][2 * (read + n - 1):2 * (read + n)]
        if first - second < NEAR_TIE:
            return n
    return reading["count"]


def written(readings, count):
    """The first reading, with how many tokens of it were written."""
    return readings[0] | {"count": count}


def same_until_near_tie(what, got, expected, at_least):
    """The same tokens up to the first step where another choice is no error, which is not before `at_least`."""
    end = len(expected["ids"]) - expected["count"] + first_near_tie(expected)
    tie = first_near_tie(expected)
    check(tie >= at_least, f"{what}: no near tie within {at_least} tokens, the first after {tie}")
    check(got["ids"][:end] == expected["ids"][:end], f"{what}: the same {tie} tokens")
    if got["ids"] != expected["ids"]:
        at = next(i for i, (a, b) in enumerate(zip(got["ids"], expected["ids"])) if a != b)
        print(f"       they part at token {at - len(expected['ids']) + expected['count']}: "
              f"{expected['best'][2 * (at - 1):2 * at]} there, {got['best'][2 * (at - 1):2 * at]} here")


def floats(path):
    values = array.array("f")
    with open(path, "rb") as file:
        values.frombytes(file.read())
    return values


def distance(a, b):
    """The largest difference, in units of the root mean square of b."""
    size = math.sqrt(sum(v * v for v in b) / len(b))
    return max(map(lambda x, y: abs(x - y), a, b)) / size

#!/usr/bin/env python3
"""families_llamacpp.py SPARSELLM_LLAMA LLAMA_PERPLEXITY: a GGUF of every family has llama.cpp's perplexity, to 0.1 %, and
so has what prune writes as a GGUF, with heads of both kinds.

Skipped by name where llama.cpp's programs are not built (script/test --all builds them). Not compared: what llama.cpp leaves out of a file of
the architecture llama, a sliding window and YaRN's own numbers.
"""
import json
import os
import random
import re
import subprocess
import sys
import tempfile

import tiny_families as families
import tiny_files as tiny

program, llamacpp = sys.argv[1:]
if not os.path.exists(llamacpp):
    print("skipped: llama.cpp's programs are not built (script/test --all builds them)")
    sys.exit(0)


def by_llamacpp(model, text):
    """Its last lines are lost in about every other run of a model so small, so it is asked until they are there."""
    for _ in range(30):
        ran = subprocess.run([llamacpp, "-m", model, "-f", text, "-c", "96", "-b", "96", "-t", "2", "--chunks", "8"],
                             capture_output=True, text=True)
        found = re.search(r"PPL = ([0-9.]+)", ran.stdout + ran.stderr)
        if found is not None or ran.returncode != 0:
            return float(found.group(1)) if found else ran.stderr[-500:]
    return "no perplexity in 30 runs"


def by_us(model, text, out):
    subprocess.run([program, "perplexity", "--model", model, "--text", text, "--window", "96", "--windows", "8",
                    "--weights", "f32", "--json", out], check=True, capture_output=True)
    return json.load(open(out))["perplexity_half2"]


PRUNED = ("llama with biases", "qwen2")
LEFT_OUT = ("mistral", "llama with YaRN of its own numbers")
wrong = 0
with tempfile.TemporaryDirectory() as work:
    text, model, out = (os.path.join(work, name) for name in ("text", "model.gguf", "out.json"))
    draw = random.Random(3)
    tiny.write(text, "".join(draw.choice("abcdefghijklmnop ") for _ in range(1200)).encode())
    for name in families.FAMILIES:
        if name in LEFT_OUT or families.gguf(model, name) is None:
            continue
        files = [(name, model)]
        if name in PRUNED:
            files.append((f"{name} pruned", os.path.join(work, "pruned.gguf")))
            subprocess.run([program, "prune", "--model", model, "--text", text, "--tokens", "192", "--window", "96",
                            "--weights", "f32", "--output", files[-1][1]], check=True, capture_output=True)
        for what, file in files:
            theirs, ours = by_llamacpp(file, text), by_us(file, text, out)
            good = not isinstance(theirs, str) and abs(theirs / ours - 1) < 1e-3
            wrong += not good
            print(f"{'' if good else 'WRONG '}{what}: llama.cpp {theirs}, ours {ours:.4f}")
sys.exit(1 if wrong else 0)

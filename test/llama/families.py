#!/usr/bin/env python3
"""families.py PRINT_LOGITS [--write]: every family's logits in f32 are those of transformers, to 1e-4.

The references are committed (family_logits.json); with transformers installed they are made afresh and compared whole,
and --write commits them. A checkpoint and its GGUF, where llama.cpp defines one, give the same; so do a text at once and
token by token, with the channels of every activation in another order, and, of models with RMSNorm, with the residual
stream along other axes.
"""
import json
import os
import subprocess
import sys
import tempfile

import tiny_families as families

program, write = sys.argv[1], "--write" in sys.argv[2:]
golden_path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "family_logits.json")
POSITIONS = (0, 23, 24, 95)  # the first, around the window's end, the last
PLACES = range(0, 260, 13)   # of the vocabulary, in the committed references
wrong = 0


def logits(model, how="once"):
    text = " ".join(map(str, families.TOKENS))
    return json.loads(subprocess.run([program, model, how], input=text, check=True, capture_output=True, text=True).stdout)


def compare(what, got, expected):
    global wrong
    largest = max(abs(a - b) for x, y in zip(got, expected, strict=True) for a, b in zip(x, y, strict=True))
    good = largest < 1e-4
    wrong += not good
    print(f"{'' if good else 'WRONG '}{what}: differs by {largest:.1e}")


def by_transformers(folder):
    import torch
    import transformers
    transformers.logging.set_verbosity_error()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                              attn_implementation="eager").double().eval()
    with torch.no_grad():
        return model(torch.tensor([families.TOKENS])).logits[0].tolist()


def sample(all_logits):
    return [[all_logits[p][i] for i in PLACES] for p in POSITIONS]


try:
    import transformers  # noqa: F401
    fresh = True
except ImportError as e:
    fresh = False
    print(f"references are not made afresh: {e}")

golden = {} if write else json.load(open(golden_path))
with tempfile.TemporaryDirectory() as work:
    for name in families.FAMILIES:
        folder = families.checkpoint(os.path.join(work, "checkpoint"), name)
        got = logits(folder)
        if fresh:
            reference = by_transformers(folder)
            compare(f"{name}: transformers", got, reference)
            if write:
                golden[name] = [[round(v, 6) for v in row] for row in sample(reference)]
        compare(f"{name}: the committed references", sample(got), golden[name])
        compare(f"{name}: token by token", logits(folder, "one-by-one"), got)
        compare(f"{name}: channels in other orders", logits(folder, "ordered"), got)
        if not name.startswith("opt"):
            compare(f"{name}: along other axes", logits(folder, "rotated"), got)
        gguf = families.gguf(os.path.join(work, "model.gguf"), name)
        if gguf is not None:
            compare(f"{name}: its GGUF", logits(gguf), got)
if write:
    lines = ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in golden.items())
    with open(golden_path, "w") as f:
        f.write("{\n" + lines + "\n}\n")
sys.exit(1 if wrong else 0)

#!/usr/bin/env python3
"""Everything that the program does, on every family: scores, allocations, types of weights, metrics and shuffles.

usage: family_methods.py SPARSELLM_LLAMA [--device-only LAUNCHER...]
"""
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

import tiny_families as families
import tiny_files as tiny

PROGRAM, LAUNCHER = os.path.abspath(sys.argv[1]), sys.argv[3:]
failures = 0


def check(what, good, got):
    global failures
    print(f"{'' if good else 'WRONG '}{what}: {got}", flush=True)
    failures += not good


def run(*arguments, launcher=()):
    """The JSON of a run, or what it said when it was refused."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        ran = subprocess.run([*launcher, PROGRAM, *map(str, arguments), "--json", out.name], capture_output=True)
        if ran.returncode != 0:
            return ran.stderr.decode("utf8", "replace").strip()
        return json.load(open(out.name))


def perplexity(model, *options, weights="f32", window=(64, 3), launcher=()):
    got = run("perplexity", "--model", model, "--text", TEXT, "--window", window[0], "--windows", window[1], "--weights",
              weights, *options, launcher=launcher)
    return got if isinstance(got, str) else (got["nll"], got["sparsity"]["model"])


def number(got):
    return got if isinstance(got, str) else round(got[0], 5)


def calibrations(name, model, gated):
    dense = perplexity(model)
    table = os.path.join(WORK, "table.json")
    for options in (["--score", "magnitude"], ["--score", "wina"], ["--score", "cats"], ["--top-k"], ["--sequential"],
                    ["--allocation", "profile"], ["--allocation", "greedy"], ["--allocation", "layers"],
                    ["--allocation", "fisher"], ["--fit-steps", "2"]):
        what = f"{name}: {' '.join(options)}"
        shutil.rmtree(table, ignore_errors=True)
        got = run("calibrate", "--model", model, "--text", TEXT, "--tokens", 256, "--window", 64, "--sparsity", 0.3,
                  "--weights", "f32", *options, "--output", table)
        if "cats" in options and not gated:
            check(what, isinstance(got, str) and "gate" in got, got)
            continue
        if ("fisher" in options or "--fit-steps" in options) and name.startswith(("qwen3", "opt")):
            check(what, isinstance(got, str) and "is not supported" in got, got)
            continue
        if isinstance(got, str):
            check(what, False, got)
            continue
        sites = json.load(open(table))["sites"]
        check(what + ", sites", len(sites) == tiny.BLOCKS * (7 if gated else 6), len(sites))
        # Token by token gives what a window at once gives: the fused steps of decode are the plain ones.
        sparse = perplexity(model, "--thresholds", table)
        good = not isinstance(sparse, str) and sparse[0] != dense[0] and 0.08 < sparse[1] < 0.45
        check(what + ", nll and share skipped", good, sparse)
    one_by_one = [run("generate", "--model", model, "--prompt", "the steam", "--tokens", 8, "--weights", "f32",
                      "--thresholds", table, "--threads", t)["token_ids"] for t in (1, 2)]
    check(f"{name}: the same text for one thread and two", one_by_one[0] == one_by_one[1], one_by_one[0])


def zeros():
    """OPT's ReLU: exact zeros are skipped, and nothing changes. Of a width at which skipping pays."""
    tiny.WIDTH, tiny.HIDDEN = 256, 1024
    model = families.checkpoint(os.path.join(WORK, "wide"), "opt")
    table = os.path.join(WORK, "zeros.json")
    run("calibrate", "--model", model, "--text", TEXT, "--tokens", 256, "--window", 64, "--sparsity", 0, "--score",
        "nonzero", "--weights", "f32", "--output", table)
    of_down = [s for s in json.load(open(table))["sites"] if s["projection"] == "down"]
    check("opt: zeros of the ReLU", all(0.2 < s["sparsity"] < 0.8 and s["threshold"] == 0 for s in of_down),
          [round(s["sparsity"], 2) for s in of_down])
    dense, skipping = perplexity(model), perplexity(model, "--thresholds", table)
    check("opt: skipping zeros changes nothing", abs(dense[0] - skipping[0]) < 1e-6 and skipping[1] > 0.05, skipping)
    text = ["generate", "--model", model, "--prompt", "the steam", "--tokens", 12, "--weights", "f32"]
    plain, by_table, at_once = run(*text), run(*text, "--thresholds", table), run(*text, "--score", "nonzero")
    check("opt: the same text", plain["token_ids"] == by_table["token_ids"] == at_once["token_ids"], plain["token_ids"])
    for what, got in (("with a table", by_table), ("without one", at_once)):
        check(f"opt: fewer bytes are read, {what}", got["bytes_per_token"] < 0.95 * plain["bytes_per_token"],
              (plain["bytes_per_token"], got["bytes_per_token"], got["sparsity"]["down"]))


def weight_types(name, model):
    exact = perplexity(model)[0]
    for kind, most in (("bf16", 0.05), ("f16", 0.01), ("q8_0", 0.05), ("q4_1", 0.6), ("q4_0", 0.6), ("i8", 0.05),
                       ("gguf", 1e-6)):
        got = perplexity(model, weights=kind)
        check(f"{name}: --weights {kind}", not isinstance(got, str) and abs(got[0] - exact) < most, number(got))


def tensors_of(folder):
    """A pruned checkpoint's tensors, dense: {name: (rows, columns, numbers)}."""
    data = open(f"{folder}/model.safetensors", "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    header.pop("__metadata__")

    def numbers(name, kind):
        first, last = header[name]["data_offsets"]
        return struct.unpack(f"<{(last - first) // struct.calcsize(kind)}{kind}", body[first:last])

    out = {}
    for name in header:
        if name.endswith(".compressed"):
            base = name[:-len(".compressed")]
            values, (rows, cols) = iter(numbers(name, "f")), numbers(base + ".shape", "q")
            mask, stride = numbers(base + ".bitmask", "B"), (cols + 7) // 8
            out[base.removesuffix(".weight") + ".weight"] = rows, cols, [
                next(values) if mask[r * stride + c // 8] >> c % 8 & 1 else 0.0 for r in range(rows) for c in range(cols)]
        elif not name.endswith((".bitmask", ".shape", ".row_offsets")):
            shape = header[name]["shape"]
            out[name] = (1 if len(shape) == 1 else shape[0]), shape[-1], numbers(name, "f")
    return out


def prunings(name, model, gguf):
    out, dense = os.path.join(WORK, "pruned"), os.path.join(WORK, "dense")
    for metric in ("magnitude", "wanda", "ria", "e-sparse"):
        for pattern, shuffle in (("2:4", "none"), ("2:4", "both"), ("4:8", "global"), ("4:8", "local")):
            shutil.rmtree(out, ignore_errors=True)
            got = run("prune", "--model", model, "--text", TEXT, "--tokens", 192, "--window", 64, "--weights", "f32",
                      "--metric", metric, "--pattern", pattern, "--shuffle", shuffle, "--output", out)
            what = f"{name}: {pattern} by {metric}, shuffle {shuffle}"
            if isinstance(got, str):
                check(what, False, got)
                continue
            # The same weights with zeros in place, in a checkpoint without orders.
            weights = tensors_of(out)
            tiny.checkpoint(dense, weights)
            kept = json.load(open(f"{out}/config.json"))
            kept.pop("quantization_config")
            tiny.write_json(f"{dense}/config.json", kept)
            zeroed = sum(w[2].count(0.0) for w in weights.values())
            pruned, by_hand = perplexity(out), perplexity(dense)
            good = not isinstance(pruned, str) and abs(pruned[0] - by_hand[0]) < 1e-4 and zeroed > 3000
            check(what, good, (number(pruned), number(by_hand), zeroed))
    if gguf is None:
        return
    shutil.rmtree(out, ignore_errors=True)
    run("prune", "--model", gguf, "--text", TEXT, "--tokens", 192, "--window", 64, "--weights", "f32", "--output", out)
    made, own = json.load(open(f"{out}/config.json")), families.config(name)
    different = [k for k in own if k not in ("torch_dtype", "max_window_layers", "sliding_window", "rope_scaling")
                 and made.get(k, False) != own[k] and not (isinstance(own[k], float) and abs(made[k] - own[k]) < 1e-9)]
    check(f"{name}: the config.json of its GGUF", not different, different)
    check(f"{name}: pruned from its GGUF", not isinstance(perplexity(out), str), number(perplexity(out)))


def on_device(name, model):
    table = os.path.join(WORK, "table.json")
    run("calibrate", "--model", model, "--text", TEXT, "--tokens", 256, "--window", 64, "--sparsity", 0.4, "--weights",
        "f32", "--output", table)
    for what, options in (("dense", ()), ("40 %", ("--thresholds", table))):
        cpu = perplexity(model, *options, window=(32, 1))
        device = perplexity(model, *options, "--device", "cuda", window=(32, 1), launcher=LAUNCHER)
        good = not isinstance(device, str) and abs(cpu[0] - device[0]) < 1e-4 and abs(cpu[1] - device[1]) < 1e-3
        check(f"{name}: {what} on the device", good, (cpu, device))


with tempfile.TemporaryDirectory() as WORK:
    TEXT = os.path.join(WORK, "text")
    draw = random.Random(3)
    tiny.write(TEXT, "".join(draw.choice("abcdefghijklmnop ") for _ in range(600)).encode())
    for family in families.FAMILIES:
        folder = families.checkpoint(os.path.join(WORK, "model"), family)
        if "--device-only" in sys.argv:
            on_device(family, folder)
            continue
        of_gguf = families.gguf(os.path.join(WORK, "model.gguf"), family)
        calibrations(family, folder, gated=not family.startswith("opt"))
        weight_types(family, folder)
        prunings(family, folder, of_gguf)
    if "--device-only" not in sys.argv:
        zeros()
sys.exit(1 if failures else 0)

#!/usr/bin/env python3
"""Writes the reference data of this folder from the whole of it: extract.py DATA.

DATA holds smollm2/ (an independent implementation's results) and teal-llama2-7b/ (histograms published with TEAL).
README.md says what is kept.
"""
import json
import os
import struct
import sys

here = os.path.dirname(os.path.abspath(__file__))
source = sys.argv[1]
windows = 4  # the first, of 16

activation_sparsity = ("teal_0.25_d256", "teal_0.4_d256", "teal_0.5_d256", "teal_0.5_d0", "teal_seqcal_0.5_d256",
                       "wina_thr_0.5_d256", "topk_0.5_d256", "cats_0.5_d256")
weight_sparsity = ("2:4_wanda", "4:8_E0_range100_l2_a1", "6:8_ria")
prompt = ("text", "ids", "dense", "generation_dense", "generation_teal50_dense_prefill")


def written(name, text):
    path = os.path.join(here, name)
    with open(path + ".partial", "w") as f:
        f.write(text)
    os.replace(path + ".partial", path)


def as_text(value, indent=0):
    """JSON with a line for each innermost object or list."""
    if isinstance(value, dict) and any(isinstance(v, (dict, list)) for v in value.values()):
        pad = " " * (indent + 1)
        return "{\n" + ",\n".join(f"{pad}{json.dumps(k)}: {as_text(v, indent + 1)}" for k, v in value.items()) + \
            "\n" + " " * indent + "}"
    return json.dumps(value)


def first_windows(result):
    """Without the sums over all windows."""
    kept = {k: v for k, v in result.items() if k.startswith("retained_") and "per_projection" not in k}
    return {**kept, "windows": {k: v[:windows] for k, v in result["windows"].items()}}


def books():
    with open(os.path.join(source, "smollm2/reference-books.json")) as f:
        all_of_it = json.load(f)
    goldens = all_of_it["goldens"]
    goldens["prompt"] = {k: goldens["prompt"][k] for k in prompt}
    goldens["prompt"]["dense"] = {"top10_last": goldens["prompt"]["dense"]["top10_last"]}
    goldens["thresholds_seqcal_50"] = goldens["thresholds_seqcal_50"]["teal_seqcal"]
    result = {k: all_of_it[k] for k in ("about", "texts", "window", "stride", "conventions")}
    text = result["conventions"]["windows"]
    result["conventions"]["windows"] = text.replace("lists of 16", f"lists of {windows}, the first of 16")
    result["dense"] = {k: first_windows(v) for k, v in all_of_it["dense"].items()}
    result["activation_sparsity"] = {k: first_windows(all_of_it["activation_sparsity"][k]) for k in activation_sparsity}
    result["weight_sparsity"] = {k: first_windows(all_of_it["weight_sparsity"][k]) for k in weight_sparsity}
    result["goldens"] = goldens
    written("smollm2/books.json", as_text(result) + "\n")
    with open(os.path.join(source, "smollm2/tokenizer.json")) as f:
        written("smollm2/tokenizer.json", f.read())


def llama2():
    """Of each histogram the bins near its quantiles; all between two of them are one bin, at its middle."""
    near = 3
    targets = {}
    with open(os.path.join(source, "teal-llama2-7b/thresholds.csv")) as f:
        next(f)
        for line in f:
            layer, tensor, target, threshold = line.split(",")[:4]
            targets.setdefault((int(layer), tensor), []).append((float(target), float(threshold)))
    histograms = []
    for (layer, tensor), wanted in targets.items():
        with open(os.path.join(source, f"teal-llama2-7b/layer-{layer:02}.{tensor}.f32"), "rb") as f:
            raw = struct.unpack("<20000f", f.read())
        width = raw[5001] - raw[5000]
        bins = sorted((abs(raw[b]), raw[10000 + b]) for b in range(10000))
        merged = []  # |x|, count, whether it stands for itself
        for x, count in bins:
            alone = any(abs(x - t) <= near * width for _, t in wanted)
            if merged and not alone and not merged[-1][2]:
                merged[-1][0].append(x)
                merged[-1][1] += count
            else:
                merged.append([[x], count, alone])
        histograms.append({"layer": layer, "tensor": tensor, "bin": float(f"{width:.6g}"),
                           "x": [float(f"{(x[0] + x[-1]) / 2:.7g}") for x, _, _ in merged],
                           "count": [int(c) for _, c, _ in merged],
                           "thresholds": {str(target): threshold for target, threshold in wanted}})
    written("teal-llama2-7b.json", "[\n" + ",\n".join(json.dumps(h) for h in histograms) + "\n]\n")


books()
llama2()

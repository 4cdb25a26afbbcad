#!/usr/bin/env python3
"""Random small models of other architectures: logits with the plugin against llama.cpp's, nothing skipped."""
import json
import pathlib
import subprocess
import tempfile

import random_models
from programs import FORMS, SPARSELLM_LLAMA, check, close, distance, evaluate, finish, floats, plugin, run

READ, WRITE = 40, 6


def logits(model, folder, **variables):
    path = folder / "logits"
    said = evaluate(model, READ, WRITE, batch=READ, threads=1, logits=path, **variables)[1]
    return floats(path), said


def same_length(a, b):
    """What was written may differ once two tokens are nearly as likely; the text that was read does not."""
    size = len(b) // (READ + WRITE) * READ
    return a[:size], b[:size]


def skips_in_experts(folder):
    """A mixture at half sparsity: the same bits on any number of threads; prompts on ggml's kernels where asked for."""
    model = folder / "experts.gguf"
    random_models.write(model, "mixtral")
    half = plugin(SPARSELLM_SPARSITY=0.5, SPARSELLM_WARM_UP=8)
    plain, dense, sparse, more_threads = (
        evaluate(model, READ, batch=batch, threads=threads, **variables)[0][0]["nll"]
        for batch, threads, variables in ((READ, 1, {}), (1, 1, plugin()), (1, 1, half), (1, 3, half)))
    check(sparse == more_threads, "experts: one thread and three skip the same channels, to the bit")
    # A token has two rows of them, so 8 rows are 4 tokens.
    apart = [not close(a, b, 1e-3) for a, b in zip(sparse, dense)]
    check(not any(apart[:3]) and any(apart[20:]), "experts: dense, then sparse")
    handed = evaluate(model, READ, batch=READ, threads=1, **plugin(SPARSELLM_PROMPT="ggml"))[0][0]["nll"]
    check(handed == plain, "experts: prompts on ggml's kernels are llama.cpp's to the bit")


def calibrated(folder, architecture, projections):
    """Counts of an architecture that sparsellm-llama does not read become a table that the plugin takes."""
    model, counts, table = folder / "counted.gguf", folder / "counts.json", folder / "table.json"
    table.unlink(missing_ok=True)
    random_models.write(model, architecture)
    dense, said = evaluate(model, READ, batch=READ, threads=1, **plugin(SPARSELLM_CALIBRATE=counts))
    check("sparsellm: counted the inputs" in said, f"{architecture}: its inputs are counted")
    rows = {(s["layer"], s["projection"]): s["rows"] for s in json.loads(counts.read_text())["sites"]}
    expected = {(layer, p): READ * (random_models.USED if p.endswith("_exps") else 1)
                for layer in range(random_models.BLOCKS) for p in projections}
    check(rows == expected, f"{architecture}: a row for each token, and for each expert that it chooses")

    def thresholds(*options):
        return subprocess.run([SPARSELLM_LLAMA, "thresholds", "--counts", counts, "--sparsity", "0.5", "--output", table,
                               *options], capture_output=True, text=True)

    refused = thresholds("--allocation", "profile")
    check(refused.returncode == 1 and "the projections of a Llama are" in refused.stderr and not table.exists(),
          f"{architecture}: no profile for other projections")
    check(thresholds().returncode == 0, f"{architecture}: a table of the counts")
    every_batch = {"SPARSELLM_SPARSE_BATCH": READ}
    half = evaluate(model, READ, batch=READ, threads=1, **plugin(SPARSELLM_THRESHOLDS=table, **every_batch))[0][0]["nll"]
    check(not any(close(a, b, 1e-4) for a, b in zip(half, dense[0]["nll"])), f"{architecture}: half of the channels are skipped")
    at_once = plugin(SPARSELLM_COUNTS=counts, SPARSELLM_SPARSITY=0.5, **every_batch)
    check(evaluate(model, READ, batch=READ, threads=1, **at_once)[0][0]["nll"] == half,
          f"{architecture}: the same where the plugin makes the thresholds")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        skips_in_experts(folder)
        calibrated(folder, "phi3", ("attn_qkv", "o", "up", "down"))
        calibrated(folder, "qwen2moe", ("q", "k", "v", "o", "gate_exps", "up_exps", "down_exps", "gate_shexp", "up_shexp",
                                        "down_shexp"))
        for architecture in random_models.ARCHITECTURES:
            model = folder / f"{architecture}.gguf"
            random_models.write(model, architecture)
            plain = logits(model, folder)[0]
            for form in FORMS:
                ours, said = logits(model, folder, **plugin(form))
                check("sparsellm: packed" in said, f"{architecture}, {form}: the plugin says what it packed")
                check(distance(ours, plain) < 1e-3, f"{architecture}, f32, {form}: {distance(ours, plain):.1e} from llama.cpp's")
            for kind in ("Q4_K_M", "Q5_K_M", "Q8_0", "Q3_K_M"):
                quantised, numbers = folder / f"{architecture}-{kind}.gguf", folder / "numbers.gguf"
                run("llama-quantize", [model, quantised, kind])
                run("llama-quantize", ["--allow-requantize", quantised, numbers, "F32"])
                exact = logits(numbers, folder)[0]
                theirs = distance(*same_length(logits(quantised, folder)[0], exact))
                found, said = logits(quantised, folder, **plugin())
                ours = distance(*same_length(found, exact))
                # Q3_K is left to ggml, and a mixture's router; and said so.
                left = kind == "Q3_K_M" or architecture in random_models.MIXTURES
                check(("left to ggml" in said) == left, f"{architecture}, {kind}: what is left is said")
                # A router's shares make much of small differences.
                check(ours < (4e-3 if architecture in random_models.MIXTURES else 1e-3) or kind == "Q3_K_M" and ours <= 1.2 * theirs,
                      f"{architecture}, {kind}: {ours:.1e} from the logits of its numbers, llama.cpp's {theirs:.1e}")
                quantised.unlink()
    finish()


main()

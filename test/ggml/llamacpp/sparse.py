#!/usr/bin/env python3
"""Half of the channels skipped: as sparsellm-llama with the same table, by llama.cpp's programs alone, and in text."""
import json
import pathlib
import subprocess
import tempfile

from programs import (EVALUATE, FOLDER, MODEL, SPARSELLM_LLAMA, check, close, evaluate, finish, perplexity, plugin, run)

# Channels near a threshold fall on either side of it with the last bits of what comes before, which only many tokens
# average out. A text that does not change with the documentation.
TOKENS = 2048
TEXT = pathlib.Path(__file__).resolve().parents[3] / "LICENSE"
EVERY_BATCH = {"SPARSELLM_SPARSE_BATCH": 100000}


def sparsellm_llama(*arguments):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([SPARSELLM_LLAMA, *map(str, arguments), "--json", out.name], check=True, capture_output=True)
        return json.load(open(out.name))


def refused_by_plugin(model, variables):
    """What is said when a model is not loaded."""
    _, said, status = run(EVALUATE, [model, TEXT, 8, 0, 8, 1, 1, 1], may_fail=True, **variables)
    return said if status != 0 else "not refused"


def main():
    model = MODEL
    with tempfile.TemporaryDirectory() as folder:
        table = f"{folder}/table.json"
        sparsellm_llama("calibrate", "--model", model, "--text", TEXT, "--tokens", TOKENS, "--window", TOKENS, "--sparsity",
                        0.5, "--output", table)
        scored = ("perplexity", "--model", model, "--weights", "gguf", "--text", TEXT, "--window", TOKENS, "--windows", 1)
        dense = sparsellm_llama(*scored)["perplexity"]
        half = sparsellm_llama(*scored, "--thresholds", table)["perplexity"]

        ours = perplexity(evaluate(model, TOKENS, text=TEXT, **plugin())[0][0])
        check(close(ours, dense, 1e-2), f"dense: perplexity {ours:.6g}, sparsellm-llama's {dense:.6g}")
        by_table = plugin(SPARSELLM_THRESHOLDS=table, **EVERY_BATCH)
        ours_half = perplexity(evaluate(model, TOKENS, text=TEXT, **by_table)[0][0])
        check(close(ours_half, half, 1e-2), f"half skipped: perplexity {ours_half:.6g}, sparsellm-llama's {half:.6g}")
        check(not close(half, dense, 5e-2), "which is not the dense one")
        prompt = perplexity(evaluate(model, TOKENS, text=TEXT, **plugin(SPARSELLM_THRESHOLDS=table))[0][0])
        check(prompt == ours, "prompts stay dense")
        said = refused_by_plugin(FOLDER / "bf16.gguf", by_table)
        check("is a weight with hash" in said, "the table is refused for other weights of the same shapes")
        one = evaluate(model, 32, text=TEXT, batch=1, threads=1, **by_table)[0][0]
        check(evaluate(model, 32, text=TEXT, batch=1, threads=3, **by_table)[0][0] == one, "three threads: the same logits to the bit")
    finish()


main()

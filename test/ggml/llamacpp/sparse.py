#!/usr/bin/env python3
"""Half of the channels skipped: as sparsellm-llama with the same table, by llama.cpp's programs alone, and in text."""
import json
import os
import subprocess
import tempfile

from programs import (EVALUATE, FIND_PLUGINS, FOLDER, MODEL, SPARSELLM_LLAMA, TEXT, check, close, evaluate, finish,
                      perplexity, plugin, run)

# Channels near a threshold fall on either side of it with the last bits of what comes before, which only many tokens
# average out.
TOKENS = 2048
# How far two programs' perplexities may be apart with one table. What differs in the last bits, attention's arithmetic,
# decides which channels stay near a threshold: at half of the channels, thresholds that are 1e-4 larger or smaller move
# either program's by 2 %, the first token dense alone by 3 %, and on one machine the two were 4.4 % apart.
ONE_TABLE = 6e-2
EVERY_BATCH = {"SPARSELLM_SPARSE_BATCH": 100000}


def start(arguments):
    return subprocess.run([SPARSELLM_LLAMA, *map(str, arguments)], capture_output=True, text=True)


def sparsellm_llama(*arguments):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        ended = start([*arguments, "--json", out.name])
        check(ended.returncode == 0, f"sparsellm-llama {arguments[0]} {ended.stderr[-200:] if ended.returncode else ''}")
        return json.load(open(out.name))


def refused(what, ended, text):
    check(ended.returncode == 1 and text in ended.stderr, f"{what}: refused, got '{ended.stderr[-200:].strip()}'")


def refused_by_plugin(what, model, variables):
    _, said, status = run(EVALUATE, [model, TEXT, 8, 0, 8, 1, 1, 1], may_fail=True, **variables)
    check(status != 0 and "is a weight with hash" in said, f"{what}: refused by the plugin")


def scored(model):
    return ("perplexity", "--model", model, "--weights", "gguf", "--text", TEXT, "--window", TOKENS, "--windows", 1)


def ours_with(model, variables):
    return perplexity(evaluate(model, TOKENS, **plugin(**variables))[0][0])


def by_sparsellm_llama(folder, model, other):
    """A table that sparsellm-llama makes holds in the plugin as it does there, and for its own weights alone."""
    table = f"{folder}/table.json"
    sparsellm_llama("calibrate", "--model", model, "--text", TEXT, "--tokens", TOKENS, "--window", TOKENS, "--sparsity",
                    0.5, "--output", table)
    dense = sparsellm_llama(*scored(model))["perplexity"]
    half = sparsellm_llama(*scored(model), "--thresholds", table)["perplexity"]
    ours = ours_with(model, {})
    check(close(ours, dense, 1e-2), f"dense: perplexity {ours:.6g}, sparsellm-llama's {dense:.6g}")
    by_table = {"SPARSELLM_THRESHOLDS": table} | EVERY_BATCH
    ours_half = ours_with(model, by_table)
    check(close(ours_half, half, ONE_TABLE), f"half skipped: perplexity {ours_half:.6g}, sparsellm-llama's {half:.6g}")
    check(not close(half, dense, 4 * ONE_TABLE), "which is not the dense one")
    check(ours_with(model, {"SPARSELLM_THRESHOLDS": table}) == ours, "prompts stay dense")
    one = evaluate(model, 32, batch=1, threads=1, **plugin(**by_table))[0][0]
    check(evaluate(model, 32, batch=1, threads=3, **plugin(**by_table))[0][0] == one,
          "three threads: the same logits to the bit")
    refused_by_plugin("other weights of the same shapes", other, plugin(**by_table))
    # As tables were before weights had hashes.
    old = json.load(open(table))
    for site in old["sites"]:
        del site["weight_hash"]
    with open(table, "w") as file:
        json.dump(old, file)
    out, said = evaluate(model, TOKENS, **plugin(**by_table))
    check(perplexity(out[0]) == ours_half and "not checked" in said, "a table without hashes is used, and that is said")
    return dense


def count(model, counts, window, windows):
    """What the plugin says while llama-perplexity reads so many windows of the text."""
    return run("llama-perplexity", ["-m", model, "-f", TEXT, "-c", window, "-b", window, "--chunks", windows, "-t", 2,
                                    "--no-warmup", *FIND_PLUGINS], **plugin(SPARSELLM_CALIBRATE=counts))[1]


def by_llamacpp(folder, model, other, dense):
    """Counts of llama-perplexity become tables of two sparsities, which both programs use alike."""
    counts = f"{folder}/counts.json"
    said = count(model, counts, 512, TOKENS // 512)
    # Of the last block's MLP llama-perplexity wants the later half of each window alone.
    check(f"counted the inputs of 210 projections, {TOKENS // 2} rows and more: '{counts}'" in said,
          "the plugin says what it counted")
    kept = json.load(open(counts))
    check(len(kept["sites"]) == 210 and len(kept["histograms"]) == 120, "30 blocks' 7 projections, and their 4 inputs once")
    check(os.path.getsize(counts) < 120 * 2**17, f"{os.path.getsize(counts) / 120 / 2**10:.0f} KiB an input, below 128")
    of = {}
    for sparsity, allocation in ((0.4, "profile"), (0.5, "uniform")):
        table = f"{folder}/{sparsity}.json"
        made = sparsellm_llama("thresholds", "--counts", counts, "--sparsity", sparsity, "--allocation", allocation,
                               "--output", table)
        check(made["sites"] == 210 and made["tokens"] == TOKENS // 2, f"{sparsity}: a table of the counts")
        theirs = sparsellm_llama(*scored(model), "--thresholds", table)
        check(abs(theirs["sparsity"]["model"] - sparsity) < 0.05, f"{sparsity}: {theirs['sparsity']['model']:.3f} are skipped")
        ours = of[sparsity] = ours_with(model, {"SPARSELLM_THRESHOLDS": table} | EVERY_BATCH)
        check(close(ours, theirs["perplexity"], ONE_TABLE),
              f"{sparsity}: perplexity {ours:.6g}, sparsellm-llama's {theirs['perplexity']:.6g}")
        at_once = {"SPARSELLM_COUNTS": counts, "SPARSELLM_SPARSITY": sparsity, "SPARSELLM_ALLOCATION": allocation}
        check(ours_with(model, at_once | EVERY_BATCH) == ours, f"{sparsity}: the plugin makes the same of the counts")
    check(dense < of[0.4] < of[0.5], "more skipped, more perplexity")
    refused_by_plugin("counts of other weights", other, plugin(SPARSELLM_COUNTS=counts, SPARSELLM_SPARSITY=0.5))
    refused("a table of other weights", start([*scored(other), "--thresholds", f"{folder}/0.5.json"]),
            "is a weight with hash")
    # A text in two runs is that text.
    parts = []
    for n, chunks in enumerate((1, 2)):
        parts.append(f"{folder}/part{n}.json")
        count(model, parts[-1], 256, chunks)
    twice = sparsellm_llama("thresholds", "--counts", *parts, "--sparsity", 0.5, "--output", f"{folder}/both.json")
    check(twice["tokens"] == 3 * 128, "two files of counts add up")
    theirs = f"{folder}/theirs.json"
    sparsellm_llama("calibrate", "--model", other, "--text", TEXT, "--tokens", 64, "--window", 64, "--sparsity", 0.5,
                    "--output", f"{folder}/unused.json", "--write-counts", theirs)
    refused("counts of two models", start(["thresholds", "--counts", parts[0], theirs, "--sparsity", 0.5, "--output",
                                           f"{folder}/none.json"]), "is a weight with hash")
    check(not os.path.exists(f"{folder}/none.json"), "and no table is left")


def main():
    other = FOLDER / "bf16.gguf"
    with tempfile.TemporaryDirectory() as folder:
        dense = by_sparsellm_llama(folder, MODEL, other)
        by_llamacpp(folder, MODEL, other, dense)
    finish()


main()

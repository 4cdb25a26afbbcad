#!/usr/bin/env python3
"""The model on the device writes what it writes on the CPU: dense, at 50 %, and pruned to 2:4.

generate.py PROGRAM TINY_MODEL_MAKER TEXT MODEL [LAUNCHER]
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

program, make_tiny, text, real_model = sys.argv[1:5]
launcher = sys.argv[5:]
prompts = ("The capital of France is", "Water boils at", "One, two, three,", "Hello there, my friend", "abc")


def run(arguments, device=False):
    """The JSON that the program writes."""
    out = os.path.join(folder, "out.json")
    command = (launcher if device else []) + [program, *arguments, "--json", out]
    ran = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if ran.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {ran.returncode}\n{ran.stderr.decode(errors='replace')}")
    with open(out) as f:
        return json.load(f)


def compare(name, model, tokens, shuffle, calibration_tokens, biases=()):
    pruned, table, pruned_table = (os.path.join(folder, f) for f in ("pruned", "table.json", "pruned.json"))
    calibration = ["--text", text, "--sparsity", "0.5", "--tokens", str(calibration_tokens), "--window", "64"]
    run(["calibrate", "--model", model, *calibration, *biases, "--output", table])
    with open(table) as f:
        if ('"bias"' in f.read()) != bool(biases):
            sys.exit(f"{name}: a table with biases: {bool(biases)} expected")
    run(["prune", "--model", model, "--text", text, "--tokens", str(calibration_tokens // 2), "--window", "64", "--shuffle", shuffle,
         "--output", pruned])
    run(["calibrate", "--model", pruned, *calibration, "--output", pruned_table])
    for what, options in (("dense", ["--model", model]), ("50 %", ["--model", model, "--thresholds", table]),
                          ("2:4", ["--model", pruned]),
                          ("2:4 and 50 %", ["--model", pruned, "--thresholds", pruned_table])):
        parted = []
        for prompt in prompts:
            generate = ["generate", *options, "--prompt", prompt, "--tokens", str(tokens)]
            cpu = run(generate)
            # Where two tokens are nearly as likely the device may take the other one: what follows
            # is another text. A prompt whose first token is such a tie says nothing.
            sure = next((i for i, m in enumerate(cpu["margins"]) if m < 0.02), tokens)
            if sure == 0:
                continue
            device = run([*generate, "--device", "cuda"], device=True)
            if device["device"] != "cuda" or len(cpu["token_ids"]) == 0:
                sys.exit(f"{name}, {what}: nothing was compared")
            apart = max(abs(c - d) for c, d in zip(cpu["margins"][:sure], device["margins"][:sure]))
            if cpu["token_ids"][:sure] == device["token_ids"][:sure] and apart < 0.05:
                break
            parted.append(f"'{prompt}': the CPU wrote {cpu['token_ids']}, margins {cpu['margins']}, the device "
                          f"{device['token_ids']}, margins {device['margins']}")
            # Another order of adding moves a score across its threshold now and then, as it does
            # between the CPU's instruction sets: then another prompt must agree.
            if "%" not in what:
                sys.exit(f"{name}, {what}, {parted[0]}")
        else:
            sys.exit(f"{name}, {what}: no prompt agrees\n" + "\n".join(parted))
        print(f"{name}, {what}: {device['token_ids']}, {sure} compared, logits' margins {apart:.1e} apart, "
              f"{100 * device['sparsity']['model']:.1f} % skipped", flush=True)


def same_commands(model):
    """calibrate, prune and bench take --device too, and write the same fields."""
    table = os.path.join(folder, "there.json")
    for command in (["calibrate", "--text", text, "--sparsity", "0.5", "--tokens", "256", "--window", "64",
                     "--output", table],
                    ["calibrate", "--text", text, "--sparsity", "0.25", "--tokens", "128", "--window", "32", "--allocation",
                     "greedy", "--output", table],
                    ["prune", "--text", text, "--tokens", "256", "--window", "64", "--shuffle", "both", "--metric",
                     "e-sparse", "--output", os.path.join(folder, "pruned there")],
                    ["bench", "--sparsity", "0,0.5", "--rounds", "1", "--tokens", "2", "--batch", "2"]):
        cpu = run([*command, "--model", model])
        shutil.rmtree(os.path.join(folder, "pruned there"), ignore_errors=True)
        device = run([*command, "--model", model, "--device", "cuda"], device=True)
        if cpu.keys() != device.keys() or device["device"] != "cuda":
            sys.exit(f"{command[0]}: the CPU's JSON has {list(cpu)}, the device's {list(device)}")
        print(f"{command[0]} --device cuda: the CPU's fields", flush=True)


with tempfile.TemporaryDirectory() as folder:
    tiny = os.path.join(folder, "tiny.gguf")
    subprocess.run([make_tiny, tiny], check=True)
    compare("tiny model", tiny, 8, "both", 2048, ("--fit-steps", "2"))
    same_commands(tiny)
if os.path.exists(real_model):
    with tempfile.TemporaryDirectory() as folder:
        compare("SmolLM2", real_model, 4, "global", 512)
else:
    print("SmolLM2 is not there: not compared")

#!/usr/bin/env python3
"""generate stays within 1.15 x (weights + KV cache + 64 MiB): peak_memory.py SPARSELLM_LLAMA MODEL."""
import json
import os
import resource
import subprocess
import sys
import tempfile

program, model = sys.argv[1:]
if not os.path.exists(model):
    print("skipped: the model is not there; script/get-model")
    sys.exit(0)
with tempfile.TemporaryDirectory() as folder:
    for extra in ([], ["--sparsity", "0.5"]):
        path = os.path.join(folder, "out.json")
        subprocess.run([program, "generate", "--model", model, "--prompt", "The history of", "--tokens", "40",
                        "--json", path, *extra], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        with open(path) as f:
            run = json.load(f)
        limit = 1.15 * (run["weight_bytes"] + run["kv_cache_bytes"] + 64 * 2**20)
        print(f"{extra}: peak {peak / 2**20:.0f} MiB, limit {limit / 2**20:.0f} MiB")
        if peak > limit:
            sys.exit("too much")

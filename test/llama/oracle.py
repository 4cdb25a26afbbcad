#!/usr/bin/env python3
"""oracle.py PROGRAM MODEL: what compressed-tensors and safetensors make of our checkpoints, and we of
theirs. Skipped by name where they, PyTorch (script/get-oracles) or the model (script/get-model) are missing.
"""
import json
import os
import subprocess
import sys
import tempfile

program, model = sys.argv[1:]
if not os.path.exists(model):
    print("skipped: the model is not there; script/get-model")
    sys.exit(0)
try:
    import torch
    if not hasattr(torch, "float8_e4m3fn"):  # before 2.1; named when imported, not used here
        torch.float8_e4m3fn = None
    from compressed_tensors.compressors.sparse_compressors.sparse_24_bitmask import (
        sparse24_bitmask_compress, sparse24_bitmask_decompress)
    from compressed_tensors.compressors.sparse_compressors.sparse_bitmask import (
        bitmask_compress, bitmask_decompress)
    from safetensors import safe_open
    from safetensors.torch import save_file
except ImportError as e:
    print(f"skipped: {e}; script/get-oracles")
    sys.exit(0)


def run(*arguments):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([program, *arguments, "--json", out.name], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return json.load(open(out.name))


def generated(folder):
    return run("generate", "--model", folder, "--prompt", "The history of the steam engine",
               "--tokens", "8")["token_ids"]


with tempfile.TemporaryDirectory() as work:
    text = os.path.join(work, "text")
    with open(text, "w") as f:
        f.write("The steam engine was built in many towns, and people came to see it. " * 40)
    for pattern in ("2:4", "4:8"):
        ours = os.path.join(work, pattern.replace(":", "-"))
        run("prune", "--model", model, "--text", text, "--tokens", "256", "--window", "128",
            "--pattern", pattern, "--shuffle", "global", "--output", ours)
        # Their reader decompresses ours; written dense, it is the same model.
        dense, theirs = {}, {}
        with safe_open(os.path.join(ours, "model.safetensors"), "pt") as f:
            keys = set(f.keys())
            metadata = f.metadata()
            for key in keys:
                if key.endswith(".compressed"):
                    base = key[:-len(".compressed")]
                    values, mask = f.get_tensor(key), f.get_tensor(base + ".bitmask")
                    shape = f.get_tensor(base + ".shape").flatten().tolist()
                    name = base.removesuffix(".weight") + ".weight"
                    if pattern == "2:4":
                        w = sparse24_bitmask_decompress(values, mask, shape)
                    else:
                        w = bitmask_decompress(values, mask, shape)
                    assert float((w != 0).float().mean()) <= 0.5, name
                    dense[name] = w
                elif not any(key.endswith(s) for s in (".bitmask", ".shape", ".row_offsets")):
                    dense[key] = f.get_tensor(key)
        assert len(dense) < len(keys)
        as_dense = os.path.join(work, "dense")
        os.makedirs(as_dense, exist_ok=True)
        save_file(dense, os.path.join(as_dense, "model.safetensors"), {"format": "pt"})
        # Their writer compresses the same weights (no orders: masks of unequal groups as they are).
        again = os.path.join(work, "again")
        os.makedirs(again, exist_ok=True)
        for name, w in dense.items():
            linear = name.startswith("model.layers.") and "_proj." in name
            if not linear:
                theirs[name] = w
                continue
            base = name.removesuffix(".weight")
            values, mask, offsets = bitmask_compress(w)
            theirs[name + ".compressed"], theirs[name + ".bitmask"] = values, mask
            theirs[name + ".shape"] = torch.tensor(w.shape)
            theirs[name + ".row_offsets"] = offsets
        save_file(theirs, os.path.join(again, "model.safetensors"), {"format": "pt"})
        for folder in (as_dense, again):
            for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
                with open(os.path.join(ours, file)) as f, open(os.path.join(folder, file), "w") as g:
                    g.write(f.read())
        expected = generated(ours)
        assert generated(as_dense) == expected, f"{pattern}: dense"
        assert generated(again) == expected, f"{pattern}: compressed by compressed-tensors"
        print(f"{pattern}: {len(dense)} tensors agree, both ways")
    # 2:4 compressed by their own rule, as their checkpoints are: magnitude in the file's order.
    w = torch.randn(8, 64).to(torch.bfloat16)
    values, mask = sparse24_bitmask_compress(w)
    assert values.shape == (8, 32) and mask.shape == (8, 8)

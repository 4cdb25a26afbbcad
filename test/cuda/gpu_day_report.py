#!/usr/bin/env python3
"""script/gpu-day report on made-up lines: gpu_day_report.py ROOT. It works on a copy of what it reads and writes."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

root = sys.argv[1]
signed = {"sm_mhz": 1755, "memory_mhz": None, "card": "NVIDIA H100 80GB HBM3", "driver": "13.0 (580.1)", "runtime": "13.0"}


def row(part, name, **more):
    return {"kind": "row", "part": part, "name": name, "shape": "4096x4096", "outputs": 4096, "inputs": 4096, "tokens": 1,
            "sparsity": 0.5, "skipped": 0.5, "median_us": 8.125, "p10_us": 8.0, "p90_us": 8.5, "bytes": 16.8e6,
            "gb_per_s": 2067.7, "share_of_copy": 0.876, "dense_tflops": 4.1, "steps": 312, "rounds": 31, **more, **signed}


facts = {"kind": "facts", "capability": 9, "multiprocessors": 132, "l2_bytes": 52428800, **signed}
lines = [{"kind": "build", "commit": "abc", "nvcc": "13.0"}, facts,
         {"kind": "peer", "name": "cublaslt", "version": "130100 (/somewhere/libcublasLt.so.13)"},
         {"kind": "peer", "name": "cusparselt", "absent": "not found"}, {"kind": "activations", "from": "normal"},
         {"kind": "step", "name": "facts", "status": "passed", "seconds": 2},
         {"kind": "step", "name": "test executor_test", "status": "passed", "seconds": 3},
         {"kind": "step", "name": "test pack_test", "status": "failed with 1", "seconds": 3},
         row("copy", "copy", gb_per_s=2360.0), row("teal", "channel_major/bf16", over_cublaslt=1.7321, error=1.4e-7),
         {"kind": "failed", "part": "nm", "name": "n_of_m/bf16/2:4", "why": "out of memory"}]

with tempfile.TemporaryDirectory() as work:
    for folder in ("script", "docs", "bench/results"):
        shutil.copytree(os.path.join(root, folder), os.path.join(work, folder))
    shutil.copy(os.path.join(root, "README.md"), work)
    for made in os.listdir(work + "/bench/results"):
        with open(os.path.join(work, "bench/results", made), errors="replace") as f:
            if made.startswith("cuda_") and '"card"' in f.read():
                os.remove(os.path.join(work, "bench/results", made))

    def report(lines, torn=""):
        os.makedirs(work + "/out", exist_ok=True)
        with open(work + "/out/results.jsonl", "w") as f:
            f.write("\n\n".join(json.dumps(x) for x in lines) + "\n" + torn)
        return subprocess.run([sys.executable, work + "/script/gpu-day", "report", work + "/out"], capture_output=True, text=True)

    def table():
        with open(work + "/docs/kernels.md") as f:
            return f.read().split("<!-- begin cuda_times -->")[1].split("<!-- end cuda_times -->")[0]

    # What has not been measured is not made up.
    for few, said in (([{"kind": "no_gpu", "why": "no CUDA-capable device"}], "nothing has been measured: no CUDA-capable device"),
                      ([facts], "nothing has been measured"),
                      ([{**facts, "card": "cudasim sm_80"}, row("teal", "x")], "is a simulator")):
        done = report(few)
        assert done.returncode == 1 and said in done.stderr, (done.returncode, done.stderr)
    subprocess.run([sys.executable, work + "/script/doc-tables"], check=True, capture_output=True)
    assert "Nothing has been measured on a GPU" in table(), table()

    done = report(lines, '{"kind": "row", "part": "te')
    assert done.returncode == 0, done.stderr
    with open(work + "/bench/results/cuda_h100.json") as f:
        result = json.load(f)
    assert result["card"] == signed["card"] and result["peers"] == {"cublaslt": "130100", "cusparselt": "absent"}, result
    assert len(result["results"]) == 2 and result["results"][1]["over_cublaslt"] == 1.7321, result["results"]
    text = table()
    for wanted in ("**NVIDIA H100 80GB HBM3**", "a copy moves 2360 GB/s", "1 of 2 test programs passed",
                   "test pack_test failed with 1", "nm, n_of_m/bf16/2:4: out of memory",
                   "| teal | channel_major/bf16 | 4096×4096 | 1 | 50 % | 8.125 (8 to 8.5) | 2068 | 0.88 | 1.73 |  | 1.4e-07 |"):
        assert wanted in text, (wanted, text)
    assert "Nothing has been measured" not in text
    check = subprocess.run([sys.executable, work + "/script/doc-tables", "--check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stderr
    # Another card is another file, and both are in the table.
    done = report([{**x, "card": "NVIDIA H200"} if "card" in x else x for x in lines])
    assert done.returncode == 0 and os.path.exists(work + "/bench/results/cuda_h200.json"), done.stderr
    assert "**NVIDIA H100 80GB HBM3**" in table() and "**NVIDIA H200**" in table()
print("report: nothing measured, one card, two cards")

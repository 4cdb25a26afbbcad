#!/usr/bin/env python3
"""script/gpu-day's run without a GPU: gpu_day.py RUN MEASURE TEST LAUNCHER.

run.sh, the measuring program and one test program, laid out as script/gpu-day build does, run through the launcher at a
tiny size: every kind of row comes out, with finite numbers and small errors. With no time for it, and without a launcher
where there is no GPU, every step is skipped by name.
"""
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile

run, measure, test, launcher = sys.argv[1:]
parts = {"copy", "teal", "nm", "gemm", "quantised", "gated", "other", "batch", "block", "choices: launches",
         "choices: q, k, v", "choices: gate", "choices: lists"}
products = {"channel_major/bf16", "channel_major/f16", "channel_major/f32", "channel_major/q8_0", "channel_major/q4_1",
            "row_major/bf16", "n_of_m/bf16/2:4", "n_of_m/bf16/4:8", "n_of_m/i8/2:4", "channel_bitmap/bf16/2:4",
            "gated/channel_major/bf16", "gated/channel_major/q4_1", "block/channel_major/bf16"}
numbers = ("outputs", "inputs", "tokens", "sparsity", "skipped", "median_us", "p10_us", "p90_us", "bytes", "gb_per_s",
           "share_of_copy", "steps", "rounds")


def run_it(folder, out, launcher, tiny, seconds=800):
    """Exit status and lines."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GPU_DAY")}
    env |= {"GPU_DAY_LAUNCHER": launcher, "GPU_DAY_SECONDS": str(seconds)} if launcher else {}
    env |= {"GPU_DAY_TINY": "1"} if tiny else {}
    done = subprocess.run([os.path.join(folder, "run.sh"), out], env=env, cwd="/", capture_output=True, text=True)
    with open(os.path.join(out, "results.jsonl")) as f:
        lines = [json.loads(text) for text in f if text.strip()]
    assert len(os.listdir(out)) <= 8, os.listdir(out)
    return done.returncode, done.stdout + done.stderr, lines


with tempfile.TemporaryDirectory() as work:
    folder = os.path.join(work, "day")
    os.makedirs(folder)
    shutil.copy(run, folder + "/run.sh")
    shutil.copy(measure, folder + "/measure")
    shutil.copy(test, folder + "/tests")  # those of one file
    with open(folder + "/tests.txt", "w") as f:
        f.write("executor_test\n")
    before = sorted(os.path.join(at, f) for at, _, files in os.walk(folder) for f in files)

    code, said, lines = run_it(folder, os.path.join(work, "out"), launcher, True)
    rows = [x for x in lines if x["kind"] == "row"]
    steps = {x["name"]: x["status"] for x in lines if x["kind"] == "step"}
    log = open(os.path.join(work, "out", "log.txt")).read()[-3000:]
    assert code == 0, (code, said, log)
    failed = [x for x in lines if x["kind"] == "failed" and "cublaslt" not in x["name"] and "cusparselt" not in x["name"]]
    assert not failed, failed
    assert {x["part"] for x in rows} >= parts, parts - {x["part"] for x in rows}
    assert {x["name"] for x in rows} >= products, products - {x["name"] for x in rows}
    for x in rows:
        assert all(isinstance(x[k], (int, float)) and math.isfinite(x[k]) for k in numbers), x
        assert 0 < x["p10_us"] <= x["median_us"] <= x["p90_us"] and x["bytes"] > 0, x
        assert x["card"] and x["driver"] and x["runtime"] and "sm_mhz" in x, x
        if x["name"] in products:
            # Activations are rounded to bfloat16 for tensor cores, where a product has them.
            assert 0 <= x["error"] < 1e-2, x
    skipped = sorted({x["sparsity"] for x in rows if x["part"] == "teal"})
    assert skipped == [0, 0.25, 0.4, 0.5, 0.65], skipped
    assert all(abs(x["skipped"] - x["sparsity"]) < 0.01 for x in rows if x["part"] == "teal")
    assert all(x["skipped"] < 0.1 for x in rows if x["part"] == "batch"), "tokens of a batch skip channels of their own"
    assert any(x["kind"] == "facts" for x in lines) and {x["name"] for x in lines if x["kind"] == "peer"} == \
        {"cublaslt", "cusparselt"}
    assert steps["test executor_test"] == "passed" and steps["teal"] == "passed", steps
    after = sorted(os.path.join(at, f) for at, _, files in os.walk(folder) for f in files)
    assert before == after, "run.sh wrote beside itself"

    code, said, lines = run_it(folder, os.path.join(work, "late"), launcher, True, 4)
    assert code == 0 and {x["kind"] for x in lines} == {"step"}, (code, lines)
    late = {x["name"]: x["status"] for x in lines}
    assert late.pop("all of it") == "ended" and late.keys() >= {"facts", "test executor_test", "teal", "choices"}, late
    assert all(status.startswith("skipped: ") for status in late.values()), late

    # The runtime of this build may be the launcher's alone; then there is nothing to start the program without it.
    if not os.path.exists("/dev/nvidia0"):
        code, said, lines = run_it(folder, os.path.join(work, "none"), "", False)
        assert code == 3 and "there is no GPU" in said, (code, said)
        assert [x["kind"] for x in lines if x["kind"] != "step"] == ["no_gpu"], lines
        skipped = {x["name"]: x["status"] for x in lines if x["kind"] == "step"}
        assert skipped["teal"] == "skipped: there is no GPU" and skipped["test executor_test"] == skipped["teal"], skipped
print(f"{len(rows)} rows of {len({x['part'] for x in rows})} parts")

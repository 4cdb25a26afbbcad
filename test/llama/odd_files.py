#!/usr/bin/env python3
"""Model files, tokenizers and outputs as people have them: read right, or refused by name.

usage: odd_files.py SPARSELLM_LLAMA
"""
import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tiny_files as tiny  # noqa: E402

PROGRAM = os.path.abspath(sys.argv[1])
failures = 0


def check(what, got, right):
    global failures
    good = abs(got - right) < 1e-4 if isinstance(got, float) and isinstance(right, float) else got == right
    if not good:
        failures += 1
        print(f"FAILED: {what}\n  got      {got}\n  expected {right}")


def call(*arguments, **options):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, **options)


def run(*arguments, **options):
    """The JSON of a run, or what it said when it was refused."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        result = call(*arguments, "--json", out.name, **options)
        if result.returncode != 0:
            return result.stderr.decode("utf8", "replace").strip()
        return json.load(open(out.name))


def refused(what, got, *words):
    """With a message that has all the words."""
    good = isinstance(got, str) and got.startswith("sparsellm-llama: ") or isinstance(got, str) and "--" in got
    if not good or any(w not in got for w in words):
        check(what, got, "a refusal with " + ", ".join(words))


def text_file(folder, count=600):
    draw = random.Random(3)
    tiny.write(folder + "/text", "".join(draw.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(count)).encode())
    return folder + "/text"


def nll(model, folder):
    got = run("perplexity", "--model", model, "--text", text_file(folder), "--window", 128, "--windows", 3,
              "--weights", "f32")
    return got if isinstance(got, str) else got["nll"]


def generated(model, prompt="Hi", tokens=12):
    got = run("generate", "--model", model, "--prompt", prompt, "--tokens", tokens, "--weights", "f32")
    return got if isinstance(got, str) else got["token_ids"]


def ids(model, prompt):
    got = run("generate", "--model", model, "--prompt", prompt, "--tokens", 1, "--weights", "f32")
    return got if isinstance(got, str) else got["prompt_ids"]


def rotary(d):
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 64}

    def new(**k):
        return nll(tiny.checkpoint(d + "/new", rope_theta="absent", rope_parameters=k), d)

    def old(**k):
        return nll(tiny.checkpoint(d + "/old", **k), d)

    check("rope_parameters: base", new(rope_type="default", rope_theta=5e5), old(rope_theta=5e5))
    check("rope_parameters: llama3", new(rope_theta=5e5, **llama3), old(rope_theta=5e5, rope_scaling=llama3))
    check("rope_parameters: linear", new(rope_type="linear", rope_theta=1e4, factor=4.0),
          old(rope_scaling={"type": "linear", "factor": 4.0}))
    refused("rope_parameters: longrope", new(rope_type="longrope", rope_theta=1e4, factor=4.0), "rope_parameters",
            "longrope")
    refused("rope_parameters: yarn, not truncated",
            new(rope_type="yarn", rope_theta=1e4, factor=4.0, truncate=False), "truncate")
    refused("rope_parameters: yarn without a factor", new(rope_type="yarn", rope_theta=1e4), "factor")
    refused("rope_parameters: a share", new(rope_type="default", partial_rotary_factor=0.5), "partial_rotary_factor")
    refused("rope_scaling: an unknown number", old(rope_scaling={**llama3, "attention_factor": 1.2}),
            "attention_factor")
    refused("two bases", nll(tiny.checkpoint(d + "/two", rope_parameters={"rope_theta": 5e5}), d), "rope_theta")


def ledgers(d):
    def of(extra=None, **k):
        return run("inspect", "--model", tiny.checkpoint(d + "/m", extra=extra, **k))

    check("a plain checkpoint", of()["layers"], 2)
    refused("config.json: an unknown key", of(attn_logit_softcapping=30.0), "config.json", "attn_logit_softcapping")
    check("config.json: an unknown key that says nothing", of(whatever=None)["layers"], 2)
    refused("generation_config.json: an unknown key", of({"generation_config.json": {"suppress_tokens": [3]}}),
            "generation_config.json", "suppress_tokens")
    refused("tokenizer_config.json: an unknown key", of({"tokenizer_config.json": {"strip_accents": True}}),
            "tokenizer_config.json", "strip_accents")
    refused("tokenizer.json: an unknown key", of(tokens=tiny.tokenizer(further=1)), "tokenizer.json", "further")
    refused("tokenizer.json: an unknown member of the model", of(tokens=tiny.tokenizer(model={"cache": 3})), "cache")
    refused("quantised weights", of(quantization_config={"quant_method": "gptq", "bits": 4}), "gptq")
    refused("biases that are missing", of(attention_bias=True), "q_proj.bias", "missing")
    refused("a window of nothing", of(model_type="mistral", architectures=["MistralForCausalLM"], sliding_window=0),
            "sliding_window", "0")
    refused("biases of another class", of(model_type="mistral", architectures=["MistralForCausalLM"],
                                          attention_bias=True), "attention_bias")
    refused("a tensor that is not known", run("inspect", "--model", tiny.checkpoint(
        d + "/b", {**tiny.weights(), "model.layers.0.self_attn.q_proj.bias": (1, 32, [0.0] * 32)})), "q_proj.bias")
    refused("a block too many", nll(tiny.checkpoint(d + "/m", num_hidden_layers=1), d), "model.layers.1", "beyond")
    refused("a block too few", nll(tiny.checkpoint(d + "/m", num_hidden_layers=3), d), "model.layers.2")

    def other(**k):
        tensors = k.pop("tensors", None)
        return run("inspect", "--model", tiny.gguf(d + "/x.gguf", tensors, **k))

    check("a plain GGUF", other()["layers"], 2)
    refused("GGUF: an unknown key", other(llama__attention__softcap=30.0), "llama.attention.softcap")
    refused("GGUF: not causal", other(llama__attention__causal=False), "causal")
    refused("GGUF: an attention factor of 0", other(llama__rope__scaling__attn_factor=0.0), "attn_factor")
    refused("GGUF: YaRN with a share", other(llama__rope__scaling__type="yarn", llama__rope__scaling__factor=4.0,
                                             llama__rope__scaling__yarn_ext_factor=0.5), "yarn_ext_factor")
    refused("GGUF: part of a head rotated", other(llama__rope__dimension_count=4), "rotary")
    check("GGUF: a sliding window", other(llama__attention__sliding_window=16)["sliding_window"], 16)
    refused("GGUF: a window's pattern of other blocks", other(
        llama__attention__sliding_window=16, llama__attention__sliding_window_pattern=[1, 0, 1]), "3 of 2")
    refused("GGUF: EOS behind a text", other(tokenizer__ggml__add_eos_token=True), "add_eos_token")
    refused("GGUF: a bias in one block", other(tensors={"blk.0.attn_q.bias": (1, 32, [0.0] * 32)}),
            "blk.1.attn_q.bias", "missing")
    refused("GGUF: a bias in the other block", other(tensors={"blk.1.attn_q.bias": (1, 32, [0.0] * 32)}),
            "blk.1.attn_q.bias", "bias")
    refused("GGUF: a bias of a norm", other(tensors={"output_norm.bias": (1, 32, [0.0] * 32)}), "output_norm.bias")
    refused("GGUF: a norm of q", other(tensors={"blk.0.attn_q_norm.weight": (1, 8, [1.0] * 8)}), "attn_q_norm")
    refused("GGUF: a block too many", other(tensors={"blk.2.attn_q.weight": (32, 32, [0.0] * 1024)}), "blk.2", "beyond")
    refused("GGUF: another vocabulary", other(llama__vocab_size=300), "300")
    refused("GGUF: an adapter", other(general__type="adapter"), "adapter")
    # Where a file is silent, as llama.cpp: scaling is linear, Llama 3's tokenizer begins with BOS.
    linear = nll(tiny.gguf(d + "/x.gguf", llama__rope__scaling__type="linear", llama__rope__scaling__factor=4.0), d)
    check("GGUF: a factor alone", nll(tiny.gguf(d + "/x.gguf", llama__rope__scaling__factor=4.0), d), linear)
    check("GGUF: a factor of old", nll(tiny.gguf(d + "/x.gguf", llama__rope__scale_linear=4.0), d), linear)
    check("GGUF: BOS of llama-bpe", ids(tiny.gguf(d + "/x.gguf", tokenizer__ggml__pre="llama-bpe"), "Hi"),
          [256, 72, 105])
    check("GGUF: no BOS of gpt-2", ids(tiny.gguf(d + "/x.gguf"), "Hi"), [72, 105])
    check("GGUF: no token types", ids(tiny.gguf(d + "/x.gguf", tokenizer__ggml__token_type=None), "Hi"), [72, 105])


def heads(d):
    w = tiny.weights()
    del w["lm_head.weight"]
    tied = nll(tiny.checkpoint(d + "/tied", w, tie_word_embeddings=True), d)
    renamed = {("lm_head.weight" if k == "model.embed_tokens.weight" else k): v for k, v in w.items()}
    check("tied, stored as the head", nll(tiny.checkpoint(d + "/head", renamed, tie_word_embeddings=True), d), tied)
    both = {**w, "lm_head.weight": w["model.embed_tokens.weight"]}
    check("tied, stored twice", nll(tiny.checkpoint(d + "/both", both, tie_word_embeddings=True), d), tied)
    refused("tied, and two tables", nll(tiny.checkpoint(d + "/m", tie_word_embeddings=True), d), "tie_word_embeddings")
    refused("no head", nll(tiny.checkpoint(d + "/none", w), d), "lm_head.weight is missing")


def stops(d):
    all_ids = generated(tiny.checkpoint(d + "/a"))
    stop = all_ids[4]
    right = all_ids[:all_ids.index(stop) + 1]
    check("a list of stops", generated(tiny.checkpoint(d + "/b", eos_token_id=[257, stop])), right)
    check("generation_config.json's", generated(
        tiny.checkpoint(d + "/c", extra={"generation_config.json": {"eos_token_id": [257, stop]}})), right)
    all_ids = generated(tiny.gguf(d + "/g.gguf"))
    stop = all_ids[4]
    right = all_ids[:all_ids.index(stop) + 1]
    for key in ("eos", "eot", "eom"):
        check(f"GGUF's {key}", generated(tiny.gguf(d + "/g.gguf", **{f"tokenizer__ggml__{key}_token_id": stop})), right)
    tokens = tiny.byte_characters() + tiny.SPECIALS
    tokens[stop] = "<|eot_id|>"
    check("GGUF's by name", generated(tiny.gguf(d + "/g.gguf", tokenizer__ggml__tokens=tokens)), right)


def splits(d):
    whole = tiny.gguf_tensors()
    right = nll(tiny.gguf(d + "/whole.gguf"), d)
    names = sorted(whole)

    def part(i, of, number=None):
        values = {"split.no": i if number is None else number, "split.count": of, "split.tensors.count": len(whole)}
        path = f"{d}/m-{i + 1:05d}-of-{of:05d}.gguf"
        return tiny.write_gguf(path, tiny.metadata(**values) if i == 0 else values, {n: whole[n] for n in names[i::of]})

    first = part(0, 3)
    part(1, 3)
    refused("a missing part", nll(first, d), "part 1 of 3", "m-00003-of-00003.gguf")
    last = part(2, 3)
    check("a split GGUF", nll(first, d), right)
    refused("not its first part", nll(last, d), "part 3 of 3")
    part(2, 3, number=1)
    refused("a part twice", nll(first, d), "part 2")
    os.rename(first, d + "/renamed.gguf")
    refused("a renamed part", nll(d + "/renamed.gguf", d), "part 1 of 3")


def not_finite(d):
    for name, row, column, bad in (("model.norm.weight", 0, 2, "nan"), ("lm_head.weight", 72, 0, "nan"),
                                   ("model.layers.0.input_layernorm.weight", 0, 3, "inf"),
                                   ("model.embed_tokens.weight", 72, 0, "-inf"),
                                   ("model.layers.1.mlp.up_proj.weight", 1, 1, "nan"),
                                   ("model.layers.0.self_attn.k_proj.weight", 3, 5, "inf")):
        w = tiny.weights()
        w[name][2][row * w[name][1] + column] = float(bad)
        m = tiny.checkpoint(d + "/m", w)
        refused(f"{bad} in {name}", generated(m), name, f"[{row}, {column}]")
        out = d + "/p"
        refused(f"{bad} in {name}: prune", run("prune", "--model", m, "--text", text_file(d), "--tokens", 128, "--window",
                                               64, "--output", out), name, f"[{row}, {column}]")
        check("nothing is left of it", os.path.exists(out), False)


def names_it(d):
    """The first thing that is wrong is what is said."""
    def says(what, model, *words):
        refused(what, run("inspect", "--model", model), *words)

    says("GPT-NeoX", tiny.checkpoint(d + "/x", model_type="gpt_neox", intermediate_size="absent"), "architecture",
         "'gpt_neox'")
    opt = {"model_type": "opt", "architectures": ["OPTForCausalLM"], "ffn_dim": 48}
    says("OPT-350m", tiny.checkpoint(d + "/opt", **opt, do_layer_norm_before=False), "do_layer_norm_before", "OPT-350m")
    says("OPT of other embeddings", tiny.checkpoint(d + "/opt", **opt, word_embed_proj_dim=16), "word_embed_proj_dim")
    says("a model with text_config", tiny.checkpoint(d + "/v", model_type="llava", hidden_size="absent",
                                                     text_config={"model_type": "llama"}), "architecture", "'llava'")
    says("experts", tiny.checkpoint(d + "/moe", num_local_experts=8), "experts")
    says("experts in a GGUF", tiny.gguf(d + "/moe.gguf", {"blk.0.ffn_up.weight": None}, llama__expert_count=8), "experts")
    says("a whole number for a real one", tiny.gguf(d + "/i.gguf", llama__rope__freq_base=10000), "floating-point",
         "a whole number")
    m = tiny.checkpoint(d + "/lfs")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123\n"
    tiny.write(m + "/model.safetensors", pointer)
    says("a Git LFS pointer", m, "model.safetensors", "Git LFS pointer")
    tiny.write(d + "/lfs.gguf", pointer)
    says("a GGUF that is a pointer", d + "/lfs.gguf", "Git LFS pointer")
    tiny.write(m + "/config.json", pointer)
    says("a config.json that is a pointer", m, "config.json", "Git LFS pointer")
    m = tiny.checkpoint(d + "/html")
    tiny.write(m + "/model.safetensors", b"<!DOCTYPE html><html>Not found</html>")
    says("a web page", m, "not a safetensors", "web page")
    m = tiny.checkpoint(d + "/shards", shards=3)
    os.remove(m + "/model.safetensors.index.json")
    says("shards without their index", m, "model.safetensors", "model-00001-of-00003.safetensors")
    says("a tensor file alone", m + "/model-00001-of-00003.safetensors", "directory")
    for option in ("--tokens", "--seed"):
        arguments = {"--tokens": "4", option: "-1"}
        result = call("generate", "--model", d + "/none", "--prompt", "a", *(x for kv in arguments.items() for x in kv))
        check(f"{option} -1", (result.returncode, f"{option}: a whole number".encode() in result.stderr), (2, True))
    odd = os.fsencode(d) + b"/caf\xe9.gguf"
    shutil.copy(tiny.gguf(d + "/g.gguf"), odd)
    result = subprocess.run([PROGRAM, b"perplexity", b"--model", odd, b"--text", text_file(d).encode(), b"--window",
                             b"64", b"--windows", b"2", b"--json", os.fsencode(d) + b"/j"], capture_output=True)
    check("a name that is no UTF-8", (result.returncode, result.stderr), (0, b""))
    folder = os.fsencode(d) + b"/mod\xe9le"
    shutil.copytree(tiny.checkpoint(d + "/m"), os.fsdecode(folder))
    table = os.fsencode(d) + b"/t\xe9.json"
    result = subprocess.run([PROGRAM, b"calibrate", b"--model", folder, b"--text", (d + "/text").encode(), b"--tokens",
                             b"128", b"--window", b"64", b"--sparsity", b"0.5", b"--output", table], capture_output=True)
    check("a folder whose name is no UTF-8", result.returncode, 0)
    check("its table", call("generate", "--model", d + "/m", "--prompt", "a", "--tokens", 2, "--thresholds",
                            os.fsdecode(table)).returncode, 0)


def identity(d):
    m, table = tiny.checkpoint(d + "/base"), d + "/t.json"
    run("calibrate", "--model", m, "--text", text_file(d), "--tokens", 256, "--window", 64, "--sparsity", 0.5, "--output",
        table)
    os.symlink("base", d + "/link")
    shards = tiny.checkpoint(d + "/shards", shards=3)
    for model, options in ((m, {}), (m + "/", {}), (".", {"cwd": m}), (d + "/link", {}), (shards, {})):
        got = run("generate", "--model", model, "--prompt", "Hi", "--tokens", 2, "--thresholds", table, **options)
        check(f"a table by {model}", isinstance(got, dict) or got, True)
    refused("a table of other weights", run("generate", "--model", tiny.checkpoint(d + "/x", tiny.weights(9)), "--prompt",
                                            "Hi", "--tokens", 2, "--thresholds", table), "hash")
    check("its name", run("inspect", "--model", m + "/")["model"], "base")


def outputs(d):
    m, text = tiny.checkpoint(d + "/m"), text_file(d)

    def calibrate(out, **options):
        return call("calibrate", "--model", m, "--text", text, "--tokens", 128, "--window", 64, "--sparsity", 0.5,
                    "--output", out, **options)

    os.symlink("/dev/full", d + "/full")
    refused("a full device", calibrate(d + "/full").stderr.decode(), "No space left")
    check("it stays", os.path.islink(d + "/full") and stat.S_ISCHR(os.stat("/dev/full").st_mode), True)
    os.makedirs(d + "/store")
    tiny.write(d + "/store/t.json", b"old")
    os.symlink("store/t.json", d + "/t.json")
    check("through a link", calibrate(d + "/t.json").returncode, 0)
    check("it is new, and the link stays", (os.path.islink(d + "/t.json"), open(d + "/store/t.json").read(1)), (True, "{"))
    os.mkfifo(d + "/pipe")
    refused("a pipe that nobody reads", calibrate(d + "/pipe").stderr.decode(), "nobody reads")
    with open(d + "/pipe.out", "wb") as out:
        reader = subprocess.Popen(["cat", d + "/pipe"], stdout=out)
        for _ in range(200):
            result = calibrate(d + "/pipe")
            if result.returncode == 0:
                break
            time.sleep(0.05)
        reader.wait(timeout=60)
    check("through a pipe", (result.returncode, open(d + "/pipe.out").read(1)), (0, "{"))
    got = call("inspect", "--model", m, "--json", "/dev/stdout").stdout
    check("--json /dev/stdout", b'"layers"' in got, True)
    with open("/dev/full", "wb") as full:
        for command in (["inspect", "--model", m], ["--help"], ["--version"]):
            result = subprocess.run([PROGRAM, *command], stdout=full, stderr=subprocess.PIPE)
            check(f"a full standard output: {command[0]}", (result.returncode, b"No space left" in result.stderr), (1, True))
    result = subprocess.run(f"'{PROGRAM}' calibrate --model '{m}' --text '{text}' --tokens 128 --window 64 --sparsity 0.5 "
                            f"--output '{d}/closed.json' >&-", shell=True, stderr=subprocess.PIPE)
    check("a closed standard output", (result.returncode, b"standard output" in result.stderr), (1, True))
    check("whose text went nowhere else", sorted(json.load(open(d + "/closed.json")))[:1], ["format"])
    refused("the model as output", run("calibrate", "--model", tiny.gguf(d + "/g.gguf"), "--text", text, "--tokens", 128, "--window", 64,
                "--sparsity", 0.5, "--output", d + "/g.gguf"), "--output", "--model")
    # Refused before the work: the model and the text are not even there.
    for command, out in (("calibrate", "/proc/none/t.json"), ("prune", "/proc/none")):
        refused(f"{command} where nothing can be written", call(
            command, "--model", d + "/none", "--text", text, "--tokens", 64, *(
                ["--sparsity", 0.5] if command == "calibrate" else []), "--output", out).stderr.decode(), "/proc/none",
                "No such file or directory")
    check("no temporary is left", [f for f in os.listdir(d) + os.listdir(d + "/store") if ".partial" in f], [])


def prune(d, model, out, *more):
    return run("prune", "--model", model, "--text", text_file(d), "--tokens", 256, "--window", 64, "--weights", "f32",
               "--output", out, *more)


def directories(d):
    m = tiny.checkpoint(d + "/m", shards=3)
    prune(d, m, d + "/fresh")
    right = nll(d + "/fresh", d)
    dense = nll(m, d)
    refused("into its own shards", prune(d, m, m), "--force")
    check("which stay", nll(m, d), dense)
    two = tiny.checkpoint(d + "/two", tiny.weights(9), shards=3)
    refused("into another's shards", prune(d, m, two), "model-00001-of-00003.safetensors", "--force")
    check("with --force", isinstance(prune(d, m, two, "--force"), dict), True)
    check("nothing of it is left", sorted(os.listdir(two)), ["config.json", "model.safetensors", "tokenizer.json"])
    check("and what was pruned runs", nll(two, d), right)
    check("again into its own output", isinstance(prune(d, m, two), dict), True)
    one = tiny.checkpoint(d + "/one", extra={"generation_config.json": {"eos_token_id": 3}})
    refused("into another's generation_config.json", prune(d, m, one), "generation_config.json")
    refused("into the model itself", prune(d, d + "/one", d + "/one/"), "the model's own directory")
    # model.safetensors beside an index of others: transformers reads model.safetensors.
    mixed = tiny.checkpoint(d + "/mixed", shards=3)
    tiny.write_safetensors(mixed + "/model.safetensors", tiny.weights(9))
    check("model.safetensors before an index", nll(mixed, d), nll(tiny.checkpoint(d + "/n", tiny.weights(9)), d))
    outputs_of_two = set()
    for pattern in ("1:2", "2:4"):
        prune(d, m, d + "/r", "--pattern", pattern)
        outputs_of_two.add(hashlib.sha256(open(d + "/r/model.safetensors", "rb").read()).hexdigest())
        shutil.rmtree(d + "/r")
    for _ in range(4):
        runs = [subprocess.Popen([PROGRAM, "prune", "--model", m, "--text", d + "/text", "--tokens", "256", "--window", "64",
                                  "--weights", "f32", "--pattern", p, "--output", d + "/r"], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE) for p in ("1:2", "2:4")]
        said = [r.communicate()[1] for r in runs]
        got = hashlib.sha256(open(d + "/r/model.safetensors", "rb").read()).hexdigest()
        check(f"two runs at once ({said})", got in outputs_of_two, True)
        shutil.rmtree(d + "/r")


def carried(d):
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 2.0, "high_freq_factor": 8.0,
              "original_max_position_embeddings": 4096}
    post = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|begin|>", "type_id": 0}},
                                                     {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<|begin|>": {"id": "<|begin|>", "ids": [256], "tokens": ["<|begin|>"]}}}
    extra = {"generation_config.json": {"eos_token_id": [257, 258], "temperature": 0.6},
             "special_tokens_map.json": {"bos_token": "<|begin|>"}}
    m = tiny.checkpoint(d + "/m", tokens=tiny.tokenizer(post_processor=post), extra=extra, rope_theta=5e5,
                        rope_scaling=llama3, eos_token_id=[257, 258], unsloth_version="1")
    check("pruned", isinstance(prune(d, m, d + "/p"), dict), True)
    for name in ("tokenizer.json", *extra):
        check(f"{name} is the same", open(f"{d}/p/{name}").read(), open(f"{m}/{name}").read())
    before, after = (json.load(open(f + "/config.json")) for f in (m, d + "/p"))
    del after["quantization_config"]
    check("config.json, but for how tensors are stored", after, before)
    check("BOS", ids(d + "/p", "Hi"), [256, 72, 105])
    # From a GGUF all of it is made; what cannot be said is refused before the work.
    g = tiny.gguf(d + "/g.gguf", tokenizer__ggml__pre="llama-bpe", tokenizer__ggml__eot_token_id=258,
                  tokenizer__chat_template="{{ x }}")
    check("a GGUF", isinstance(prune(d, g, d + "/q"), dict), True)
    written = {n: json.load(open(f"{d}/q/{n}.json")) for n in ("config", "tokenizer", "tokenizer_config")}
    check("its stops", written["config"]["eos_token_id"], [257, 258])
    check("its BOS, for other programs", "<|begin|>" in json.dumps(written["tokenizer"]["post_processor"]), True)
    check("its template", written["tokenizer_config"]["chat_template"], "{{ x }}")
    check("its BOS, here", ids(d + "/q", "Hi"), ids(g, "Hi"))
    odd = tiny.gguf(d + "/odd.gguf", {"rope_freqs.weight": (1, 4, [1.0, 2.0, 1.0, 3.0])})
    refused("divisors that config.json cannot say", prune(d, odd, d + "/none"), "rotary scaling")
    check("before anything is written", os.path.exists(d + "/none"), False)
    w = tiny.weights()
    w["model.embed_tokens.weight"][2][5] = 1e6
    refused("a number too large for f16", run(
        "prune", "--model", tiny.checkpoint(d + "/large", w), "--text", text_file(d), "--tokens", 256, "--window", 64,
        "--weights", "f16", "--output", d + "/half"), "too large for f16")


for section in (rotary, ledgers, heads, stops, splits, not_finite, names_it, identity, outputs, directories, carried):
    with tempfile.TemporaryDirectory() as place:
        section(place)
if failures:
    sys.exit(f"{failures} failed")
print("odd files are read right or refused by name")

"""Small Llamas as files: a Hugging Face checkpoint's directory, or a GGUF. The standard library alone.

A byte is its own token; 256 <|begin|>, 257 <|end|>, 258 <|turn|>, 259 <|more|>. Width 32, 4 heads of 8 sharing 2 key-value
heads, hidden 48, two blocks.
"""
import array
import json
import math
import os
import random
import shutil
import struct

WIDTH, HEADS, KV, HIDDEN, BLOCKS, VOCABULARY = 32, 4, 2, 48, 2, 260
SPECIALS = ["<|begin|>", "<|end|>", "<|turn|>", "<|more|>"]
GGUF_NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
              "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
              "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def byte_characters():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(others)) for b in range(256)]


def added(token, text, **flags):
    return {"id": token, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": True, **flags}


def tokenizer(**changes):
    """A byte-level tokenizer.json; `model` changes members of its model."""
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
             "vocab": {c: i for i, c in enumerate(byte_characters())}, "merges": []}
    model.update(changes.pop("model", {}))
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [added(256 + i, s) for i, s in enumerate(SPECIALS)], "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True,
                                                "use_regex": True}, "model": model, **changes}


def config(**changes):
    c = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": WIDTH,
         "intermediate_size": HIDDEN, "num_hidden_layers": BLOCKS, "num_attention_heads": HEADS,
         "num_key_value_heads": KV, "head_dim": WIDTH // HEADS, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
         "rope_theta": 10000.0, "tie_word_embeddings": False, "vocab_size": VOCABULARY, "bos_token_id": 256,
         "eos_token_id": 257, "torch_dtype": "float32"}
    c.update(changes)
    return {k: v for k, v in c.items() if v != "absent"}


def weights(seed=0):
    """{name: (rows, columns, numbers)}; vectors have one row."""
    draw = random.Random(seed)

    def matrix(rows, cols, scale=1.2):
        return rows, cols, array.array("f", (draw.gauss(0, scale / math.sqrt(cols)) for _ in range(rows * cols)))

    def vector(n):
        return 1, n, array.array("f", (1 + 0.2 * draw.gauss(0, 1) for _ in range(n)))

    t = {"model.embed_tokens.weight": matrix(VOCABULARY, WIDTH, 5), "model.norm.weight": vector(WIDTH),
         "lm_head.weight": matrix(VOCABULARY, WIDTH)}
    kv = WIDTH // HEADS * KV
    for layer in range(BLOCKS):
        p = f"model.layers.{layer}."
        t[p + "input_layernorm.weight"] = vector(WIDTH)
        t[p + "post_attention_layernorm.weight"] = vector(WIDTH)
        for name, rows, cols, scale in (("self_attn.q_proj", WIDTH, WIDTH, 2.4), ("self_attn.k_proj", kv, WIDTH, 2.4),
                                        ("self_attn.v_proj", kv, WIDTH, 1.2), ("self_attn.o_proj", WIDTH, WIDTH, 1.2),
                                        ("mlp.gate_proj", HIDDEN, WIDTH, 1.2), ("mlp.up_proj", HIDDEN, WIDTH, 1.2),
                                        ("mlp.down_proj", WIDTH, HIDDEN, 1.2)):
            t[p + name + ".weight"] = matrix(rows, cols, scale)
    return t


def raw(numbers):
    numbers = array.array("f", numbers)
    if struct.pack("=H", 1) != struct.pack("<H", 1):
        numbers.byteswap()
    return numbers.tobytes()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def write_json(path, value):
    write(path, json.dumps(value).encode())


def write_safetensors(path, tensors):
    header, at, blobs = {"__metadata__": {"format": "pt"}}, 0, []
    for name, (rows, cols, numbers) in tensors.items():
        blobs.append(raw(numbers))
        header[name] = {"dtype": "F32", "shape": [cols] if rows == 1 else [rows, cols],
                        "data_offsets": [at, at + len(blobs[-1])]}
        at += len(blobs[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write(path, struct.pack("<Q", len(text)) + text + b"".join(blobs))


def checkpoint(folder, tensors=None, tokens=None, shards=0, extra=None, **changes):
    """A folder of its own, what was there aside. extra: {file name: JSON}."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    tensors = weights() if tensors is None else tensors
    write_json(f"{folder}/config.json", config(**changes))
    write_json(f"{folder}/tokenizer.json", tokens or tokenizer())
    for name, value in (extra or {}).items():
        write_json(f"{folder}/{name}", value)
    if not shards:
        write_safetensors(f"{folder}/model.safetensors", tensors)
        return folder
    names, places = list(tensors), {}
    for i in range(shards):
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        write_safetensors(f"{folder}/{file}", {n: tensors[n] for n in names[i::shards]})
        places.update({n: file for n in names[i::shards]})
    write_json(f"{folder}/model.safetensors.index.json", {"metadata": {}, "weight_map": places})
    return folder


def gguf_tensors(changes=None):
    """changes: {name: (rows, columns, numbers)}, or None for one that is left out."""
    out = {}
    for name, value in weights().items():
        if name.startswith("model.layers."):
            _, _, layer, rest = name.split(".", 3)
            name = f"blk.{layer}.{GGUF_NAMES[rest[:-7]]}.weight"
        else:
            name = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
                    "lm_head.weight": "output.weight"}[name]
        out[name] = value
    out.update(changes or {})
    return {k: v for k, v in out.items() if v is not None}


def metadata(**changes):
    """Keys with __ for a dot."""
    m = {"general.architecture": "llama", "general.name": "tiny", "llama.block_count": BLOCKS,
         "llama.embedding_length": WIDTH, "llama.feed_forward_length": HIDDEN, "llama.attention.head_count": HEADS,
         "llama.attention.head_count_kv": KV, "llama.context_length": 256,
         "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.freq_base": 10000.0,
         "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2",
         "tokenizer.ggml.tokens": byte_characters() + SPECIALS, "tokenizer.ggml.token_type": [1] * 256 + [3] * 4,
         "tokenizer.ggml.merges": ["\u0120 \u0120"], "tokenizer.ggml.bos_token_id": 256,
         "tokenizer.ggml.eos_token_id": 257}
    m.update({k.replace("__", "."): v for k, v in changes.items()})
    return {k: v for k, v in m.items() if v is not None}


def write_gguf(path, values, tensors):
    """tensors: {name: (rows, columns, numbers)}, or (matrices, rows, columns, numbers)."""
    def text(s):
        return struct.pack("<Q", len(s.encode())) + s.encode()

    def value(v):
        if isinstance(v, bool):
            return struct.pack("<IB", 7, v)
        if isinstance(v, int):
            return struct.pack("<II", 4, v)
        if isinstance(v, float):
            return struct.pack("<If", 6, v)
        if isinstance(v, str):
            return struct.pack("<I", 8) + text(v)
        items = b"".join(map(text, v)) if isinstance(v[0], str) else struct.pack(f"<{len(v)}i", *v)
        return struct.pack("<IIQ", 9, 8 if isinstance(v[0], str) else 5, len(v)) + items

    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    head += b"".join(text(k) + value(v) for k, v in values.items())
    data = b""
    for name, (*shape, numbers) in tensors.items():
        shape = shape[:0:-1] if shape[0] == 1 else shape[::-1]
        head += text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape) + struct.pack("<IQ", 0, len(data))
        data += raw(numbers)
        data += b"\0" * (-len(data) % 32)
    write(path, head + b"\0" * (-len(head) % 32) + data)
    return path


def gguf(path, tensors=None, **values):
    return write_gguf(path, metadata(**values), gguf_tensors(tensors))

"""One small random model of each family and part, as files (tiny_files.py): what each is made of, and no program.
The standard library alone; transformers makes the models of the same weights in families.py.
"""
import array
import math
import random

import tiny_files as tiny

TOKENS = [(7 * i * i + 13 * i + 5) % 256 for i in range(96)]
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}

# name: (changes of config.json, GGUF's architecture or None, changes of its metadata)
FAMILIES = {
    "llama with biases": ({"attention_bias": True, "mlp_bias": True}, "llama", {}),
    "llama with YaRN": ({"rope_scaling": YARN}, "llama",
                        {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
                         "rope.scaling.original_context_length": 64}),
    "llama with YaRN of its own numbers": (
        {"rope_scaling": {**YARN, "attention_factor": 1.3, "beta_fast": 16.0, "beta_slow": 2.0}}, "llama",
        {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 64,
         "rope.scaling.yarn_beta_fast": 16.0, "rope.scaling.yarn_beta_slow": 2.0,
         "rope.scaling.attn_factor": 1.3 / (0.1 * math.log(4.0) + 1)}),
    "mistral": ({"model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": 24}, "llama",
                {"attention.sliding_window": 24}),
    "qwen2": ({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "rope_theta": 1e6,
               "use_sliding_window": False, "sliding_window": 24, "max_window_layers": 1}, "qwen2",
              {"rope.freq_base": 1e6}),
    "qwen2 with a window": ({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"],
                             "use_sliding_window": True, "sliding_window": 24, "max_window_layers": 1}, None, {}),
    "qwen3": ({"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "head_dim": 16,
               "tie_word_embeddings": True}, "qwen3", {"attention.key_length": 16, "attention.value_length": 16}),
    "opt": ({"model_type": "opt", "architectures": ["OPTForCausalLM"], "do_layer_norm_before": True,
             "tie_word_embeddings": True}, None, {}),
    "opt without biases": ({"model_type": "opt", "architectures": ["OPTForCausalLM"], "enable_bias": False,
                            "tie_word_embeddings": True}, None, {}),
}
NOT_OF_OPT = ("num_key_value_heads", "head_dim", "rms_norm_eps", "rope_theta", "hidden_act", "intermediate_size")
OPT_NAMES = {"self_attn.o_proj": "self_attn.out_proj", "mlp.up_proj": "fc1", "mlp.down_proj": "fc2",
             "input_layernorm": "self_attn_layer_norm", "post_attention_layernorm": "final_layer_norm"}


def config(name):
    c = tiny.config(**FAMILIES[name][0])
    if c["model_type"] != "opt":
        return c
    own = {"ffn_dim": tiny.HIDDEN, "word_embed_proj_dim": tiny.WIDTH}
    return {**{k: v for k, v in c.items() if k not in NOT_OF_OPT}, **own}


def weights(name):
    """{a checkpoint's name: (rows, columns, numbers)}."""
    c, draw = config(name), random.Random(name)
    opt, head = c["model_type"] == "opt", c.get("head_dim", tiny.WIDTH // tiny.HEADS)
    query, kv = tiny.HEADS * head, (tiny.HEADS if opt else tiny.KV) * head

    def matrix(rows, cols, scale=1.2):
        return rows, cols, array.array("f", (draw.gauss(0, scale / math.sqrt(cols)) for _ in range(rows * cols)))

    def vector(n, mean=1.0):
        return 1, n, array.array("f", (mean + 0.2 * draw.gauss(0, 1) for _ in range(n)))

    t, prefix = {}, "model.decoder." if opt else "model."
    t[prefix + "embed_tokens.weight"] = matrix(tiny.VOCABULARY, tiny.WIDTH, 5)
    if opt:
        t[prefix + "embed_positions.weight"] = matrix(c["max_position_embeddings"] + 2, tiny.WIDTH, 2)
    if not c["tie_word_embeddings"]:
        t["lm_head.weight"] = matrix(tiny.VOCABULARY, tiny.WIDTH)

    def norm(module, size=tiny.WIDTH, bias=opt):
        t[module + ".weight"] = vector(size)
        if bias:
            t[module + ".bias"] = vector(size, 0.0)

    norm(prefix + ("final_layer_norm" if opt else "norm"))
    biased = {"attention": c.get("attention_bias", False) or (opt and c.get("enable_bias", True)),
              "mlp": c.get("mlp_bias", False) or (opt and c.get("enable_bias", True))}
    for layer in range(tiny.BLOCKS):
        p = f"{prefix}layers.{layer}."

        def called(module):
            return p + (OPT_NAMES.get(module, module) if opt else module)

        norm(called("input_layernorm"))
        norm(called("post_attention_layernorm"))
        if c["model_type"] == "qwen3":
            norm(p + "self_attn.q_norm", head)
            norm(p + "self_attn.k_norm", head)
        for module, rows, cols, scale in (
                ("self_attn.q_proj", query, tiny.WIDTH, 2.4), ("self_attn.k_proj", kv, tiny.WIDTH, 2.4),
                ("self_attn.v_proj", kv, tiny.WIDTH, 1.2), ("self_attn.o_proj", tiny.WIDTH, query, 1.2),
                ("mlp.gate_proj", tiny.HIDDEN, tiny.WIDTH, 1.2), ("mlp.up_proj", tiny.HIDDEN, tiny.WIDTH, 1.2),
                ("mlp.down_proj", tiny.WIDTH, tiny.HIDDEN, 1.2)):
            if opt and module == "mlp.gate_proj":
                continue
            t[called(module) + ".weight"] = matrix(rows, cols, scale)
            qkv = module in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
            if biased[module.split(".")[0].replace("self_attn", "attention")] or (c["model_type"] == "qwen2" and qkv):
                t[called(module) + ".bias"] = vector(rows, 0.0)
    return t


def checkpoint(folder, name, extra=None):
    tiny.checkpoint(folder, weights(name), extra=extra)
    tiny.write_json(f"{folder}/config.json", config(name))
    return folder


def pairs(rows, cols, numbers, head):
    """Rows, or elements of a vector, with a head's halves put in pairs, as GGUF's architecture llama has them."""
    size, of_row = (rows, cols) if rows != 1 else (cols, 1)
    out = array.array("f")
    for r in range(size):
        at = r % head
        stored = r - at + at // 2 + at % 2 * (head // 2)
        out.extend(numbers[stored * of_row:(stored + 1) * of_row])
    return rows, cols, out


def gguf(path, name):
    """None where llama.cpp defines no architecture."""
    _, architecture, changes = FAMILIES[name]
    if architecture is None:
        return None
    head, tensors = config(name).get("head_dim", tiny.WIDTH // tiny.HEADS), {}
    names = {**tiny.GGUF_NAMES, "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
             "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    for full, (rows, cols, numbers) in weights(name).items():
        module, kind = full.rsplit(".", 1)
        if module.startswith("model.layers."):
            _, _, layer, module = module.split(".", 3)
            to = f"blk.{layer}.{names[module]}.{kind}"
        else:
            to = f"{names[module]}.{kind}"
        turned = module in ("self_attn.q_proj", "self_attn.k_proj") and architecture == "llama"
        tensors[to] = pairs(rows, cols, numbers, head) if turned else (rows, cols, numbers)
    values = {k.replace("llama.", architecture + ".", 1) if k.startswith("llama.") else k: v
              for k, v in tiny.metadata().items()}
    values["general.architecture"] = architecture
    values.update({f"{architecture}.{k}": v for k, v in changes.items()})
    return tiny.write_gguf(path, values, tensors)

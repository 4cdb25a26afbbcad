"""Small models of architectures that the example has not, with random weights: widths that K-quants divide."""
import array
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "llama"))
import tiny_files  # noqa: E402

WIDTH, HEADS, KV_HEADS, HIDDEN, BLOCKS, EXPERTS, USED = 256, 4, 2, 512, 2, 4, 2
KV = WIDTH // HEADS * KV_HEADS


class Tensors(dict):
    def __init__(self, seed):
        super().__init__()
        self.draw = random.Random(seed)

    def uniform(self, count, spread):
        step = spread / 32768
        return array.array("f", (v * step for v in array.array("h", self.draw.randbytes(2 * count))))

    def matrix(self, name, rows, columns, gain=1):
        self[name + ".weight"] = (rows, columns, self.uniform(rows * columns, gain * (3 / columns) ** 0.5))

    def experts(self, name, rows, columns):
        self[name + ".weight"] = (EXPERTS, rows, columns, self.uniform(EXPERTS * rows * columns, (3 / columns) ** 0.5))

    def norm(self, name, bias=False):
        self[name + ".weight"] = (1, WIDTH, array.array("f", (1 + v for v in self.uniform(WIDTH, 0.3))))
        if bias:
            self.bias(name, WIDTH)

    def bias(self, name, size):
        self[name + ".bias"] = (1, size, self.uniform(size, 0.3))


def attention(t, p, biases=False):
    for name, rows in (("attn_q", WIDTH), ("attn_k", KV), ("attn_v", KV)):
        t.matrix(p + name, rows, WIDTH)
        if biases:
            t.bias(p + name, rows)
    t.matrix(p + "attn_output", WIDTH, WIDTH)


def mlp(t, p, suffix=""):
    t.matrix(p + "ffn_gate" + suffix, HIDDEN, WIDTH)
    t.matrix(p + "ffn_up" + suffix, HIDDEN, WIDTH)
    t.matrix(p + "ffn_down" + suffix, WIDTH, HIDDEN)


def expert_mlp(t, p):
    t.matrix(p + "ffn_gate_inp", EXPERTS, WIDTH, 20)  # experts are chosen clearly
    t.experts(p + "ffn_gate_exps", WIDTH, WIDTH)
    t.experts(p + "ffn_up_exps", WIDTH, WIDTH)
    t.experts(p + "ffn_down_exps", WIDTH, WIDTH)


def qwen2(t, p):
    attention(t, p, biases=True)
    mlp(t, p)


def gemma(t, p):
    attention(t, p)
    mlp(t, p)


def phi2(t, p):
    t.bias(p + "attn_norm", WIDTH)
    t.matrix(p + "attn_qkv", WIDTH + 2 * KV, WIDTH)
    t.bias(p + "attn_qkv", WIDTH + 2 * KV)
    t.matrix(p + "attn_output", WIDTH, WIDTH)
    t.bias(p + "attn_output", WIDTH)
    t.matrix(p + "ffn_up", HIDDEN, WIDTH)
    t.bias(p + "ffn_up", HIDDEN)
    t.matrix(p + "ffn_down", WIDTH, HIDDEN)
    t.bias(p + "ffn_down", WIDTH)


def phi3(t, p):
    t.matrix(p + "attn_qkv", WIDTH + 2 * KV, WIDTH)
    t.matrix(p + "attn_output", WIDTH, WIDTH)
    t.matrix(p + "ffn_up", 2 * HIDDEN, WIDTH)
    t.matrix(p + "ffn_down", WIDTH, HIDDEN)


def mixtral(t, p):
    attention(t, p)
    expert_mlp(t, p)


def qwen2moe(t, p):
    attention(t, p, biases=True)
    expert_mlp(t, p)
    t[p + "ffn_gate_inp_shexp.weight"] = (1, WIDTH, t.uniform(WIDTH, 0.1))
    mlp(t, p, "_shexp")


MIXTURES = ("mixtral", "qwen2moe")
ARCHITECTURES = {f.__name__: f for f in (qwen2, gemma, phi2, phi3, mixtral, qwen2moe)}


def write(path, name):
    """A model of ARCHITECTURES[name], in F32, with the tokens of tiny_files."""
    architecture = "llama" if name == "mixtral" else name
    t = Tensors(len(name))
    t.matrix("token_embd", tiny_files.VOCABULARY, WIDTH, 4)
    t.norm("output_norm", bias=name == "phi2")
    if name != "gemma":  # whose head is the embeddings
        t.matrix("output", tiny_files.VOCABULARY, WIDTH, 4)
    if name == "phi2":
        t.bias("output", tiny_files.VOCABULARY)
    for block in range(BLOCKS):
        p = f"blk.{block}."
        t.norm(p + "attn_norm")
        if name != "phi2":
            t.norm(p + "ffn_norm")
        ARCHITECTURES[name](t, p)
    keys = {"block_count": BLOCKS, "embedding_length": WIDTH, "feed_forward_length": HIDDEN,
            "attention.head_count": HEADS, "attention.head_count_kv": KV_HEADS, "context_length": 512,
            "attention.layer_norm_rms_epsilon": 1e-5, "attention.layer_norm_epsilon": 1e-5, "rope.freq_base": 10000.0,
            "rope.dimension_count": WIDTH // HEADS}
    if name in MIXTURES:
        keys |= {"expert_count": EXPERTS, "expert_used_count": USED, "expert_feed_forward_length": WIDTH,
                 "expert_shared_feed_forward_length": HIDDEN}
        if name == "mixtral":
            keys["feed_forward_length"] = WIDTH
    values = {k: v for k, v in tiny_files.metadata().items() if not k.startswith("llama.")}
    values["general.architecture"] = architecture
    tiny_files.write_gguf(path, values | {f"{architecture}.{k}": v for k, v in keys.items()}, t)

#!/usr/bin/env python3
"""Our ids against those of the package tokenizers, for tokenizer.json of every kind that is read.

usage: tokenizer_oracle.py TOKENIZER_IDS [--write FILE]

With --write, FILE (test/llama/tokenizer_ids.json) gets the tokenizers, some texts and the package's ids, which the
unit tests compare with where the package is not installed. Skipped by name without the package (script/get-oracles).
"""
import collections
import copy
import json
import os
import random
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tiny_files as tiny  # noqa: E402

try:
    from tokenizers import Tokenizer
except ImportError:
    print("skipped: the package tokenizers is not installed; script/get-oracles")
    sys.exit(0)

WORD_START = "\u2581"
LETTERS = ("the history of the cat and the other things that are there; 1234 and 567, isn't it? "
           "don't, we'll, they're. foo_bar(baz) == 'x'  and   more    spaces. caf\u00e9s na\u00efve \u4e2d\u6587 ")
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
NFC = {"type": "NFC"}
O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])

TEXTS = [
    "", " ", "  ", "a", " a", "a b", "the cat", " the  cat", "The CAT's", "don't DON'T we'll WE'LL", "123456 7 89",
    "a\n\nb", "a\r\nb\r\n\r\n c", "\t\ttab", "trailing   ", "   leading", "foo_bar(baz) == 'x'", "\u4e2d\u6587 text",
    "\u4e2d\u6587\u4e2d\u6587", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467 family", "caf\u00e9 cafe\u0301",
    "\u00a0nbsp\u00a0", "\u3000wide\u3000", "\u0085next", "\u200bzero", "\u180emongol\u180e", "\x00\x01\x7f", "\u2028line",
    "\u017fs'\u017f", "x" * 300, " " * 300 + "x", "\n" * 70, "1" * 50, "ab" * 100, "<|end|>", "a<|end|>b", "a <|end|> b",
    "a  <|end|>  b", "<|end|><|end|>", "<|en", "x<|begin|> <|more|> y", "<|more|>", " <|more|>", "a<|more|>b", "a <|more|>b",
    "word", "a word b", "aword", "wordb", "word_", "\u00e9word", "word\u0301", "word word", "xyzw", "xyz", "yzw", "xxyzwyzw",
    WORD_START, WORD_START + "a", "a" + WORD_START, WORD_START * 2 + " a", "the\u2581cat", "<unk>", "a<unk>b", "<0x41>",
    "A\u030angstro\u0308m", "\u1100\u1161\u11a8", "\u2126\u212b", "e\u0301\u0323 <|end|>\u0301",
    "\u00bd\u00b2\u2460\u216b", "\u0e20\u0e32\u0e29\u0e32", "\u0939\u093f\u0928\u094d\u0926\u0940", "\ufffd\ufeff"]


def random_texts(count):
    draw = random.Random(17)
    parts = [*TEXTS[1:], *LETTERS, *LETTERS.split(), " ", "\n", "\r\n", "'s", "'LL", "\u4e2d", "\U0001f600", "\u0301", "9"]
    return ["".join(draw.choice(parts) for _ in range(draw.randint(1, 12))) for _ in range(count)]


def trained(words, vocabulary, count):
    """Merges of the commonest pairs, as BPE is trained."""
    merges = []
    words = [list(w) for w in words]
    for _ in range(count):
        pairs = collections.Counter(p for w in words for p in zip(w, w[1:]))
        pairs = {p: n for p, n in pairs.items() if p[0] in vocabulary and p[1] in vocabulary}
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(list(best))
        vocabulary.setdefault(best[0] + best[1], len(vocabulary))
        for w in words:
            i = 0
            while i + 1 < len(w):
                if (w[i], w[i + 1]) == best:
                    w[i:i + 2] = ["".join(best)]
                i += 1
    return merges


def byte_base():
    t = tiny.tokenizer()
    t["added_tokens"] = []
    table = tiny.byte_characters()
    words = ["".join(table[b] for b in (" " + w).encode()) for w in LETTERS.split()] * 2
    t["model"]["merges"] = trained(words, t["model"]["vocab"], 60)
    n = len(t["model"]["vocab"])
    t["added_tokens"] = [tiny.added(n + i, s) for i, s in enumerate(tiny.SPECIALS)]
    return t


def character_base():
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"<0x{i:02X}>": 3 + i for i in range(256)}}
    for c in WORD_START + "abcdefghijklmnopqrstuvwxyzT'.,0123456789\u00e9\u4e2d":
        vocab.setdefault(c, len(vocab))
    merges = trained([WORD_START + w for w in LETTERS.split()] + [WORD_START * 4], vocab, 60)
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [tiny.added(i, s) for i, s in enumerate(("<unk>", "<s>", "</s>"))],
            "normalizer": {"type": "Sequence", "normalizers": [
                {"type": "Prepend", "prepend": WORD_START},
                {"type": "Replace", "pattern": {"String": " "}, "content": WORD_START}]},
            "pre_tokenizer": None, "post_processor": None, "decoder": None,
            "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                      "vocab": vocab, "merges": merges}}


def split(regex, **changes):
    step = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False, **changes}
    return {"type": "Sequence", "pretokenizers": [step, {"type": "ByteLevel", "add_prefix_space": False,
                                                         "trim_offsets": True, "use_regex": False}]}


def level(**changes):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True, **changes}


def metaspace(scheme, cut):
    return {"type": "Metaspace", "replacement": WORD_START, "prepend_scheme": scheme, "split": cut}


def variants():
    """name: (base, what of it is another)."""
    n = len(byte_base()["model"]["vocab"])

    def with_more(**flags):
        tokens = [tiny.added(n + i, s) for i, s in enumerate(tiny.SPECIALS[:3])]
        return {"added_tokens": [*tokens, tiny.added(n + 3, flags.pop("text", "<|more|>"), **flags)]}

    def of_characters(*more, **flags):
        k = len(character_base()["model"]["vocab"])
        return {"added_tokens": [*(tiny.added(i, s, **flags) for i, s in enumerate(("<unk>", "<s>", "</s>"))),
                                 *(tiny.added(k + i, s, **flags) for i, s in enumerate(more))]}

    no_normalizer = {"normalizer": {"type": "Sequence", "normalizers": []}}
    yield "gpt-2", "bytes", {}
    yield "space before", "bytes", {"pre_tokenizer": level(add_prefix_space=True)}
    yield "no words", "bytes", {"pre_tokenizer": level(use_regex=False)}
    yield "digits", "bytes", {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": True}, level()]}}
    yield "digits together", "bytes", {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": False}, level()]}}
    yield "llama 3", "bytes", {"pre_tokenizer": split(LLAMA3)}
    yield "llama 3, whole words", "bytes", {"pre_tokenizer": split(LLAMA3), "model": {"ignore_merges": True}}
    yield "qwen 2", "bytes", {"normalizer": NFC, "pre_tokenizer": split(QWEN2)}
    yield "composed tokens", "bytes", {"normalizer": NFC, **with_more(text="cafe\u0301", normalized=True)}
    yield "gpt-4o", "bytes", {"pre_tokenizer": split(O200K)}
    yield "matches alone", "bytes", {"pre_tokenizer": split(LLAMA3, behavior="Removed", invert=True)}
    yield "letters and spaces", "bytes", {"pre_tokenizer": split(r"\w+|\s+")}
    yield "a literal", "bytes", {"pre_tokenizer": split("", pattern={"String": "a."})}
    yield "without spaces", "bytes", {"pre_tokenizer": split(r" ", behavior="Removed")}
    for flag in ("lstrip", "rstrip", "single_word", "normalized"):
        yield flag, "bytes", with_more(**{flag: True})
    yield "both strips", "bytes", with_more(lstrip=True, rstrip=True)
    yield "one word", "bytes", with_more(text="word", single_word=True, special=False)
    yield "overlapping", "bytes", {"added_tokens": [tiny.added(n, "xy"), tiny.added(n + 1, "yzw"), tiny.added(n + 2, "xyz")]}
    yield "fallback beside bytes", "bytes", {"model": {"byte_fallback": True}}
    yield "llama 2", "characters", {}
    yield "normalized tokens", "characters", of_characters(normalized=True)
    yield "more tokens", "characters", of_characters("<|end|>", "<|more|>")
    yield "stripping tokens", "characters", of_characters("<|end|>", "<|more|>", lstrip=True, rstrip=True)
    yield "no fallback", "characters", {"model": {"byte_fallback": False}}
    yield "unknowns apart", "characters", {"model": {"byte_fallback": False, "fuse_unk": False}}
    yield "whole words", "characters", {"model": {"ignore_merges": True}}
    yield "composed characters", "characters", {"normalizer": {"type": "Sequence", "normalizers": [
        NFC, *character_base()["normalizer"]["normalizers"]]}}
    yield "composed alone", "characters", {"normalizer": NFC, "pre_tokenizer": metaspace("first", True)}
    yield "spaces alone replaced", "characters", {"normalizer": {
        "type": "Replace", "pattern": {"String": " "}, "content": WORD_START}}
    for scheme in ("first", "always", "never"):
        for cut in (False, True):
            yield f"metaspace {scheme} {cut}", "characters", {**no_normalizer, "pre_tokenizer": metaspace(scheme, cut),
                                                            **of_characters("<|end|>", "<|more|>")}


def changed(base, changes):
    t = copy.deepcopy(base)
    for key, value in changes.items():
        if key == "model":
            t["model"].update(value)
        else:
            t[key] = value
    return t


def main():
    bases = {"bytes": byte_base(), "characters": character_base()}
    texts = TEXTS + random_texts(300)
    failures, golden = 0, []
    for name, base, changes in variants():
        tokenizer = changed(bases[base], changes)
        package = Tokenizer.from_str(json.dumps(tokenizer))
        right = [package.encode(t, add_special_tokens=False).ids for t in texts]
        out = subprocess.run([sys.argv[1]], input=json.dumps({"tokenizer": tokenizer, "texts": texts}).encode(),
                             capture_output=True, check=True).stdout
        ours = json.loads(out)
        wrong = [i for i in range(len(texts)) if isinstance(ours, str) or ours[i] != right[i]]
        if wrong:
            failures += 1
            i = wrong[0]
            print(f"FAILED: {name}: {len(wrong)} of {len(texts)} texts, {texts[i]!r}:\n  ours    "
                  f"{ours if isinstance(ours, str) else ours[i]}\n  package {right[i]}")
        golden.append({"name": name, "base": base, "changes": changes, "ids": [ids for t, ids in zip(TEXTS, right) if len(t) <= 40]})
    if "--write" in sys.argv:
        with open(sys.argv[sys.argv.index("--write") + 1], "w") as f:
            f.write('{"bases": ' + json.dumps(bases) + ',\n"texts": ' + json.dumps([t for t in TEXTS if len(t) <= 40]) + ',\n"tokenizers": [\n')
            f.write(",\n".join(json.dumps(g, separators=(",", ":")) for g in golden) + "]}\n")
    if failures:
        sys.exit(f"{failures} tokenizers differ")
    print(f"{len(golden)} tokenizers give the package's ids for {len(texts)} texts")


main()

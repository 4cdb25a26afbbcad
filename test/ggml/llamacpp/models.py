#!/usr/bin/env python3
"""The models that the other tests run, made once of SmolLM2-135M: whole in bfloat16, and its first blocks in several types."""
import struct

from programs import FOLDER, MODEL, check, finish, run

BLOCKS = 6


def skip_value(data, at, kind):
    """Behind a value of a GGUF's metadata."""
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    if kind == 8:
        return at + 8 + struct.unpack_from("<Q", data, at)[0]
    if kind == 9:
        item, count = struct.unpack_from("<IQ", data, at)
        at += 12
        if item in sizes:
            return at + sizes[item] * count
        for _ in range(count):
            at = skip_value(data, at, item)
        return at
    return at + sizes[kind]


def shorten(source, target, blocks):
    """The model's first blocks, as a model."""
    data = source.read_bytes()
    count, keys = struct.unpack_from("<QQ", data, 8)
    at, head = 24, b""
    for _ in range(keys):
        start = at
        at += 8 + struct.unpack_from("<Q", data, at)[0]
        name = data[start + 8:at]
        kind = struct.unpack_from("<I", data, at)[0]
        end = skip_value(data, at + 4, kind)
        head += data[start:at + 4] + struct.pack("<I", blocks) if name == b"llama.block_count" else data[start:end]
        at = end
    tensors = []
    for _ in range(count):
        start = at
        at += 8 + struct.unpack_from("<Q", data, at)[0]
        name = data[start + 8:at].decode()
        at += 4 + 8 * struct.unpack_from("<I", data, at)[0] + 4
        tensors.append((name, data[start:at], struct.unpack_from("<Q", data, at)[0]))
        at += 8
    begin = at + -at % 32
    ends = sorted(t[2] for t in tensors) + [len(data) - begin]
    kept = [t for t in tensors if not t[0].startswith("blk.") or int(t[0].split(".")[1]) < blocks]
    infos, body = b"", []
    place = 0
    for _, info, offset in kept:
        piece = data[begin + offset:begin + ends[ends.index(offset) + 1]]
        piece += b"\0" * (-len(piece) % 32)
        infos += info + struct.pack("<Q", place)
        body.append(piece)
        place += len(piece)
    head = data[:8] + struct.pack("<QQ", len(kept), keys) + head + infos
    target.write_bytes(head + b"\0" * (-len(head) % 32) + b"".join(body))


def make(path, write):
    """Whole or not at all."""
    if path.exists():
        return
    partial = path.with_suffix(".partial")
    write(partial)
    partial.rename(path)


def quantise(source, target, kind):
    make(target, lambda path: run("llama-quantize", ["--allow-requantize", "--pure", source, path, kind]))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    short = FOLDER / "short-q4_1.gguf"
    make(short, lambda path: shorten(MODEL, path, BLOCKS))
    quantise(MODEL, FOLDER / "bf16.gguf", "BF16")
    for kind in ("f32", "bf16", "f16", "q8_0", "q4_0"):
        quantise(short, FOLDER / f"short-{kind}.gguf", kind.upper())
    # The numbers that stored weights stand for; short-f32 has those of Q4_1.
    for kind in ("bf16", "f16", "q8_0", "q4_0"):
        quantise(FOLDER / f"short-{kind}.gguf", FOLDER / f"short-{kind}-as-f32.gguf", "F32")
    check(short.stat().st_size > 2**24, "the models are there")
    finish()


main()

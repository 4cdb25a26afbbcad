#!/usr/bin/env python3
"""Random small models of other architectures: logits with the plugin against llama.cpp's, nothing skipped."""
import pathlib
import tempfile

import random_models
from programs import FORMS, check, distance, evaluate, finish, floats, plugin, run

READ, WRITE = 40, 6


def logits(model, folder, **variables):
    path = folder / "logits"
    said = evaluate(model, READ, WRITE, batch=READ, threads=1, logits=path, **variables)[1]
    return floats(path), said


def same_length(a, b):
    """What was written may differ once two tokens are nearly as likely; the text that was read does not."""
    size = len(b) // (READ + WRITE) * READ
    return a[:size], b[:size]


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for architecture in random_models.ARCHITECTURES:
            model = folder / f"{architecture}.gguf"
            random_models.write(model, architecture)
            plain = logits(model, folder)[0]
            for form in FORMS:
                ours, said = logits(model, folder, **plugin(form))
                check("sparsellm: packed" in said, f"{architecture}, {form}: the plugin says what it packed")
                check(distance(ours, plain) < 1e-3, f"{architecture}, f32, {form}: {distance(ours, plain):.1e} from llama.cpp's")
            for kind in ("Q4_K_M", "Q5_K_M", "Q8_0", "Q3_K_M"):
                quantised, numbers = folder / f"{architecture}-{kind}.gguf", folder / "numbers.gguf"
                run("llama-quantize", [model, quantised, kind])
                run("llama-quantize", ["--allow-requantize", quantised, numbers, "F32"])
                exact = logits(numbers, folder)[0]
                theirs = distance(*same_length(logits(quantised, folder)[0], exact))
                found, said = logits(quantised, folder, **plugin())
                ours = distance(*same_length(found, exact))
                check("sparsellm: " in said and ours <= 1.2 * theirs,
                      f"{architecture}, {kind}: {ours:.1e} from the logits of its numbers, llama.cpp's {theirs:.1e}")
                quantised.unlink()
    finish()


main()

#!/usr/bin/env python3
"""What is written in bfloat16: by each form, on any number of threads, by several contexts, after loading again."""
from programs import (FIND_PLUGINS, FOLDER, FORMS, check, evaluate, finish, plugin, run, same_until_near_tie, written)

READ, WRITE = 24, 60


def completion(model, **variables):
    return run("llama-completion", ["-m", model, "-t", 2, "-p", "Once upon a time there was", "-n", 32, "--temp", 0,
                                    "-no-cnv", "--no-display-prompt", *FIND_PLUGINS], **variables)[0]


def main():
    whole, short = FOLDER / "bf16.gguf", FOLDER / "short-bf16.gguf"
    expected = written(evaluate(whole, READ, WRITE)[0], WRITE)
    for form in FORMS:
        got = written(evaluate(whole, READ, WRITE, **plugin(form))[0], WRITE)
        same_until_near_tie(form, got, expected, at_least=20)
    plain = completion(whole)
    check(len(plain) > 60, "llama-completion writes on")
    check(completion(whole, **plugin()) == plain, "llama-completion writes the same with the plugin")

    # Few tokens: on more threads than cores ggml's barriers wait for the scheduler.
    few = 8
    once = evaluate(short, few, few, threads=1, **plugin())[0][0]
    for form in FORMS:
        for threads in (2, 3, 4) if form == "injected" else (3,):
            got = evaluate(short, few, few, threads=threads, **plugin(form))[0][0]
            check(got == once, f"{form}, {threads} threads: the same tokens and logits to the bit")
        for reading in evaluate(short, few, few, threads=1, contexts=2, loads=2, **plugin(form))[0]:
            check(reading == once, f"{form}: one of two contexts at once, of a model loaded twice")
    finish()


main()

#!/usr/bin/env python3
"""llama-server with four slots: four requests at once are answered as each is alone."""
import concurrent.futures
import json
import subprocess
import urllib.request

from programs import FIND_PLUGINS, MODEL, PROGRAMS, check, environment, finish, plugin
from sockets import free_port, wait_for

PROMPTS = ("The history of the steam engine", "In the year of our Lord", "The capital of France is", "A cat and a dog")
WRITE = 16
# Logits nearer than this may change places: a batch adds in another order than a token alone.
NEAR_TIE = 0.05


def ask(port, prompt):
    """[(token, what the likeliest token was ahead of the next by, in nats)]"""
    body = json.dumps({"prompt": prompt, "n_predict": WRITE, "temperature": 0, "n_probs": 2, "cache_prompt": False,
                       "ignore_eos": True})
    request = urllib.request.Request(f"http://127.0.0.1:{port}/completion", body.encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        steps = json.load(answer)["completion_probabilities"]
    return [(s["id"], s["top_logprobs"][0]["logprob"] - s["top_logprobs"][1]["logprob"]) for s in steps]


def main():
    port = free_port()
    server = subprocess.Popen([PROGRAMS / "llama-server", "-m", MODEL, "--port", str(port), "-np",
                               "4", "-c", "1024", "-t", "2", *FIND_PLUGINS],
                              env=environment(plugin(SPARSELLM_SPARSITY=0.4, SPARSELLM_WARM_UP=8)),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for(server, port)
        for p in PROMPTS:  # the thresholds are there after the first tokens
            ask(port, p)
        alone = [ask(port, p) for p in PROMPTS]
        with concurrent.futures.ThreadPoolExecutor(len(PROMPTS)) as pool:
            together = list(pool.map(lambda p: ask(port, p), PROMPTS))
    finally:
        server.terminate()
        said = server.communicate()[1].decode("utf8", "replace")
    check("sparsellm: packed" in said, "the server runs on the plugin")
    compared = 0
    for prompt, a, t in zip(PROMPTS, alone, together):
        end = next((i for i, (_, ahead) in enumerate(a) if ahead < NEAR_TIE), len(a))
        compared += end
        check([i for i, _ in a[:end]] == [i for i, _ in t[:end]], f"'{prompt}': the same {end} tokens beside three others")
    check(compared >= 2 * WRITE, f"{compared} tokens compared, at least {2 * WRITE} expected")
    finish()


main()

#!/usr/bin/env python3
"""A model split over two RPC servers with the plugin: perplexity and text as in one process."""
import subprocess
import tempfile

from programs import FOLDER, PROGRAMS, check, close, environment, finish, llama_perplexity, plugin, run
from sockets import free_port, wait_for

SKIPS = {"SPARSELLM_SPARSITY": 0.4, "SPARSELLM_WARM_UP": 32, "SPARSELLM_SPARSE_BATCH": 100000}


class Server:
    """A node of llama.cpp's RPC."""

    def __init__(self):
        port = free_port()
        self.at = f"127.0.0.1:{port}"
        self.said = tempfile.TemporaryFile()
        self.process = subprocess.Popen([PROGRAMS / "ggml-rpc-server", "-H", "127.0.0.1", "-p", str(port), "-t", "1"],
                                        env=environment(plugin("device", **SKIPS)), stdout=self.said,
                                        stderr=subprocess.STDOUT)
        wait_for(self.process, port, healthy=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def log(self):
        self.said.seek(0)
        return self.said.read().decode("utf8", "replace")


def completion(model, *options, **variables):
    return run("llama-completion", ["-m", model, "-t", 1, "-c", 256, "-p", "The history of the steam engine begins", "-n",
                                    16, "--temp", 0, "-no-cnv", "--no-display-prompt", *options], **variables)[0]


def main():
    model = FOLDER / "short-q4_1.gguf"
    one = plugin("device", **SKIPS)
    # Each process finds its thresholds in its first batch, so both have read the same.
    expected = llama_perplexity(model, threads=1, **one)
    text = completion(model, "-ot", "zzz=CPU", **one)
    with Server() as a, Server() as b:
        split = ("--rpc", f"{a.at},{b.at}", "-ngl", 99, "-ts", "1,1")
        got = llama_perplexity(model, *split, threads=1)
        check(close(got, expected, 1e-6), f"split over two servers: perplexity {got}, in one process {expected}")
        check(all("sparsellm: packed" in s.log() for s in (a, b)), "both servers packed weights")
        check(len(text) > 20, "a text")
        check(completion(model, *split) == text, "split over two servers: the same text")
    finish()


main()

"""What the peers' programs share: options from the command line, random GPT-2s, timing, the line that bench.ts reads."""

import json
import os
import platform
import resource
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch

SHAPE = dict(device="cpu", precision="float32", layers=24, width=2048, heads=16, vocabulary=100000, positions=2048, batch=4, runs=10,
             warmup=3, pairs="pairs.json")


def options(**defaults):
    return {**SHAPE, **defaults, **(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})}


def on_gpu(config):
    return config["device"].startswith("cuda")


def triples(config):
    with open(config["pairs"], encoding="utf-8") as file:
        return [[[i % (config["vocabulary"] - 2) for i in ids] for ids in triple] for triple in json.load(file)]


def random_gpt2(config):
    from transformers import GPT2Config, GPT2LMHeadModel

    end = config["vocabulary"] - 1
    with torch.device(config["device"]):
        model = GPT2LMHeadModel(GPT2Config(vocab_size=config["vocabulary"], n_positions=config["positions"], n_embd=config["width"],
                                           n_layer=config["layers"], n_head=config["heads"], eos_token_id=end, bos_token_id=end,
                                           attn_implementation="sdpa"))
    model.config.pad_token_id = end - 1
    return model


def timed(config, run):
    """Milliseconds of each run after the warmup; the device's queue is empty at both ends."""
    times = []
    for place in range(config["warmup"] + config["runs"]):
        if on_gpu(config):
            if place == config["warmup"]:
                torch.cuda.reset_peak_memory_stats()
            torch.cuda.synchronize()
        began = time.perf_counter()
        run()
        if on_gpu(config):
            torch.cuda.synchronize()
        if place >= config["warmup"]:
            times.append((time.perf_counter() - began) * 1e3)
    return times


def report(config, times, *packages, **figures):
    from importlib.metadata import version

    # Linux counts kilobytes
    peak = torch.cuda.max_memory_allocated() if on_gpu(config) else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    versions = dict(python=platform.python_version(), torch=torch.__version__, **{name: version(name) for name in packages})
    print(json.dumps(dict(times_ms=times, peak_bytes=peak, versions=versions, **figures)), flush=True)

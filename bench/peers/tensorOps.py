"""The pieces of a step that bench/ours/tensorOps.ts times, in plain PyTorch; prints one line of JSON.

    python3 bench/peers/tensorOps.py '{"op": "attention", "pairs": "pairs.json"}'
"""

from common import options, report, timed, triples
import torch
from torch.nn import functional as F

config = options(op="attention", rows=256)
device = config["device"]
dtype = torch.bfloat16 if config["precision"] == "bf16" else torch.float32
torch.manual_seed(0)


def parameter(*shape):
    return (torch.rand(*shape, device=device) - 0.5).to(dtype).requires_grad_()


def log_probs():
    hidden, head = parameter(config["rows"], config["width"]), parameter(config["vocabulary"], config["width"])
    targets = torch.randint(0, config["vocabulary"], (config["rows"],), device=device)

    def run():
        hidden.grad = head.grad = None
        # cross_entropy in float32, as trainers compute it
        F.cross_entropy(F.linear(hidden, head).float(), targets).neg().backward()

    return run


def attention():
    """Padded sequences, as attention without cumulative lengths has them: prompt with chosen, prompt with rejected."""
    pairs = triples(config)[: config["batch"]]
    # a completion's end-of-sequence token takes no row
    lengths = [len(prompt) + len(side) for prompt, chosen, rejected in pairs for side in (chosen, rejected)]
    shape = (len(lengths), config["heads"], max(lengths), config["width"] // config["heads"])
    q, k, v = parameter(*shape), parameter(*shape), parameter(*shape)

    def run():
        q.grad = k.grad = v.grad = None
        F.scaled_dot_product_attention(q, k, v, is_causal=True).mean().backward()

    return run


def optimizer():
    width, layers = config["width"], config["layers"]
    block = [(width,)] * 2 + [(width, 3 * width), (3 * width,), (width, width), (width,)] + [(width,)] * 2
    block += [(width, 4 * width), (4 * width,), (4 * width, width), (width,)]
    shapes = [(config["vocabulary"], width), (config["positions"], width)] + block * layers + [(width,)] * 2
    # masters are float32 here as there
    weights = [(torch.rand(*shape, device=device) - 0.5).requires_grad_() for shape in shapes]
    for weight in weights:
        weight.grad = torch.full_like(weight, 1e-3)
    update = torch.optim.RMSprop(weights, lr=1e-6, foreach=True)

    def run():
        torch.nn.utils.clip_grad_norm_(weights, 10)
        update.step()

    return run


report(config, timed(config, dict(logProbs=log_probs, attention=attention, optimizer=optimizer)[config["op"]]()))

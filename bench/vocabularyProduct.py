"""Times x · Wᵀ and its two gradients for a vocabulary-sized W, through MKL (aten) and oneDNN, in GFLOP/s:

    python3 bench/vocabularyProduct.py
"""
import time

import torch

ROWS, WIDTH, VOCABULARY = 128, 640, 262144
x, w = torch.rand(ROWS, WIDTH), torch.rand(VOCABULARY, WIDTH)
d_logits, d_w = torch.rand(ROWS, VOCABULARY), torch.zeros(VOCABULARY, WIDTH)


def report(name, f, runs=3):
    f()
    began = time.perf_counter()
    for _ in range(runs):
        f()
    seconds = (time.perf_counter() - began) / runs
    print(f"{name:32} {2 * ROWS * WIDTH * VOCABULARY / seconds / 1e9:6.1f}")


report("aten::linear", lambda: torch.nn.functional.linear(x, w))
report("mkldnn::_linear_pointwise", lambda: torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], ""))
report("gradient of x: aten::matmul", lambda: d_logits @ w)
report("gradient of W: aten::addmm_", lambda: d_w.addmm_(d_logits.t(), x))

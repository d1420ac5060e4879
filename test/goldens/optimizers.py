"""Weights and state of torch.optim's optimizers after each of ten steps on random gradients, clipped by clip_grad_norm_.

    pip install torch==2.13.0
    python3 test/goldens/optimizers.py

Writes test/goldens/training/optimizers.json: {shapes, weights, gradients: [10 steps], learningRate, maxNorm, cases: [{options (as the trainer calls them),
steps: [the weights, flat], state: {kind: tensors, flat}}]}. Tensors of one dimension do not decay, as in transformers' Trainer.
"""
import json, pathlib
import torch

torch.manual_seed(5)
SHAPES, STEPS, RATE, MAX_NORM = [[3, 2], [3], [2, 2]], 10, 0.01, 2.0
start = [torch.randn(shape) for shape in SHAPES]
gradients = [[torch.randn(shape) for shape in SHAPES] for _ in range(STEPS)]
KINDS = dict(square_avg="squares", momentum_buffer="momenta", exp_avg="firsts", exp_avg_sq="seconds")


def rounded(tensors):
    return [[float(f"{value:.7g}") for value in tensor.flatten().tolist()] for tensor in tensors]


def run(optimizer, momentum=0.0, weightDecay=0.0, adamBeta1=0.9, adamBeta2=0.999, adamEpsilon=1e-8):
    weights = [torch.nn.Parameter(tensor.clone()) for tensor in start]
    groups = [dict(params=[w for w in weights if w.dim() > 1], weight_decay=weightDecay), dict(params=[w for w in weights if w.dim() <= 1], weight_decay=0.0)]
    adam = dict(betas=(adamBeta1, adamBeta2), eps=adamEpsilon)
    made = dict(rmsprop=lambda: torch.optim.RMSprop(groups, lr=RATE, momentum=momentum), sgd=lambda: torch.optim.SGD(groups, lr=RATE, momentum=momentum),
                adam=lambda: torch.optim.Adam(groups, lr=RATE, **adam), adamw=lambda: torch.optim.AdamW(groups, lr=RATE, **adam))[optimizer]()
    steps = []
    for step in gradients:
        for weight, gradient in zip(weights, step):
            weight.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_(weights, MAX_NORM)
        made.step()
        steps.append([value for tensor in rounded(weights) for value in tensor])
    kept = {ours: rounded([made.state[w][theirs] for w in weights]) for theirs, ours in KINDS.items() if torch.is_tensor(made.state[weights[0]].get(theirs))}
    options = dict(optimizer=optimizer, momentum=momentum, weightDecay=weightDecay, adamBeta1=adamBeta1, adamBeta2=adamBeta2, adamEpsilon=adamEpsilon)
    return dict(options=options, steps=steps, state=kept)


cases = [run("rmsprop"), run("rmsprop", weightDecay=0.1), run("rmsprop", momentum=0.9), run("rmsprop", momentum=0.9, weightDecay=0.1),
         run("sgd"), run("sgd", momentum=0.9, weightDecay=0.1), run("adam", weightDecay=0.1), run("adamw", weightDecay=0.1),
         run("adamw", adamBeta1=0.8, adamBeta2=0.95, adamEpsilon=1e-3)]
golden = dict(shapes=SHAPES, weights=rounded(start), gradients=[rounded(step) for step in gradients], learningRate=RATE, maxNorm=MAX_NORM, cases=cases)
(pathlib.Path(__file__).parent / "training" / "optimizers.json").write_text(json.dumps(golden) + "\n")

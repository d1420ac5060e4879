"""Which evaluation transformers' Trainer takes for the best and where its EarlyStoppingCallback stops it, for given values of the metric.

    python test/goldens/bestModel.py     (writes bestModel.json beside itself; transformers 5.23, torch 2.14.1)
"""

import json
import math
import tempfile
from pathlib import Path

import torch
from transformers import EarlyStoppingCallback, Trainer, TrainingArguments

nan, inf = math.nan, math.inf
CASES = [
    dict(name="falls, then rises", values=[0.7, 0.6, 0.5, 0.55, 0.52, 0.6, 0.4], patience=3),
    dict(name="a tie is no improvement and the first of two equals stays the best", values=[0.6, 0.5, 0.5, 0.5, 0.4], patience=2),
    dict(name="patience of one", values=[0.5, 0.4, 0.45, 0.3], patience=1),
    dict(name="no patience: all evaluations", values=[0.5, 0.6, 0.7, 0.4, 0.8]),
    dict(name="improvements below the threshold move the best and count against patience", values=[0.5, 0.495, 0.49, 0.485, 0.4], patience=3, threshold=0.01),
    dict(name="an improvement of the threshold alone is not enough", values=[0.5, 0.25, 0.0, -0.3, -0.55], patience=2, threshold=0.25),
    dict(name="a run of small improvements and a large one in time", values=[1.0, 0.9, 0.85, 0.6, 0.59, 0.58], patience=3, threshold=0.2),
    dict(name="not a number in between", values=[0.5, nan, 0.4, nan, nan, 0.3], patience=2),
    dict(name="not a number first", values=[nan, 0.6, 0.5, 0.7], patience=2),
    dict(name="never a number", values=[nan, nan, nan, nan], patience=3),
    dict(name="never a number, no patience", values=[nan, nan, nan]),
    dict(name="infinite losses", values=[inf, inf, 3.0, inf, inf], patience=2),
    dict(name="higher is better", values=[0.4, 0.6, 0.6, 0.5, 0.7], greater=True, patience=3),
    dict(name="higher is better, threshold", values=[0.4, 0.45, 0.5, 0.7, 0.71, 0.9], greater=True, patience=3, threshold=0.1),
    dict(name="lower is better below zero", values=[-1.0, -2.0, -1.5, -1.9], patience=2),
    dict(name="the last evaluation is the best", values=[0.5, 0.4, 0.3], patience=2),
    dict(name="stops at the last evaluation", values=[0.5, 0.6, 0.7], patience=2),
]
NAMES = ["eval_loss", "loss", "eval_rewards/accuracies", "eval_rewards/margins", "eval_rewards/chosen", "eval_rewards/rejected", "eval_logps/chosen", "eval_logps/rejected"]


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, labels=None):
        return {"loss": (self.weight * x).mean() ** 2, "logits": self.weight * x}


def run(values, greater=False, patience=None, threshold=0.0, **_):
    data = [{"x": torch.ones(1), "labels": torch.ones(1)}]
    left = iter(values)
    stopping = EarlyStoppingCallback(patience or 10**6, threshold)
    stale = []

    class Watch(EarlyStoppingCallback):
        def on_evaluate(self, args, state, control, metrics, **kwargs):
            stale.append(stopping.early_stopping_patience_counter)

    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            folder, max_steps=len(values), per_device_train_batch_size=1, report_to=[], use_cpu=True, disable_tqdm=True,
            eval_strategy="steps", eval_steps=1, save_strategy="best", load_best_model_at_end=True,
            metric_for_best_model="eval_score", greater_is_better=greater, logging_strategy="no",
        )
        trainer = Trainer(
            Model(), args, train_dataset=data, eval_dataset=data, compute_metrics=lambda _: {"score": next(left)},
            callbacks=[stopping, Watch()],
        )
        trainer.train()
        state = trainer.state
    best = state.best_metric if state.best_global_step else None
    return dict(stopped=state.global_step, stale=stale, best_step=state.best_global_step or None, best_metric=best)


def inferred(name):
    with tempfile.TemporaryDirectory() as folder:
        return TrainingArguments(folder, metric_for_best_model=name, report_to=[], use_cpu=True).greater_is_better


def plain(value):
    """JSON knows no nan and no infinity: they go as text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


cases = [{**case, "values": [plain(value) for value in case["values"]], **run(**case)} for case in CASES]
golden = {"cases": cases, "greater_is_better": {name: inferred(name) for name in NAMES}}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")

"""
Which tokens transformers' warpers keep. Run from the project's folder:
    python3 test/goldens/sampling.py
Needs torch and transformers. Writes test/goldens/sampling.json.
"""

import json
from pathlib import Path

import torch
from transformers import TemperatureLogitsWarper, TopPLogitsWarper


def logits(rows: int, vocabulary: int, spread: float) -> torch.Tensor:
    """Every value is a multiple of spread / 65536: exact in float32, made alike by the test. Few are equal."""
    index = torch.arange(rows * vocabulary, dtype=torch.int64)
    noise = (index * 2654435761 + 12345) % 4294967296 // 65536
    return (noise.double() / 65536 * spread).float().view(rows, vocabulary)


cases = []
for rows, vocabulary, spread, temperature, top_p in [
    (3, 50, 8, 1.0, 0.8),
    (2, 8192, 24, 0.9, 0.8),
    (2, 8192, 12, 0.9, 0.8),
    (2, 8999, 24, 1.0, 0.5),
    (1, 40000, 2, 0.7, 0.95),
]:
    values = logits(rows, vocabulary, spread)
    warped = TopPLogitsWarper(top_p)(None, TemperatureLogitsWarper(temperature)(None, values))
    kept = [torch.nonzero(row > -float("inf")).flatten() for row in warped]
    cases.append(
        {
            "rows": rows,
            "vocabulary": vocabulary,
            "spread": spread,
            "temperature": temperature,
            "topP": top_p,
            "kept": [{"count": len(ids), "sum": int(ids.sum()), "first": ids[:5].tolist(), "best": int(values[r].argmax())} for r, ids in enumerate(kept)],
        }
    )
Path(__file__).with_suffix(".json").write_text(json.dumps(cases, indent=1) + "\n")

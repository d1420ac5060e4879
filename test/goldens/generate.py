"""
Greedy continuations by transformers of the models in test/goldens/models. Run from the project's folder, after the scripts that make them:
    python3 -P test/goldens/generate.py    (-P: the folder holds a tokenizers.py)
Needs torch and transformers. Writes test/goldens/generate.json.
"""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

folder = Path(__file__).parent
result = {}
for name in sorted(entry.name for entry in (folder / "models").iterdir() if entry.name not in ("gemma3-multimodal", "gpt2-old-names")):
    model = AutoModelForCausalLM.from_pretrained(folder / "models" / name, dtype=torch.float32, attn_implementation="eager").eval()
    generator = torch.Generator().manual_seed(3)
    cases = []
    for length in [4, 13, 1, 7, 13, 2]:
        # dynamic rotary scaling remembers the longest sequence until a short one comes
        model(torch.tensor([[1]]))
        prompt = torch.randint(1, model.config.vocab_size, (1, length), generator=generator)
        settings = dict(max_new_tokens=16, do_sample=False, attention_mask=torch.ones_like(prompt), pad_token_id=0)
        free = model.generate(prompt, eos_token_id=None, output_logits=True, return_dict_in_generate=True, **settings)
        # a near tie would make the golden depend on rounding
        gap = min((step.topk(2).values[0, 0] - step.topk(2).values[0, 1]).item() for step in free.logits)
        assert gap > 1e-4, (name, length, gap)
        cases.append({"prompt": prompt[0].tolist(), "greedy": free.sequences[0, length:].tolist()})
    # the most common token stands for the end of sequence: rows end at different steps
    everything = [token for case in cases for token in case["greedy"][2:]]
    stop = max(set(everything), key=everything.count)
    for case in cases:
        model(torch.tensor([[1]]))
        prompt = torch.tensor([case["prompt"]])
        out = model.generate(prompt, eos_token_id=stop, max_new_tokens=16, do_sample=False, attention_mask=torch.ones_like(prompt), pad_token_id=stop)
        case["stopped"] = [token for token in out[0, len(case["prompt"]) :].tolist() if token != stop]
    result[name] = {"stop": stop, "cases": cases}
lines = (f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in result.items())
Path(__file__).with_suffix(".json").write_text("{\n" + ",\n".join(lines) + "\n}\n")

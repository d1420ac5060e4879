"""transformers' `generate` on the prompts and the random-weight GPT-2 shape that bench/ours/generation.ts has; prints one line of JSON.

    python3 bench/peers/generation.py '{"layers": 6, "width": 256, "heads": 4, "vocabulary": 16000, "pairs": "pairs.json"}'
"""

from common import on_gpu, options, random_gpt2, report, timed, triples
import torch

config = options(prompts=16, samples=8, tokens=20, runs=5, warmup=1)
model = random_gpt2(config).eval()
if config["precision"] == "bf16":
    model = model.to(torch.bfloat16)
pad = config["vocabulary"] - 2
prompts = [prompt for prompt, _, _ in triples(config)[: config["prompts"]]]
longest = max(map(len, prompts))
ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts], device=config["device"])
mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=config["device"])


def run():
    with torch.inference_mode():
        model.generate(ids, attention_mask=mask, do_sample=True, temperature=0.9, top_p=0.8, top_k=0, max_new_tokens=config["tokens"],
                       min_new_tokens=config["tokens"], num_return_sequences=config["samples"], pad_token_id=pad)


report(config, timed(config, run), "transformers", tokens=config["prompts"] * config["samples"] * config["tokens"])

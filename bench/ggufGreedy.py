"""What transformers makes of a GGUF file: its weights' sums, and of ten prompts the token ids, the logits after the last one, and the greedy
continuation. For bench/ggufGreedy.ts.

python3 bench/ggufGreedy.py model.gguf greedy.jsonl [--chat] [--tokens 24]

--chat makes each prompt a user's turn of the model's chat template. Needs transformers 5.23 or later, torch and gguf.
"""

import argparse
import base64
import hashlib
import json
import os

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = [
    "The history of the city goes back to the twelfth century, when",
    "My grandmother's recipe for apple cake starts with",
    "Der Zug nach Berlin hatte gestern Verspätung, weil",
    "La réunion du conseil municipal a été reportée",
    "En verano los turistas llegan a la costa para",
    "Сегодня утром мы пошли на рынок и",
    "今日は天気がいいので、",
    "اللغة العربية من أكثر اللغات",
    "1, 2, 3, 5, 8, 13,",
    "def fibonacci(n):\n    ",
]

parser = argparse.ArgumentParser()
parser.add_argument("gguf")
parser.add_argument("output")
parser.add_argument("--chat", action="store_true")
parser.add_argument("--tokens", type=int, default=24)
options = parser.parse_args()

folder, name = os.path.split(os.path.abspath(options.gguf))
tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
tied = model.config.tie_word_embeddings
sums = {
    key: hashlib.sha256(weight.detach().contiguous().numpy().tobytes()).hexdigest()
    for key, weight in model.named_parameters()
    if not (tied and key == "lm_head.weight")
}
with open(options.output, "w", encoding="utf-8") as output:
    head = {"chat": options.chat, "tokens": options.tokens, "sums": sums, "eos": tokenizer.eos_token_id, "template": tokenizer.chat_template}
    output.write(json.dumps(head) + "\n")
    for prompt in PROMPTS:
        if options.chat:
            text = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True)
            ids = tokenizer(text, add_special_tokens=False).input_ids
        else:
            ids = tokenizer(prompt).input_ids
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
            made = model.generate(
                torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), do_sample=False,
                max_new_tokens=options.tokens, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id,
            )[0, len(ids) :].tolist()  # fmt: skip
        if tokenizer.eos_token_id in made:
            made = made[: made.index(tokenizer.eos_token_id)]
        line = {"prompt": prompt, "ids": ids, "logits": base64.b64encode(logits.numpy().tobytes()).decode(), "continuation": made}
        output.write(json.dumps(line, ensure_ascii=False) + "\n")

"""Token ids that transformers' own GGUF tokenizer gives to the first sentences of text files, for bench/ggufTokenIds.ts.

python3 bench/ggufTokenIds.py model.gguf ids.jsonl --lines 1000 ar.txt cs.txt …

--digits cuts digits apart first, as the published tokenizers of SmolLM2 and Command R do and transformers' conversion does not.
Needs transformers 5.23 or later and gguf; earlier releases build Gemma's merges otherwise.
"""

import argparse
import json
import os

from tokenizers import pre_tokenizers
from transformers import AutoTokenizer

parser = argparse.ArgumentParser()
parser.add_argument("gguf")
parser.add_argument("output")
parser.add_argument("texts", nargs="+")
parser.add_argument("--lines", type=int, default=1000)
parser.add_argument("--digits", action="store_true")
options = parser.parse_args()

folder, name = os.path.split(os.path.abspath(options.gguf))
tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
if options.digits:
    words = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(words)
with open(options.output, "w", encoding="utf-8") as output:
    for path in options.texts:
        with open(path, encoding="utf-8") as file:
            sentences = [line.rstrip("\r\n") for line in file if line.strip()][: options.lines]
        for text, ids in zip(sentences, tokenizer(sentences).input_ids):
            output.write(json.dumps({"file": path, "text": text, "ids": ids}, ensure_ascii=False) + "\n")

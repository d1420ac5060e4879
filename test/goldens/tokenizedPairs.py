"""Token ids that TRL's DPOTrainer makes of preference pairs, with two tiny byte-pair tokenizers: one whose template adds <bos>, one without.

    pip install trl==1.16.0 transformers==5.23.0
    python3 test/goldens/tokenizedPairs.py

Writes test/goldens/tokenizedPairs.json: {tokenizers: {name: {"tokenizer.json": …, "tokenizer_config.json": …, pairs: [{prompt, chosen, rejected,
prompt_ids, chosen_ids, rejected_ids}]}}}.
"""
import copy, json, os, pathlib

os.environ["HF_HUB_OFFLINE"] = "1"
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers, decoders, trainers, processors
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

PAIRS = [
    ("the cat sat", " on the mat.", " on the hat!"),
    ("the cat", " is nice", " is a bad cat"),
    ("a merge at the bound", "ary of the words", "ed mat"),  # letters merge across the boundary: the prompt gives way
    ("ends with a space ", "the cat", "a mat"),
    ("said", " the end<eos>", " no"),  # ends with the token's text already
    ("Ünïcode 東京", " 日本 🙂", " été"),
    ("line\n", "two\nlines", "one  line"),
]
TEXT = ["the cat sat on the mat. the hat is nice", "a bad cat is at the boundary of the words", "merge words with a space at the end", "the line ends, two lines"]


def tokenizer(bos):
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = ["<bos>", "<eos>"]
    backend.train_from_iterator(TEXT * 8, trainers.BpeTrainer(vocab_size=340, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    if bos:
        backend.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", backend.token_to_id("<bos>"))])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<bos>", eos_token="<eos>", pad_token="<eos>")


def trl_ids(processing_class):
    data = Dataset.from_list([dict(prompt=p, chosen=c, rejected=r) for p, c, r in PAIRS])
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(processing_class), n_positions=128, n_embd=8, n_layer=1, n_head=1))
    config = DPOConfig(output_dir="/tmp/trl-golden", report_to="none", use_cpu=True, max_length=None, bf16=False)
    return DPOTrainer(model=model, ref_model=copy.deepcopy(model), args=config, train_dataset=data, processing_class=processing_class).train_dataset


def main():
    result = {}
    for name, bos in [("bos", True), ("plain", False)]:
        folder = pathlib.Path("/tmp/trl-golden-tokenizer") / name
        processing_class = tokenizer(bos)
        processing_class.save_pretrained(folder)
        rows = trl_ids(processing_class)
        result[name] = {file: json.load(open(folder / file)) for file in ("tokenizer.json", "tokenizer_config.json")}
        result[name]["pairs"] = [
            dict(prompt=p, chosen=c, rejected=r, **{key: row[key] for key in ("prompt_ids", "chosen_ids", "rejected_ids")}) for (p, c, r), row in zip(PAIRS, rows)
        ]
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(dict(tokenizers=result), ensure_ascii=False) + "\n")


main()

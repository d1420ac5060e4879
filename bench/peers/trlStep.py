"""Times TRL's DPO step on random-weight GPT-2 shapes: the peer that every speed claim is measured against, side by side.

    pip install torch==2.13.0 trl==1.16.0 transformers==5.23.0 liger-kernel
    node dist/bench/bench.js --pairs pairs.json
    python3 bench/peers/trlStep.py '{"layers": 6, "width": 256, "heads": 4, "vocabulary": 16000, "pairs": "pairs.json"}'

With a model's folder as "model" and pairs as texts in the file "texts", that model's. Prints one line of JSON: the steps' milliseconds, peak memory. pairs.json: [[prompt, chosen, rejected], ...] as token ids; precompute
computes the reference log-probabilities before training starts.
"""

import copy
import os
import time

from common import on_gpu, options, random_gpt2, report
import torch
import datasets.fingerprint
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, TrainerCallback

# hashing a dataset's fingerprint fails with some pyarrow and dill pairs; the fingerprint is of no use here
datasets.fingerprint.Hasher.hash = classmethod(lambda cls, value: os.urandom(8).hex())
datasets.fingerprint.Hasher.update = lambda self, value: None
datasets.fingerprint.Hasher.hexdigest = lambda self: os.urandom(8).hex()
from trl import DPOConfig, DPOTrainer



def main():
    import json
    import tempfile

    config = options(runs=20, precompute=True, liger=False, checkpointing=False, model="", texts="")
    if config["liger"]:
        import liger_kernel  # noqa: F401 (missing, it is named as such)
    last = config["warmup"] + config["runs"]
    wanted = (last + 2) * config["batch"]
    if config["model"]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(config["model"])
        model = AutoModelForCausalLM.from_pretrained(config["model"], dtype=torch.float32).to(config["device"])
        with open(config["texts"], encoding="utf-8") as file:
            data = Dataset.from_list([dict(prompt=p, chosen=c, rejected=r) for p, c, r in json.load(file)[:wanted]])
    else:
        size = config["vocabulary"]
        words = {f"t{i}": i for i in range(size - 2)} | {"<pad>": size - 2, "<eos>": size - 1}
        backend = Tokenizer(models.WordLevel(words, unk_token="t0"))
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>")
        text = lambda ids: " ".join(f"t{i % (size - 2)}" for i in ids)
        with open(config["pairs"], encoding="utf-8") as file:
            pairs = json.load(file)[:wanted]
        data = Dataset.from_list([dict(prompt=text(p), chosen=" " + text(c), rejected=" " + text(r)) for p, c, r in pairs])
        model = random_gpt2(config)
    times = []

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **rest):
            if on_gpu(config):
                torch.cuda.synchronize()
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as output:
        arguments = DPOConfig(output_dir=output, per_device_train_batch_size=config["batch"], max_steps=last, optim="rmsprop",
                              learning_rate=1e-6, max_grad_norm=10, bf16=config["precision"] == "bf16", report_to="none",
                              logging_steps=100000, save_strategy="no", gradient_checkpointing=config["checkpointing"], max_length=256,
                              disable_tqdm=True, precompute_ref_log_probs=config["precompute"], use_liger_kernel=config["liger"],
                              use_cpu=not on_gpu(config), dataloader_pin_memory=on_gpu(config), warmup_steps=0,
                              lr_scheduler_type="constant")
        DPOTrainer(model=model, ref_model=copy.deepcopy(model), args=arguments, train_dataset=data, processing_class=tokenizer,
                   callbacks=[Clock()]).train()
    first = config["warmup"] - 1
    steps = [(after - before) * 1e3 for before, after in zip(times[first:], times[first + 1 :])]
    report(config, steps, "trl", "transformers")


main()

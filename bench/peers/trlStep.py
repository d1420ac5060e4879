"""Times TRL's DPO step on random-weight GPT-2 shapes: the peer that every speed claim is measured against, side by side.

    pip install torch==2.13.0 trl==1.16.0 transformers==5.23.0 liger-kernel
    python makePairs.py 1024 pairs.json
    python trlStep.py '{"device": "cpu", "layers": 6, "width": 256, "heads": 4, "vocabulary": 16000, "steps": 10, "bf16": false}'

Prints one JSON line: milliseconds a step, pairs a second, peak GPU memory. pairs.json: [[prompt, chosen, rejected], ...] as token ids.
Options with their defaults are in DEFAULTS; precompute caches the reference log-probabilities before training starts.
"""
import copy, json, os, sys, time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import datasets.fingerprint
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, TrainerCallback

# hashing a dataset's fingerprint fails with some pyarrow and dill pairs; the fingerprint is of no use here
datasets.fingerprint.Hasher.hash = classmethod(lambda cls, value: os.urandom(8).hex())
datasets.fingerprint.Hasher.update = lambda self, value: None
datasets.fingerprint.Hasher.hexdigest = lambda self: os.urandom(8).hex()
from trl import DPOConfig, DPOTrainer

DEFAULTS = dict(device="cuda", layers=24, width=2048, heads=16, vocabulary=100000, positions=2048, batch=4, steps=20, warmup=3,
                precompute=False, liger=False, bf16=True, checkpointing=False, pairs="pairs.json")


def main():
    config = {**DEFAULTS, **(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})}
    size = config["vocabulary"]
    words = {f"t{i}": i for i in range(size - 2)} | {"<pad>": size - 2, "<eos>": size - 1}
    backend = Tokenizer(models.WordLevel(words, unk_token="t0"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>")
    text = lambda ids: " ".join(f"t{i % (size - 2)}" for i in ids)
    pairs = json.load(open(config["pairs"]))[: (config["steps"] + config["warmup"] + 2) * config["batch"]]
    data = Dataset.from_list([dict(prompt=text(p), chosen=" " + text(c), rejected=" " + text(r)) for p, c, r in pairs])

    with torch.device(config["device"]):
        model = GPT2LMHeadModel(GPT2Config(vocab_size=size, n_positions=config["positions"], n_embd=config["width"],
                                           n_layer=config["layers"], n_head=config["heads"], eos_token_id=size - 1,
                                           bos_token_id=size - 1, attn_implementation="sdpa"))
    model.config.pad_token_id = size - 2
    last = config["warmup"] + config["steps"]
    arguments = DPOConfig(output_dir="trl-out", per_device_train_batch_size=config["batch"], max_steps=last, optim="rmsprop",
                          learning_rate=1e-6, max_grad_norm=10, bf16=config["bf16"], report_to="none", logging_steps=100000,
                          save_strategy="no", gradient_checkpointing=config["checkpointing"], max_length=256, disable_tqdm=True,
                          precompute_ref_log_probs=config["precompute"], use_liger_kernel=config["liger"],
                          use_cpu=config["device"] == "cpu", dataloader_pin_memory=config["device"] != "cpu",
                          warmup_steps=0, lr_scheduler_type="constant")
    times = []

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **rest):
            if config["device"] == "cuda" and state.global_step in (config["warmup"], last):
                torch.cuda.synchronize()
            times.append(time.perf_counter())

    DPOTrainer(model=model, ref_model=copy.deepcopy(model), args=arguments, train_dataset=data, processing_class=tokenizer,
               callbacks=[Clock()]).train()
    step = (times[-1] - times[config["warmup"] - 1]) / config["steps"]
    memory = torch.cuda.max_memory_allocated() / 2**30 if config["device"] == "cuda" else None
    print(json.dumps(dict(peer="trl", ms_per_step=round(step * 1e3, 1), pairs_per_second=round(config["batch"] / step, 1),
                          peak_gib=memory and round(memory, 1), config=config)), flush=True)


main()

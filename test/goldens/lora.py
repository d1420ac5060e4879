"""What TRL's DPOTrainer logs when it trains PEFT adapters of the golden gpt2 and gemma3 models, in float32 on the CPU, the pairs in order.

    pip install trl==1.16.0 peft==0.21.2 transformers==5.23.0 torch==2.13.0
    HF_HUB_OFFLINE=1 python3 test/goldens/lora.py [NAME…]   (these cases alone, in place of their old ones)

Needs test/goldens/models (models.py) and test/goldens/training (training.py). Writes test/goldens/lora/: NAME/initial and NAME/trained, the
adapter before and after as PEFT saves it; lora.json: {cases: [{name, model, options, steps, evaluation, ids, logits of the trained adapter}]}.
"""
import json, os, pathlib, shutil, sys, tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

here = pathlib.Path(__file__).parent
out = here / "lora"
only = sys.argv[1:]
tokenizer = PreTrainedTokenizerFast.from_pretrained(here / "training")
golden = json.loads((here / "training/training.json").read_text())
pairs, train = golden["pairs"], golden["train"]

COMMON = dict(lr_scheduler_type="constant", warmup_steps=0, max_grad_norm=1.0, beta=0.1, loss_type="sigmoid")
CASES = [
    dict(name="gpt2-all-linear", model="gpt2", lora=dict(r=4, lora_alpha=8, target_modules="all-linear", fan_in_fan_out=True), optim="rmsprop", learning_rate=1e-3),
    dict(name="gemma3-rslora", model="gemma3-text", lora=dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj"], use_rslora=True), optim="adamw_torch", learning_rate=3e-3),
    # an adapter that adds something already: TRL's reference is a copy of it
    dict(name="gpt2-started", model="gpt2", lora=dict(r=2, lora_alpha=2, target_modules=r".*\.attn\.c_.*", fan_in_fan_out=True, rank_pattern={r"1\.attn\.c_proj": 3}, alpha_pattern={"c_proj": 5}, init_lora_weights=False), optim="rmsprop", learning_rate=1e-3),
    # embedding and head trained as one, by a copy: TRL refuses adapters whose head has an addition
    dict(name="gemma3-tied-saved", model="gemma3-text", lora=dict(r=2, lora_alpha=4, target_modules=["v_proj"], modules_to_save=["embed_tokens"], ensure_weight_tying=True), optim="adamw_torch", learning_rate=3e-3),
]
STEPS, BATCH = 8, 4
KEPT = ["loss", "grad_norm", "learning_rate", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected", "num_tokens", "step", "epoch"]


class InOrder(DPOTrainer):
    def _get_train_sampler(self, dataset=None):
        return torch.utils.data.SequentialSampler(dataset if dataset is not None else self.train_dataset)


def save(model, folder):
    model.save_pretrained(folder, selected_adapters=["default"], save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = f"test/goldens/models/{case['model']}"
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


old = {case["name"]: case for case in json.loads((out / "lora.json").read_text())["cases"]} if only else {}
results = []
for case in CASES:
    if only and case["name"] not in only:
        results.append(old[case["name"]])
        continue
    shutil.rmtree(out / case["name"], ignore_errors=True)
    torch.manual_seed(3)
    base = AutoModelForCausalLM.from_pretrained(here / "models" / case["model"], dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **case["lora"]))
    save(model, out / case["name"] / "initial")
    options = {**COMMON, **{key: case[key] for key in ("optim", "learning_rate")}}
    with tempfile.TemporaryDirectory() as folder:
        arguments = DPOConfig(output_dir=folder, per_device_train_batch_size=BATCH, per_device_eval_batch_size=2, max_steps=STEPS, report_to="none", logging_steps=1, save_strategy="no",
                              eval_strategy="no", use_cpu=True, bf16=False, gradient_checkpointing=False, max_length=None, disable_tqdm=True, **options)
        trainer = InOrder(model=model, args=arguments, train_dataset=Dataset.from_list(pairs[:train]), eval_dataset=Dataset.from_list(pairs[train:]), processing_class=tokenizer)
        trainer.train()
        steps = [{key: line[key] for key in KEPT} for line in trainer.state.log_history if "loss" in line]
        evaluation = {key: value for key, value in trainer.evaluate().items() if key.startswith("eval_") and key[5:] in KEPT and key != "eval_num_tokens"}
    save(trainer.model, out / case["name"] / "trained")
    ids = [3, 1, 4, 1, 5, 9, 2, 6]
    with torch.no_grad():
        logits = trainer.model.eval()(torch.tensor([ids])).logits[0]
    results.append(dict(name=case["name"], model=case["model"], **options, batch_size=BATCH, steps=steps, evaluation=evaluation, ids=ids, logits=[round(x, 6) for x in logits.flatten().tolist()]))
(out / "lora.json").write_text(json.dumps(dict(cases=results)) + "\n")

"""What TRL's DPOTrainer logs over a few steps of the golden gpt2 with losses that look at the whole batch, several losses at once, and the losses' options.

    pip install trl==1.16.0 transformers==5.23.0 torch==2.14.1
    HF_HUB_OFFLINE=1 python3 test/goldens/lossOptions.py

Needs test/goldens/models (models.py) and test/goldens/training (training.py). Writes training/lossOptions.json: {cases} as in training.json.
"""
import copy, json, os, pathlib, tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

here = pathlib.Path(__file__).parent
out = here / "training"
tokenizer = AutoTokenizer.from_pretrained(out)
golden = json.loads((out / "training.json").read_text())
pairs, count = golden["pairs"], golden["train"]

plain = dict(model="gpt2", optim="adamw_torch", learning_rate=1e-3, lr_scheduler_type="constant", warmup_steps=0, max_grad_norm=10.0, beta=0.2)
OPTIONS = {
    "sft": dict(loss_type="sft"),
    "sigmoid and sft": dict(loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.5]),
    "three losses of equal weight": dict(loss_type=["hinge", "bco_pair", "sft"]),
    "the losses of MPO": dict(loss_type=["sigmoid", "bco_pair", "sft"], loss_weights=[0.8, 0.2, 1.0]),
    "aot": dict(loss_type="aot"),
    "aot, label smoothing": dict(loss_type="aot", label_smoothing=0.1),
    "aot_unpaired": dict(loss_type="aot_unpaired"),
    "aot_unpaired, label smoothing": dict(loss_type="aot_unpaired", label_smoothing=0.2),
    "discopop, tau": dict(loss_type="discopop", discopop_tau=0.3),
    **{f"{loss}, {divergence}": dict(loss_type=loss, f_divergence_type=divergence, label_smoothing=0.1 if loss in ("robust", "exo_pair") else 0.0)
       for loss, divergence in [("sigmoid", "forward_kl"), ("sigmoid", "js_divergence"), ("sigmoid", "alpha_divergence"), ("ipo", "js_divergence"), ("sigmoid_norm", "forward_kl"),
                                ("hinge", "js_divergence"), ("exo_pair", "js_divergence"), ("robust", "forward_kl"), ("discopop", "alpha_divergence")]},
    "sigmoid, alpha divergence of 1.7": dict(loss_type="sigmoid", f_divergence_type="alpha_divergence", f_alpha_divergence_coef=1.7),
    "sigmoid, ld_alpha": dict(loss_type="sigmoid", ld_alpha=0.4),
    "ipo, ld_alpha of 0": dict(loss_type="ipo", ld_alpha=0.0),
    "sigmoid and sft, ld_alpha": dict(loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.5], ld_alpha=0.4),
    "sigmoid, use_weighting": dict(loss_type="sigmoid", use_weighting=True),
    "ipo and bco_pair, use_weighting": dict(loss_type=["ipo", "bco_pair"], loss_weights=[0.01, 1.0], use_weighting=True),
    "sigmoid, ld_alpha and use_weighting": dict(loss_type="sigmoid", ld_alpha=0.6, use_weighting=True),
    "gemma2, use_weighting": dict(model="gemma2", loss_type="sigmoid", use_weighting=True),
    "sigmoid, alpha divergence of 1": dict(loss_type="sigmoid", f_divergence_type="alpha_divergence", f_alpha_divergence_coef=1.0),
}
STEPS, BATCH = 4, 6
KEPT = ["loss", "grad_norm", "learning_rate", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected", "num_tokens", "step", "epoch"]


class InOrder(DPOTrainer):
    def _get_train_sampler(self, dataset=None):
        return torch.utils.data.SequentialSampler(dataset if dataset is not None else self.train_dataset)


def run(name, options):
    case = plain | dict(name=name) | options
    model = AutoModelForCausalLM.from_pretrained(here / "models" / case["model"], dtype=torch.float32)
    given = {key: value for key, value in case.items() if key not in ("name", "model")}
    with tempfile.TemporaryDirectory() as folder:
        arguments = DPOConfig(output_dir=folder, per_device_train_batch_size=BATCH, per_device_eval_batch_size=BATCH, max_steps=STEPS, max_length=None, report_to="none", logging_steps=1,
                              save_strategy="no", eval_strategy="no", use_cpu=True, bf16=False, gradient_checkpointing=False, disable_tqdm=True, **given)
        trainer = InOrder(model=model, ref_model=copy.deepcopy(model), args=arguments, train_dataset=Dataset.from_list(pairs[:count]), eval_dataset=Dataset.from_list(pairs[count:]), processing_class=tokenizer)
        trainer.train()
        steps = [{key: line[key] for key in KEPT} for line in trainer.state.log_history if "loss" in line]
        evaluation = {key: value for key, value in trainer.evaluate().items() if key.startswith("eval_") and key[5:] in KEPT and key != "eval_num_tokens"}
    return dict(**case, batch_size=BATCH, steps=steps, evaluation=evaluation)


cases = [run(name, options) for name, options in OPTIONS.items()]
(out / "lossOptions.json").write_text("".join(["{\"cases\": [\n", ",\n".join(json.dumps(case) for case in cases), "\n]}\n"]))

"""What TRL's DPOTrainer logs over a few steps of the golden gpt2 and gemma3 models, in float32 on the CPU, the pairs taken in order.

    pip install trl==1.16.0 transformers==5.23.0 torch==2.13.0
    HF_HUB_OFFLINE=1 python3 test/goldens/training.py

Needs test/goldens/models (models.py). Writes test/goldens/training/: tokenizer.json and tokenizer_config.json, a tokenizer of 40 words for
these models; training.json: {pairs: [{prompt, chosen, rejected}] as text, cases: [{name, model, options, steps: [log lines],
evaluation}]}; losses.json: TRL's loss formulas on a grid, and
"conservative", the sigmoid loss with a label smoothing of 0.1 as TRL had it before 1.0; schedules.json: transformers' learning-rate factors.
"""
import copy, json, os, pathlib, tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import torch.nn.functional as F
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.optimization import _get_constant_schedule_with_warmup_lr_lambda, _get_cosine_schedule_with_warmup_lr_lambda, _get_linear_schedule_with_warmup_lr_lambda
from trl import DPOConfig, DPOTrainer

here = pathlib.Path(__file__).parent
out = here / "training"
out.mkdir(exist_ok=True)

VOCABULARY = 40
words = {"<pad>": 0, "<eos>": 1} | {f"w{i}": i for i in range(2, VOCABULARY)}
backend = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>")
tokenizer.save_pretrained(out)

generator = torch.Generator().manual_seed(7)


def text(shortest, longest):
    length = int(torch.randint(shortest, longest + 1, (1,), generator=generator))
    return " ".join(f"w{int(i)}" for i in torch.randint(2, VOCABULARY, (length,), generator=generator))


pairs = [dict(prompt=text(1, 5), chosen=" " + text(1, 5) + " ", rejected=" " + text(1, 5) + " ") for _ in range(24)]

CASES = [
    dict(name="gpt2, rmsprop, warmup, clipping", model="gpt2", optim="rmsprop", learning_rate=3e-4, lr_scheduler_type="linear", warmup_steps=3, max_grad_norm=1.0, beta=0.1, loss_type="sigmoid"),
    dict(name="gpt2, adamw", model="gpt2", optim="adamw_torch", learning_rate=1e-3, lr_scheduler_type="constant", warmup_steps=0, max_grad_norm=10.0, beta=0.3, loss_type="sigmoid"),
    dict(name="gpt2, hinge", model="gpt2", optim="rmsprop", learning_rate=1e-3, lr_scheduler_type="constant_with_warmup", warmup_steps=2, max_grad_norm=10.0, beta=0.5, loss_type="hinge"),
    dict(name="gemma3, rmsprop", model="gemma3-text", optim="rmsprop", learning_rate=3e-4, lr_scheduler_type="constant", warmup_steps=0, max_grad_norm=1.0, beta=0.1, loss_type="sigmoid"),
]
plain = dict(model="gpt2", optim="adamw_torch", learning_rate=1e-3, lr_scheduler_type="constant", warmup_steps=0, max_grad_norm=10.0, beta=0.2)
CASES += [
    # five batches an epoch: every third update is of one batch alone
    dict(plain, name="gpt2, accumulation, weight decay", loss_type="sigmoid", gradient_accumulation_steps=2, weight_decay=0.1, max_grad_norm=0.5),
    dict(plain, name="gpt2, sgd, cosine", loss_type="sigmoid", optim="sgd", learning_rate=0.05, lr_scheduler_type="cosine", warmup_steps=0.15),
    *[dict(plain, name=f"gpt2, {loss}", loss_type=loss, max_steps=4, **({"label_smoothing": 0.1} if loss in ("robust", "exo_pair") else {}))
      for loss in ("ipo", "robust", "exo_pair", "nca_pair", "bco_pair", "sppo_hard", "apo_zero", "apo_down", "discopop", "sigmoid_norm")],
    # prompts of five tokens are left out, longer completions cut
    dict(plain, name="gpt2, cut at five tokens", loss_type="sigmoid", max_length=5, max_steps=5),
]
# two epochs over 18 pairs, the last batch of each short; six pairs are for the evaluation
STEPS, BATCH = 10, 4
KEPT = ["loss", "grad_norm", "learning_rate", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected", "num_tokens", "step", "epoch"]


class InOrder(DPOTrainer):
    def _get_train_sampler(self, dataset=None):
        return torch.utils.data.SequentialSampler(dataset if dataset is not None else self.train_dataset)


def run(case):
    # two pairs a batch in the evaluation, or one where five pairs are left: TRL averages over batches, whatever their size
    options = dict(max_steps=STEPS, max_length=None, per_device_eval_batch_size=1 if "max_length" in case else 2) | {key: value for key, value in case.items() if key not in ("name", "model")}
    model = AutoModelForCausalLM.from_pretrained(here / "models" / case["model"], dtype=torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        arguments = DPOConfig(output_dir=folder, per_device_train_batch_size=BATCH, report_to="none", logging_steps=1, save_strategy="no",
                              eval_strategy="no", use_cpu=True, bf16=False, gradient_checkpointing=False, disable_tqdm=True, **options)
        trainer = InOrder(model=model, ref_model=copy.deepcopy(model), args=arguments, train_dataset=Dataset.from_list(pairs[:18]), eval_dataset=Dataset.from_list(pairs[18:]), processing_class=tokenizer)
        trainer.train()
        steps = [{key: line[key] for key in KEPT} for line in trainer.state.log_history if "loss" in line]
        evaluation = {key: value for key, value in trainer.evaluate().items() if key.startswith("eval_") and key[5:] in KEPT and key != "eval_num_tokens"}
    return dict(**case, batch_size=BATCH, steps=steps, evaluation=evaluation)


(out / "training.json").write_text(json.dumps(dict(pairs=pairs, train=18, cases=[run(case) for case in CASES]), indent=1) + "\n")

margins = [-300.0, -20.0, -1.5, 0.0, 1e-3, 0.7, 12.0, 300.0]
table = []
for beta in (0.1, 1.0):
    delta = torch.tensor(margins, requires_grad=True)
    for name, losses in [("sigmoid", -F.logsigmoid(beta * delta)), ("hinge", torch.relu(1 - beta * delta)), ("conservative", -0.9 * F.logsigmoid(beta * delta) - 0.1 * F.logsigmoid(-beta * delta))]:
        gradient = torch.autograd.grad(losses.sum(), delta)[0]
        table.append(dict(loss=name, beta=beta, margins=margins, losses=losses.tolist(), gradients=gradient.tolist()))
(out / "losses.json").write_text(json.dumps(table) + "\n")

schedules = []
for warmup, total in [(0, 5), (3, 10), (4, 4), (1, 7), (6, 3)]:
    schedules.append(dict(warmup=warmup, total=total,
                          constant=[_get_constant_schedule_with_warmup_lr_lambda(step, num_warmup_steps=warmup) for step in range(total + 1)],
                          linear=[_get_linear_schedule_with_warmup_lr_lambda(step, num_warmup_steps=warmup, num_training_steps=total) for step in range(total + 1)],
                          cosine=[_get_cosine_schedule_with_warmup_lr_lambda(step, num_warmup_steps=warmup, num_training_steps=total, num_cycles=0.5) for step in range(total + 1)]))
(out / "schedules.json").write_text(json.dumps(schedules) + "\n")

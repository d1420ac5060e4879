"""Floating-point operations of a forward and backward pass of the golden gpt2 and llama models, as PyTorch's FlopCounterMode counts them.

    pip install torch==2.14.1 transformers==5.23.0 peft==0.21.2
    python3 test/goldens/stepFlops.py

Needs test/goldens/models (models.py). Writes test/goldens/stepFlops.json: {model: {rows, targets, cases: {name: {products, attention, head}}}}:
of the blocks' linear layers, of attention (FlashAttention over every pair of positions, by the counter's own formulas) and of the output head.
"""
import json, os, pathlib

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.checkpoint import set_checkpoint_early_stop
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
ROWS, TARGETS, RANK = 24, 9, 2


def counted(run):
    with FlopCounterMode(display=False) as counter, set_checkpoint_early_stop(False):
        run()
    return counter.get_total_flops()


def attention(config):
    shape = (1, config.num_attention_heads, ROWS, config.hidden_size // config.num_attention_heads if config.model_type == "gpt2" else config.head_dim)
    return config.num_hidden_layers * (sdpa_flop_count(shape, shape, shape) + sdpa_backward_flop_count(shape, shape, shape, shape))


def case(name, lora=False, recompute=False):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(HERE / "models" / name, attn_implementation="sdpa").train()
    if lora:
        model = get_peft_model(model, LoraConfig(r=RANK, target_modules="all-linear", task_type="CAUSAL_LM"))
    if recompute:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    base = model.get_base_model() if lora else model
    ids = torch.arange(ROWS)[None] % model.config.vocab_size
    states = base.base_model(ids).last_hidden_state[0, :TARGETS].detach().requires_grad_()
    # attention on CPUs is an operator that the counter has no formula for
    products = counted(lambda: base.base_model(ids).last_hidden_state.sum().backward())
    head = counted(lambda: base.lm_head(states).sum().backward())
    return dict(products=products, attention=attention(model.config), head=head)


def main():
    models = {}
    for name in ("gpt2", "llama"):
        cases = dict(whole=case(name), recompute=case(name, recompute=True), lora=case(name, lora=True))
        models[name] = dict(rows=ROWS, targets=TARGETS, cases=cases)
    (HERE / "stepFlops.json").write_text(json.dumps(models, indent=1) + "\n")
    print(json.dumps(models))


main()

"""What PEFT computes with adapters of the golden models: logits, gradients, merged weights; in float32 on the CPU.

    pip install peft==0.21.2 transformers==5.23.0 torch==2.13.0 safetensors
    HF_HUB_OFFLINE=1 python3 test/goldens/adapters.py [NAME…]   (these cases alone)

Needs test/goldens/models (models.py, llamaKin.py). Writes test/goldens/adapters/NAME/: the adapter as PEFT saves it, with random values
everywhere (embedding and head beside it where PEFT stores them by itself); expected.json: {model, ids, targets: what PEFT chose}; expected.safetensors: `logits`, `merged.logits` after merge_and_unload,
`grad.NAME`, the gradient of the mean next-token negative log-likelihood under the names of adapter_model.safetensors, and `merged.NAME`,
the weights that merge_and_unload changes. A model whose head is tied to an embedding that the adapter treats otherwise is untied before it is merged, as PEFT's warning says.

`ensure_weight_tying`: PEFT holds a tied head's two matrices as parameters of their own over the embedding's memory, each with its share of the gradient; the share of
the one is added to the other's here, which is the gradient of what they hold in common. PEFT's merge adds such an addition to the shared weight twice; merged here is an untied model with both, and
`merged.lm_head.weight` is left out where it equals the embedding.
"""
import json, os, pathlib, shutil, sys, tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

here = pathlib.Path(__file__).parent
out = here / "adapters"
only = sys.argv[1:]
IDS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]

CASES = [
    dict(name="lora-patterns", model="gpt2", lora=dict(r=2, lora_alpha=3, target_modules=r".*\.attn\.c_.*", fan_in_fan_out=True, rank_pattern={r"1\.attn\.c_proj": 3}, alpha_pattern={"c_proj": 5})),
    dict(name="lora-llama", model="llama", lora=dict(r=2, lora_alpha=4, target_modules="all-linear")),
    dict(name="dora-gpt2", model="gpt2", lora=dict(r=2, lora_alpha=4, target_modules="all-linear", fan_in_fan_out=True, use_dora=True)),
    dict(name="dora-llama", model="llama", lora=dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj"], use_dora=True, use_rslora=True)),
    dict(name="lora-embedding-llama", model="llama", lora=dict(r=2, lora_alpha=3, target_modules=["q_proj", "embed_tokens", "lm_head"])),
    dict(name="lora-embedding-gpt2", model="gpt2", lora=dict(r=2, lora_alpha=3, target_modules=["c_attn", "wte", "wpe", "lm_head"], fan_in_fan_out=True)),
    dict(name="lora-embedding-gemma3", model="gemma3-text", stores_base=True, lora=dict(r=2, lora_alpha=3, target_modules=["v_proj", "embed_tokens", "lm_head"])),
    dict(name="lora-head-mistral", model="mistral", lora=dict(r=2, lora_alpha=3, target_modules=["lm_head"])),
    dict(name="dora-embedding-bloom", model="bloom", lora=dict(r=2, lora_alpha=3, target_modules=["word_embeddings", "dense", "lm_head"], use_dora=True)),
    dict(name="saved-llama", model="llama", lora=dict(r=2, lora_alpha=3, target_modules=["q_proj"], modules_to_save=["lm_head", "embed_tokens", "model.norm"])),
    dict(name="saved-head-cohere", model="cohere", lora=dict(r=2, lora_alpha=3, target_modules=["q_proj"], modules_to_save=["lm_head"])),
    dict(name="saved-embedding-gpt2", model="gpt2", lora=dict(r=2, lora_alpha=3, target_modules=["c_fc", "lm_head"], fan_in_fan_out=True, modules_to_save=["wte", "transformer.ln_f"])),
    dict(name="lora-embedding-neox", model="gpt-neox", lora=dict(r=2, lora_alpha=3, target_modules=["query_key_value", "embed_in", "embed_out"])),
    dict(name="dora-embedding-neox", model="gpt-neox", lora=dict(r=2, lora_alpha=3, target_modules=["dense", "embed_in", "embed_out"], use_dora=True, use_rslora=True)),
    dict(name="saved-embedding-neox", model="gpt-neox", lora=dict(r=2, lora_alpha=3, target_modules=["dense_h_to_4h"], modules_to_save=["embed_in", "embed_out", "gpt_neox.final_layer_norm"])),
    dict(name="tied-llama", model="llama", lora=dict(r=2, lora_alpha=3, target_modules=["q_proj", "embed_tokens"], ensure_weight_tying=True)),
    dict(name="tied-gpt2", model="gpt2", lora=dict(r=2, lora_alpha=3, target_modules=["c_attn", "lm_head"], fan_in_fan_out=True, ensure_weight_tying=True)),
    dict(name="tied-alpha-cohere", model="cohere", lora=dict(r=2, lora_alpha=3, target_modules=["v_proj", "lm_head"], alpha_pattern={"lm_head": 5}, ensure_weight_tying=True)),
    dict(name="tied-dora-gemma3", model="gemma3-text", lora=dict(r=2, lora_alpha=3, target_modules=["v_proj", "embed_tokens"], use_dora=True, ensure_weight_tying=True)),
    dict(name="tied-saved-llama", model="llama", lora=dict(r=2, lora_alpha=3, target_modules=["q_proj"], modules_to_save=["embed_tokens", "norm"], ensure_weight_tying=True)),
    dict(name="tied-saved-bloom", model="bloom", lora=dict(r=2, lora_alpha=3, target_modules=["dense"], modules_to_save=["lm_head"], ensure_weight_tying=True)),
    # said, but with no effect: PEFT 0.21 knows an embedding by the name of embed_tokens, a head by lm_head
    dict(name="untied-wte-gpt2", model="gpt2", lora=dict(r=2, lora_alpha=3, target_modules=["c_attn", "wte"], fan_in_fan_out=True, ensure_weight_tying=True)),
]
PAIRS = ("wte", "embed_tokens", "word_embeddings", "embed_in"), ("lm_head", "embed_out")

for case in CASES:
    if only and case["name"] not in only:
        continue
    torch.manual_seed(5)
    folder = out / case["name"]
    shutil.rmtree(folder, ignore_errors=True)
    base = AutoModelForCausalLM.from_pretrained(here / "models" / case["model"], dtype=torch.float32)
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **case["lora"]))
    with torch.no_grad():
        changed = set()
        for name, weight in model.named_parameters():
            if weight.data_ptr() in changed:
                continue
            changed.add(weight.data_ptr())
            if "magnitude" in name:
                weight.mul_(1 + 0.2 * torch.randn_like(weight))
            elif "modules_to_save" in name:
                weight.add_(0.1 * torch.randn_like(weight))
    model.save_pretrained(folder, save_embedding_layers=case.get("stores_base", False))
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    targets = config["target_modules"]
    config["base_model_name_or_path"] = f"test/goldens/models/{case['model']}"
    config["init_lora_weights"] = True  # what PEFT makes of it changes nothing of a saved adapter
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")

    ids = torch.tensor([IDS])
    logits = model(ids, use_cache=False).logits[0]
    nll = -torch.log_softmax(logits[:-1], -1).gather(1, ids[0, 1:, None]).mean()
    nll.backward()
    tensors = {"logits": logits}
    # additions that PEFT keeps in the same memory
    modules = {name.removeprefix("base_model.model."): module for name, module in model.named_modules() if hasattr(module, "lora_A")}
    embedding, head = (next((module for name, module in modules.items() if name.split(".")[-1] in names), None) for names in PAIRS)
    shared = head is not None and embedding is not None and head.lora_A["default"].weight.data_ptr() == embedding.lora_embedding_B["default"].data_ptr()
    if shared:
        for first, second in ((embedding.lora_embedding_A["default"], head.lora_B["default"].weight), (embedding.lora_embedding_B["default"], head.lora_A["default"].weight)):
            first.grad = first.grad + second.grad.T
            second.grad = first.grad.T
    tied_names = {f"base_model.model.lm_head.{name}" for name in ("lora_A.weight", "lora_B.weight")} if shared else {"base_model.model.lm_head.weight"} if "tied-saved" in case["name"] else set()
    # the saved names, of the gradients in place of the values
    with torch.no_grad():
        values = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        for name, weight in model.named_parameters():
            if weight.grad is not None:
                weight.copy_(weight.grad)
        tensors |= {f"grad.{name}": value.clone() for name, value in get_peft_model_state_dict(model, save_embedding_layers=False).items() if not name.endswith("base_layer.weight") and name not in tied_names}
        for name, weight in model.named_parameters():
            weight.copy_(values[name])
        modules = sorted(modules)
        touched = set(modules) | set(case["lora"].get("modules_to_save", []))
        if base.config.tie_word_embeddings and "tied-saved" not in case["name"] and any(name.split(".")[-1] in ("wte", "embed_tokens", "word_embeddings", "lm_head") for name in touched):
            untied = AutoModelForCausalLM.from_pretrained(here / "models" / case["model"], dtype=torch.float32, tie_word_embeddings=False)
            untied.get_output_embeddings().weight.data = untied.get_input_embeddings().weight.data.clone()
            with tempfile.TemporaryDirectory() as apart:
                shutil.copytree(folder, apart, dirs_exist_ok=True)
                if shared:
                    pathlib.Path(apart, "adapter_config.json").write_text(json.dumps({**config, "ensure_weight_tying": False, "target_modules": modules}))
                model = PeftModel.from_pretrained(untied, apart)
            tensors["untied.logits"] = model(ids, use_cache=False).logits[0]
        merged = model.merge_and_unload()
        tensors["merged.logits"] = merged(ids, use_cache=False).logits[0]
        for name, weight in merged.state_dict().items():
            if name in before and not torch.equal(weight, before[name]):
                tensors[f"merged.{name}"] = weight
        if tied_names and torch.equal(merged.get_input_embeddings().weight, merged.get_output_embeddings().weight):
            tensors.pop("merged.lm_head.weight", None)
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    save_file(tensors, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps(dict(model=case["model"], ids=IDS, loss=nll.item(), modules=modules)) + "\n")
    print(case["name"], modules, sorted(name for name in tensors if "grad" in name)[:4], (tensors["logits"] - tensors["merged.logits"]).abs().max().item())

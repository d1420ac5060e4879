"""What the scripts that make tiny models share: models.py and bloomGemma2Cohere.py. They take the folder to write to.

Each model is a folder (config.json, safetensors) with `expected.json` (the sequences of token ids) and `expected.safetensors`:
`logits.S` and `hidden.S.N` of sequence S, and `grad.NAME`, the gradient of the mean next-token negative log-likelihood over all
sequences, all as transformers computes them in float32 and without padding. The last hidden state is after the final norm.
"""
import json, os, shutil, sys
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

VOCABULARY = 40
LENGTHS = [13, 7, 1, 9]


def randomised(model, seed, dtype=torch.float32, ones=("ln_",)):
    """Weights large enough for every term to matter, around 1 where a name holds one of `ones`; rounded to the dtype that they are stored in."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            offset = 1.0 if any(part in name for part in ones) and name.endswith("weight") else 0.0
            scale = 0.6 if "embed" in name or "wte" in name else 0.25
            weight.copy_((offset + scale * torch.randn(weight.shape, generator=generator)).to(dtype).float())
    return model.eval()


def expected(model, folder, lengths, seed, rename=lambda name: name, vocabulary=VOCABULARY):
    generator = torch.Generator().manual_seed(seed)
    sequences = [torch.randint(0, vocabulary, (1, length), generator=generator) for length in lengths]
    tensors, nll, count = {}, 0.0, 0
    for s, ids in enumerate(sequences):
        output = model(input_ids=ids, output_hidden_states=True, use_cache=False)
        tensors[f"logits.{s}"] = output.logits[0]
        for n, hidden in enumerate(output.hidden_states):
            tensors[f"hidden.{s}.{n}"] = hidden[0]
        logps = torch.log_softmax(output.logits[0, :-1].float(), -1)
        nll = nll - logps.gather(1, ids[0, 1:, None]).sum()
        count += ids.shape[1] - 1
    loss = nll / count
    loss.backward()
    for name, weight in model.named_parameters():
        if weight.grad is not None:
            tensors[f"grad.{rename(name)}"] = weight.grad
    tensors = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, os.path.join(folder, "expected.safetensors"))
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump({"loss": loss.item(), "sequences": [ids[0].tolist() for ids in sequences]}, file)


def fresh(name):
    folder = os.path.join(sys.argv[1], name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def from_config(config):
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), attn_implementation="eager", dtype=torch.float32)


def write_config(folder, config):
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file, indent=1)


def tidy_up():
    """Generation settings are no part of the goldens."""
    for name in sorted(os.listdir(sys.argv[1])):
        path = os.path.join(sys.argv[1], name, "generation_config.json")
        if os.path.exists(path):
            os.remove(path)

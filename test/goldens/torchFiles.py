"""State dicts that torch.save wrote, in both of its formats, with what they hold as plain lists.

    python test/goldens/torchFiles.py
"""

import json
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file

here = Path(__file__).parent / "torch"
here.mkdir(exist_ok=True)
torch.manual_seed(7)


class Tied(torch.nn.Module):
    """An embedding and a head over one storage, as many published models are stored."""

    def __init__(self):
        super().__init__()
        self.wte = torch.nn.Embedding(3, 2)
        self.head = torch.nn.Linear(2, 3, bias=False)
        self.head.weight = self.wte.weight
        self.register_buffer("mask", torch.ones(2, 2, dtype=torch.bool).tril())


def write(name, tensors):
    torch.save(tensors, here / f"{name}.zip.bin")
    torch.save(tensors, here / f"{name}.legacy.bin", _use_new_zipfile_serialization=False)
    return {
        key: {
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": list(tensor.shape),
            # as written with 17 digits, NaN as null
            "values": [None if value != value else value for value in tensor.detach().double().flatten().tolist()],
        }
        for key, tensor in tensors.items()
        if isinstance(tensor, torch.Tensor)
    }


base = torch.randn(24)
expected = {
    # an OrderedDict with _metadata, tied weights, a parameter's and a buffer's types
    "module": write("module", Tied().state_dict()),
    "views": write(
        "views",
        OrderedDict(
            whole=base,
            middle=base[5:11].view(2, 3),
            transposed=base.view(4, 6).t(),
            permuted=base.view(2, 3, 4).permute(2, 0, 1),
            stepped=base[1::5],
            spread=base[3:5].view(2, 1).expand(2, 3),
            scalar=base[7],
            empty=base[:0].view(0, 3),
        ),
    ),
    # a plain dict, parameters, numbers beside the tensors
    "types": write(
        "types",
        {
            "half": torch.tensor([1.0, -2.5, 65504.0, 6e-8, float("inf"), float("nan")], dtype=torch.float16),
            "brain": torch.randn(5).bfloat16(),
            "single": torch.nn.Parameter(torch.randn(2, 2)),
            "long": torch.tensor([1, 2]),
            "double": torch.tensor([0.5], dtype=torch.float64),
            "step": 12,
            "note": "ü",
            "rate": 0.5,
            "big": 2**70,
            "nothing": None,
            "flags": [True, False, (1, 2, 3, -70000)],
        },
    ),
}
text = json.dumps(expected).replace("Infinity", "1e999")
(here / "expected.json").write_text(text + "\n")

# two golden models as their publishers stored them: legacy with a head over the embedding's storage, and zip in float16 shards
models = here.parent / "models"
old = OrderedDict(load_file(models / "gpt2-old-names" / "model.safetensors"))
old["lm_head.weight"] = old["wte.weight"]
torch.save(old, here / "gpt2-old-names.bin", _use_new_zipfile_serialization=False)

folder = models / "gpt2-switched"
switched = {name: tensor for file in sorted(folder.glob("model-*.safetensors")) for name, tensor in load_file(file).items()}
names = sorted(switched)
shards = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
(here / "gpt2-switched").mkdir(exist_ok=True)
for file, held in shards.items():
    torch.save({name: switched[name] for name in held}, here / "gpt2-switched" / file)
index = {"metadata": {}, "weight_map": {name: file for file, held in shards.items() for name in held}}
(here / "gpt2-switched" / "pytorch_model.bin.index.json").write_text(json.dumps(index) + "\n")

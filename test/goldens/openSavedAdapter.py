"""Whether PEFT opens the adapters that saveModel wrote, with the logits of the golden adapters. Not part of the test run.

    npm run build
    node -e "
      const { startEngine } = require('./dist/engine/startEngine');
      const { loadModel } = require('./dist/models/loadModel');
      const { saveModel } = require('./dist/models/saveModel');
      const { readdirSync, existsSync } = require('node:fs');
      (async () => {
        await startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' });
        for (const name of readdirSync('test/goldens/lora').filter((name) => existsSync('test/goldens/lora/' + name + '/trained')))
          await saveModel(await loadModel('test/goldens/lora/' + name + '/trained', { trainable: false }), 'runs/saved-adapters/' + name);
      })();"
    HF_HUB_OFFLINE=1 python3 test/goldens/openSavedAdapter.py runs/saved-adapters test/goldens/lora/lora.json

The same with test/goldens/adapters/NAME in place of test/goldens/lora/NAME/trained, and that folder in place of lora.json.
"""
import json, os, sys, warnings
import torch
from peft import AutoPeftModelForCausalLM
from safetensors.torch import load_file

saved, golden = sys.argv[1:]
warnings.filterwarnings("error", module="peft")  # of keys that it misses or does not know
warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
warnings.filterwarnings("ignore", message="fan_in_fan_out is set")  # where GPT-2's head is adapted beside its Conv1D layers
worst = 0.0
if os.path.isdir(golden):
    cases = []
    for name in sorted(os.listdir(golden)):
        with open(os.path.join(golden, name, "expected.json")) as file:
            cases.append(dict(name=name, ids=json.load(file)["ids"], logits=load_file(os.path.join(golden, name, "expected.safetensors"))["logits"].flatten().tolist()))
else:
    with open(golden) as file:
        cases = json.load(file)["cases"]
for case in cases:
    model = AutoPeftModelForCausalLM.from_pretrained(os.path.join(saved, case["name"]), dtype=torch.float32)
    with torch.no_grad():
        ours = model(torch.tensor([case["ids"]])).logits[0].flatten()
    expected = torch.tensor(case["logits"])
    error = ((ours - expected).abs().max() / expected.abs().max()).item()
    worst = max(worst, error)
    print(f"{case['name']}: {type(model).__name__}, largest relative difference {error:.1e}")
sys.exit(worst > 1e-5)

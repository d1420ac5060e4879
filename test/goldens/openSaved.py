"""Whether transformers opens what saveModel wrote, with the logits of the golden models. Not part of the test run.

    npm run build
    node -e "
      const { startEngine } = require('./dist/engine/startEngine');
      const { loadModel } = require('./dist/models/loadModel');
      const { saveModel } = require('./dist/models/saveModel');
      const { readdirSync } = require('node:fs');
      (async () => {
        await startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' });
        for (const name of readdirSync('test/goldens/models'))
          await saveModel(await loadModel('test/goldens/models/' + name, { trainable: false }), 'runs/saved/' + name);
      })();"
    HF_HUB_OFFLINE=1 python3 test/goldens/openSaved.py runs/saved test/goldens/models
"""
import json, os, sys
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

saved, goldens = sys.argv[1:]
worst = 0.0
for name in sorted(os.listdir(goldens)):
    model, info = AutoModelForCausalLM.from_pretrained(os.path.join(saved, name), attn_implementation="eager", output_loading_info=True)
    problems = {key: value for key, value in info.items() if value}
    expected = load_file(os.path.join(goldens, name, "expected.safetensors"))
    with open(os.path.join(goldens, name, "expected.json")) as file:
        sequences = json.load(file)["sequences"]
    with torch.no_grad():
        logits = [model(torch.tensor([ids])).logits[0] for ids in sequences]
    error = max(((ours - expected[f"logits.{s}"]).abs().max() / ours.abs().max()).item() for s, ours in enumerate(logits))
    worst = max(worst, error)
    print(f"{name}: {type(model).__name__} {model.dtype}, largest relative difference {error:.1e} {problems or ''}")
sys.exit(worst > 1e-5)

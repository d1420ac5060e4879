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
"""
import json, os, sys, warnings
import torch
from peft import AutoPeftModelForCausalLM

saved, golden = sys.argv[1:]
warnings.filterwarnings("error", module="peft")  # of keys that it misses or does not know
worst = 0.0
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

"""Whether transformers and PEFT open what saveModel wrote, with the logits that this program computes of it. Run by test/models/openSaved.test.ts:

    DPO_ORACLE_PYTHON=python3 npx jest test/models/openSaved.test.ts

Needs torch, transformers 5.23, peft and safetensors. Reads a JSON list of {name, folder, sequences of token ids, logits: a safetensors file of one tensor a sequence, texts: {text: ids}
or null}; prints a line of JSON for each: {name, class, error: the largest difference of logits over the largest logit, problems of loading, texts whose ids differ}.
"""
import json, os, sys, warnings

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from peft import AutoPeftModelForCausalLM
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

torch.set_num_threads(1)
warnings.filterwarnings("error", module="peft")  # of keys that it misses or does not know
warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
warnings.filterwarnings("ignore", message="fan_in_fan_out is set")  # where GPT-2's head is adapted beside its Conv1D layers
warnings.filterwarnings("ignore", message="You have requested `ensure_weight_tying`, but no tied modules are added")  # GPT-2 with `wte` alone: PEFT ties nothing there
for case in json.load(open(sys.argv[1])):
    folder, problems = case["folder"], {}
    if os.path.exists(os.path.join(folder, "adapter_config.json")):
        model = AutoPeftModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    else:
        model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
        problems = {key: sorted(map(str, value)) for key, value in info.items() if value}
    expected = load_file(case["logits"])
    with torch.no_grad():
        logits = [model(torch.tensor([ids])).logits[0] for ids in case["sequences"]]
    error = max(((ours - expected[str(i)]).abs().max() / ours.abs().max()).item() for i, ours in enumerate(logits))
    texts = []
    if case["texts"]:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        texts = [text for text, ids in case["texts"].items() if tokenizer.encode(text) != ids]
    print(json.dumps({"name": case["name"], "class": type(model).__name__, "error": error, "problems": problems, "texts": texts}))

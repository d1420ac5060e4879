"""transformers turns a GGUF file into a folder, as bench/ours/importModel.ts does; prints one line of JSON.

    python3 bench/peers/importModel.py '{"gguf": "model.gguf"}'
"""

import os
import tempfile

from common import options, report, timed
import gguf
from transformers import AutoModelForCausalLM, AutoTokenizer

config = options(gguf="model.gguf", runs=2, warmup=0)
folder, name = os.path.split(os.path.abspath(config["gguf"]))


def run():
    with tempfile.TemporaryDirectory() as target:
        AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(target)
        model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name)
        # its weights are plain numbers by now, and yet the model counts as quantised and refuses to be saved
        model.hf_quantizer = None
        model.is_quantized = False
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(target)


report(config, timed(config, run), "transformers", gguf.__name__)

"""Tiny GGUF files and what the gguf package and transformers make of them, for test/models/gguf/.

python3 test/goldens/ggufFiles.py

Needs gguf, torch and transformers 5.23 or later. Writes into test/goldens/gguf/.
"""

import base64
import json
import os
import random

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.integrations.gguf import convert_gguf_tokenizer, get_gguf_tokenizer

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gguf")
os.makedirs(FOLDER, exist_ok=True)
rng = np.random.default_rng(7)
expected = {"values": {}, "tokens": {}, "merges": {}}

TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]


def encoded(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def blocks():
    """Random bytes of each type (drawn again until every value is finite), and the floats that they mean."""
    out = {}
    for name in TYPES:
        kind = GGMLQuantizationType[name]
        values, size = quants.GGML_QUANT_SIZES[kind]
        count = 64 if values == 1 else 4 if values == 32 else 3
        while True:
            data = rng.integers(0, 256, (count, size), dtype=np.uint8)
            with np.errstate(over="ignore", invalid="ignore"):
                floats = quants.dequantize(data.reshape(1, -1), kind).reshape(-1).astype(np.float32)
            if np.isfinite(floats).all():
                break
        out[name] = {"bytes": encoded(data), "floats": encoded(floats)}
    return out


def writer(file, architecture, tokens, types, scores=None, merges=None, model="llama", ids=None, **metadata):
    w = GGUFWriter(os.path.join(FOLDER, file), architecture)
    w.add_tokenizer_model(model)
    w.add_token_list(tokens)
    w.add_token_types(types)
    if scores is not None:
        w.add_token_scores(scores)
    if merges is not None:
        w.add_token_merges(merges)
    for name, value in (ids or {}).items():
        getattr(w, f"add_{name}_token_id")(value)
    for name, value in metadata.items():
        getattr(w, f"add_{name}")(value)
    return w


def finish(w, file, texts):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    architecture, vocabulary, _ = get_gguf_tokenizer(os.path.join(FOLDER, file))
    tokenizer, _ = convert_gguf_tokenizer(architecture, vocabulary)
    expected["tokens"][file] = [[text, tokenizer.encode(text, add_special_tokens=False).ids] for text in texts]
    expected["merges"][file] = json.loads(tokenizer.to_str())["model"]["merges"]


def add(w, name, shape, kind="F32", offset=0.0):
    values = (rng.standard_normal(shape) * 0.1 + offset).astype(np.float32)
    if kind == "F32":
        w.add_tensor(name, values)
    elif kind == "F16":
        w.add_tensor(name, values.astype(np.float16))
    else:
        quantised = GGMLQuantizationType[kind]
        w.add_tensor(name, quants.quantize(values, quantised), raw_dtype=quantised)


def state(file, **corrections):
    """Of each weight as transformers reads it: shape, four values, two sums in float64."""
    config = AutoConfig.from_pretrained(FOLDER, gguf_file=file)
    config.update(corrections)
    model = AutoModelForCausalLM.from_pretrained(FOLDER, gguf_file=file, config=config)
    out = {}
    for name, tensor in model.state_dict().items():
        if name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        flat = tensor.numpy().astype(np.float64).reshape(-1)
        sums = [flat.sum(), (flat * (np.arange(flat.size) % 7)).sum()]
        out[name] = {"shape": list(tensor.shape), "first": flat[:4].tolist(), "sums": sums}
    expected["values"][file] = out


WORDS = ["the", "cat", "catty", "▁the", "▁cat", "▁", "he", "th", "at", "ca", "tt", "ty", "▁c", "▁t", "▁th", "\n\n", "\n"]
ASTRAL = ["😀", "😀😀", "😀a", "é", "日", "本", "日本"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
TEXTS = ["the catty cat", " the  cat", "   ", "😀😀a 日本é", "zebra\n\nthe", "<b>x</b>cat", "", "▁▁the", "a\ttab <pad>"]


def sentencepiece(control):
    special = control + ["<b>", "  ", "   "]
    letters = list("abcdefghtyxz")
    tokens = special + BYTES + letters + WORDS + ASTRAL
    types = [TokenType.CONTROL] * len(control) + [TokenType.USER_DEFINED] * 3 + [TokenType.BYTE] * 256
    types += [TokenType.NORMAL] * (len(tokens) - len(types))
    return tokens, types


def gemma3():
    file = "tinyGemma3.gguf"
    tokens, types = sentencepiece(["<pad>", "<eos>", "<bos>", "<unk>"])
    w = writer(
        file, "gemma3", tokens, types, scores=[-1000.0] * len(tokens),
        ids={"pad": 0, "eos": 1, "bos": 2, "unk": 3}, add_bos_token=True, add_eos_token=False, add_space_prefix=False,
        context_length=64, embedding_length=32, block_count=2, feed_forward_length=64, head_count=2, head_count_kv=1,
        key_length=16, value_length=16, layer_norm_rms_eps=1e-6, rope_freq_base=1e6, sliding_window=8,
    )  # fmt: skip
    add(w, "token_embd.weight", (len(tokens), 32), "Q8_0")
    for n in range(2):
        add(w, f"blk.{n}.attn_q.weight", (32, 32), "Q5_0")
        add(w, f"blk.{n}.attn_k.weight", (16, 32), "Q4_1")
        add(w, f"blk.{n}.attn_v.weight", (16, 32), "F16")
        add(w, f"blk.{n}.attn_output.weight", (32, 32), "BF16")
        add(w, f"blk.{n}.ffn_gate.weight", (64, 32), "Q4_0")
        add(w, f"blk.{n}.ffn_up.weight", (64, 32), "Q5_1")
        add(w, f"blk.{n}.ffn_down.weight", (32, 64), "Q8_0")
        for norm, width in [("attn", 32), ("ffn", 32), ("post_attention", 32), ("post_ffw", 32), ("attn_q", 16), ("attn_k", 16)]:
            add(w, f"blk.{n}.{norm}_norm.weight", (width,), offset=1.0)
    add(w, "output_norm.weight", (32,), offset=1.0)
    finish(w, file, TEXTS)
    state(file)


def gpt2():
    file = "tinyGpt2.gguf"
    letters = list(bytes_to_unicode().values())
    merges = ["t h", "h e", "t he", "Ġ t", "Ġt he", "c a", "ca t"]
    tokens = letters + [merge.replace(" ", "") for merge in merges] + ["<|endoftext|>", "<b>"]
    types = [TokenType.NORMAL] * (len(tokens) - 2) + [TokenType.CONTROL, TokenType.USER_DEFINED]
    eos = len(tokens) - 2
    w = writer(
        file, "gpt2", tokens, types, merges=merges, model="gpt2", ids={"bos": eos, "eos": eos}, tokenizer_pre="gpt-2",
        context_length=16, embedding_length=32, block_count=2, feed_forward_length=64, head_count=2, layer_norm_eps=1e-5,
    )  # fmt: skip
    add(w, "token_embd.weight", (len(tokens), 32), "Q8_0")
    add(w, "position_embd.weight", (16, 32))
    for n in range(2):
        for name, shape in [("attn_qkv", (96, 32)), ("attn_output", (32, 32)), ("ffn_up", (64, 32)), ("ffn_down", (32, 64))]:
            add(w, f"blk.{n}.{name}.weight", shape, "Q8_0")
            add(w, f"blk.{n}.{name}.bias", shape[:1])
        for name in ["attn_norm", "ffn_norm"]:
            add(w, f"blk.{n}.{name}.weight", (32,), offset=1.0)
            add(w, f"blk.{n}.{name}.bias", (32,))
    add(w, "output_norm.weight", (32,), offset=1.0)
    add(w, "output_norm.bias", (32,))
    finish(w, file, ["the cat", " the  cat\n", "<|endoftext|>the<b> é 日本", ""])
    # transformers 5.23 does not take these two from the metadata
    state(file, n_positions=16, n_inner=64)


def llama_vocabulary():
    """No tensors: merges by scores, in which there are ties."""
    file = "llamaVocabulary.gguf"
    tokens, types = sentencepiece(["<unk>", "<s>", "</s>"])
    scores = [float(random.Random(index).randrange(-6, 0)) for index in range(len(tokens))]
    w = writer(file, "llama", tokens, types, scores=scores, ids={"unk": 0, "bos": 1, "eos": 2}, context_length=64)
    finish(w, file, TEXTS)


golden_blocks = blocks()
gemma3()
gpt2()
llama_vocabulary()
with open(os.path.join(FOLDER, "blocks.json"), "w") as out:
    json.dump(golden_blocks, out, indent=1)
with open(os.path.join(FOLDER, "expected.json"), "w") as out:
    json.dump(expected, out, ensure_ascii=False)

"""Random tiny models as GGUF files, as llama.cpp's convert_hf_to_gguf would write them, with the logits that transformers computes for the
models that they were made of; and the words that published tokenizers cut text into. For test/models/gguf/.

HF_HUB_OFFLINE=1 python3 test/goldens/ggufModels.py

Needs gguf, torch and transformers 5.23 or later. Writes into test/goldens/ggufModels/: NAME.gguf, NAME.json (sequences, logits, the
config's fields that must come back), wordSplits.json. Where transformers reads the architecture itself, its reading must equal the model.
"""

import base64
import json
import os
import sys

import numpy as np
import torch
from gguf import GGUFWriter, RopeScalingType
from tokenizers import Regex, normalizers, pre_tokenizers
from transformers import AutoModelForCausalLM
from transformers.convert_slow_tokenizer import bytes_to_unicode

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tinyModels import from_config, randomised

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ggufModels")
os.makedirs(FOLDER, exist_ok=True)
LENGTHS = [13, 7, 1]
LETTERS = list(bytes_to_unicode().values())
VOCABULARY = 40
LLAMA = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip


def gguf_name(name, parts, prefix):
    """`blk.0.attn_q.weight` for `model.layers.0.self_attn.q_proj.weight`."""
    stem, kind = name.rsplit(".", 1)
    if stem.startswith(prefix):
        layer, part = stem[len(prefix) :].split(".", 1)
        return f"blk.{layer}.{parts[part]}.{kind}"
    return f"{parts[stem]}.{kind}"


def halves_together(weight, heads):
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def llama3_divisors(rope, width):
    """As the converter computes them, beside transformers' own."""
    frequencies = 1.0 / rope["rope_theta"] ** (torch.arange(0, width, 2, dtype=torch.float32) / width)
    wavelengths = 2 * np.pi / frequencies
    old = rope["original_max_position_embeddings"]
    smooth = (old / wavelengths - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
    return (1 / ((1 - smooth) / rope["factor"] + smooth)).where(smooth > 0, rope["factor"]).where(smooth < 1, 1.0)


def write(name, architecture, config, seed, metadata, parts=LLAMA, prefix="model.layers.", change=lambda name, weight, model: weight,
          skipped=(), extra=lambda w, model: None, reads=True, ones=("norm",), fields=()):  # fmt: skip
    model = randomised(from_config(json.loads(json.dumps(config))), seed, ones=ones)
    path = os.path.join(FOLDER, f"{name}.gguf")
    w = GGUFWriter(path, architecture)
    metadata(w, model.config)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(LETTERS[: VOCABULARY - 1] + [LETTERS[0] + LETTERS[1]])
    w.add_token_merges([f"{LETTERS[0]} {LETTERS[1]}"])
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    weights = dict(model.named_parameters())
    for key, weight in weights.items():
        if key in skipped:
            continue
        w.add_tensor(gguf_name(key, parts, prefix), np.ascontiguousarray(change(key, weight.detach(), model).numpy()))
    extra(w, model)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    if reads:
        read = AutoModelForCausalLM.from_pretrained(FOLDER, gguf_file=f"{name}.gguf")
        for key, weight in read.named_parameters():
            assert torch.allclose(weight, weights[key], atol=1e-6), f"{name}: transformers reads another {key}"
    generator = torch.Generator().manual_seed(seed + 1)
    sequences = [torch.randint(0, VOCABULARY, (1, length), generator=generator) for length in LENGTHS]
    with torch.no_grad():
        logits = torch.cat([model(input_ids=ids, use_cache=False).logits[0] for ids in sequences])
    expected = {
        "sequences": [ids[0].tolist() for ids in sequences],
        "logits": base64.b64encode(logits.float().numpy().tobytes()).decode(),
        "config": {field: getattr(model.config, field) for field in fields},
    }
    with open(os.path.join(FOLDER, f"{name}.json"), "w") as file:
        json.dump(expected, file)


def sizes(w, config):
    """What every converter writes."""
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)


def kin(w, config):
    sizes(w, config)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    rope = config.rope_parameters
    w.add_rope_freq_base(rope["rope_theta"])
    if config.to_dict().get("head_dim") is not None:
        w.add_key_length(config.head_dim)
        w.add_value_length(config.head_dim)
    if rope["rope_type"] in ("linear", "yarn"):
        w.add_rope_scaling_type(RopeScalingType(rope["rope_type"]))
        w.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        w.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
        w.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])


def llama_metadata(w, config):
    kin(w, config)
    w.add_vocab_size(config.vocab_size)
    w.add_rope_dimension_count(config.head_dim)


def llama_change(name, weight, model):
    if ".q_proj." in name:
        return halves_together(weight, model.config.num_attention_heads)
    return halves_together(weight, model.config.num_key_value_heads) if ".k_proj." in name else weight


tiny = dict(vocab_size=VOCABULARY, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
LLAMA_FIELDS = ["hidden_size", "head_dim", "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings"]


def llama():
    common = dict(metadata=llama_metadata, change=llama_change, fields=LLAMA_FIELDS)
    # as SmolLM2: the head tied
    write("llama", "llama", dict(tiny, model_type="llama", tie_word_embeddings=True, rms_norm_eps=1e-3, rope_theta=1000.0), 71, **common)
    # as Llama 3.1: scaled frequencies, of which only divisors are stored; a head of its own
    rope = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192)
    divisors = lambda w, model: w.add_tensor("rope_freqs.weight", llama3_divisors(rope, model.config.head_dim).numpy())  # noqa: E731
    write("llama3", "llama", dict(tiny, model_type="llama", head_dim=12, rope_parameters=rope), 73, extra=divisors, reads=False, **common)
    # biases everywhere, scaled positions
    config = dict(tiny, model_type="llama", attention_bias=True, mlp_bias=True, rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=500.0))
    write("llama-biases", "llama", config, 75, reads=False, **common)
    # Mistral, whose files are Llama's, with YaRN
    rope = dict(rope_type="yarn", rope_theta=100.0, factor=4.0, original_max_position_embeddings=16, beta_fast=4.0, beta_slow=1.0)
    write("mistral", "llama", dict(tiny, model_type="mistral", sliding_window=None, head_dim=6, rope_parameters=rope), 77, reads=False, **common)


NEOX = {
    "gpt_neox.embed_in": "token_embd", "gpt_neox.final_layer_norm": "output_norm", "lm_head": "output", "embed_out": "output",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "attention.query_key_value": "attn_qkv",
    "attention.dense": "attn_output", "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down",
}  # fmt: skip
BLOOM = {
    "transformer.word_embeddings": "token_embd", "transformer.word_embeddings_layernorm": "token_embd_norm", "transformer.ln_f": "output_norm",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attention.query_key_value": "attn_qkv",
    "self_attention.dense": "attn_output", "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down",
}  # fmt: skip
GEMMA = dict(LLAMA, post_attention_layernorm="post_attention_norm", pre_feedforward_layernorm="ffn_norm", post_feedforward_layernorm="post_ffw_norm")


def parts_together(name, weight, model):
    """Of each head query, key and value, to all queries, all keys, all values."""
    if ".query_key_value." not in name:
        return weight
    heads = model.config.num_attention_heads
    return weight.reshape(heads, 3, weight.shape[0] // heads // 3, *weight.shape[1:]).transpose(0, 1).reshape(weight.shape)


def one_more(name, weight, model):
    return weight + 1 if name.endswith("norm.weight") else weight


def gemma2_metadata(w, config):
    kin(w, config)
    w.add_attn_logit_softcapping(config.attn_logit_softcapping)
    w.add_final_logit_softcapping(config.final_logit_softcapping)
    w.add_sliding_window(config.sliding_window)


def cohere_metadata(w, config):
    sizes(w, config)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_layer_norm_eps(config.layer_norm_eps)
    w.add_rope_freq_base(config.rope_parameters["rope_theta"])
    w.add_logit_scale(config.logit_scale)
    w.add_rope_scaling_type(RopeScalingType.NONE)
    if config.model_type == "cohere2":
        w.add_sliding_window(config.sliding_window)
        w.add_vocab_size(config.vocab_size)
        w.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)


def bloom_metadata(w, config):
    w.add_context_length(64)
    w.add_embedding_length(config.hidden_size)
    w.add_feed_forward_length(4 * config.hidden_size)
    w.add_block_count(config.n_layer)
    w.add_head_count(config.n_head)
    w.add_head_count_kv(config.n_head)
    w.add_layer_norm_eps(config.layer_norm_epsilon)


def neox_metadata(w, config):
    sizes(w, config)
    share = config.rope_parameters["partial_rotary_factor"]
    w.add_rope_dimension_count(int(share * (config.hidden_size // config.num_attention_heads)))
    w.add_parallel_residual(config.use_parallel_residual)
    w.add_layer_norm_eps(config.layer_norm_eps)


def others():
    base = dict(rope_type="default", rope_theta=1e6)
    write("qwen2", "qwen2", dict(tiny, model_type="qwen2", rope_parameters=base), 81, kin, fields=LLAMA_FIELDS[:1] + LLAMA_FIELDS[2:])
    # transformers takes a head's width for width / heads there
    write("qwen3", "qwen3", dict(tiny, model_type="qwen3", head_dim=6, tie_word_embeddings=True, rope_parameters=base), 83, kin, reads=False, fields=LLAMA_FIELDS)
    config = dict(tiny, model_type="gemma2", head_dim=6, query_pre_attn_scalar=6, sliding_window=5, attn_logit_softcapping=5.0, final_logit_softcapping=3.0)
    fields = LLAMA_FIELDS + ["sliding_window", "layer_types", "query_pre_attn_scalar", "final_logit_softcapping"]
    write("gemma2", "gemma2", config, 85, gemma2_metadata, GEMMA, change=one_more, ones=(), fields=fields)
    # Command R+: heads normed, which needs three dimensions of every head's width
    write("command-r", "command-r", dict(tiny, model_type="cohere", use_qk_norm=True, logit_scale=0.5, rope_parameters=base), 87, cohere_metadata, reads=False,
          fields=["use_qk_norm", "logit_scale", "layer_norm_eps"])  # fmt: skip
    config = dict(tiny, model_type="cohere2", num_hidden_layers=4, sliding_window=5, logit_scale=0.25, rope_parameters=dict(base, rope_theta=50000.0))
    write("cohere2", "cohere2", config, 89, cohere_metadata, reads=False, fields=["logit_scale", "sliding_window", "layer_types"])
    config = dict(model_type="bloom", vocab_size=VOCABULARY, hidden_size=12, n_layer=2, n_head=3, bos_token_id=1, eos_token_id=2)
    write("bloom", "bloom", config, 91, bloom_metadata, BLOOM, "transformer.h.", parts_together, ones=("norm", "ln_f"), fields=["hidden_size", "n_head"])
    config = dict(model_type="gpt_neox", vocab_size=VOCABULARY, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2,
                  max_position_embeddings=64, use_parallel_residual=False, bos_token_id=1, eos_token_id=2)  # fmt: skip
    write("gptneox", "gptneox", config, 93, neox_metadata, NEOX, "gpt_neox.layers.", parts_together, reads=False, fields=["use_parallel_residual", "intermediate_size"])


# What the tokenizer.json of each family on the Hugging Face hub says.
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
          r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")  # fmt: skip


def by_regex(pattern):
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


def by_digit():
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])


PUBLISHED = {
    "gpt-2": (None, pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "olmo": (normalizers.NFC(), pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "smollm": (None, by_digit()),
    "command-r": (normalizers.NFC(), by_digit()),
    "llama-bpe": (None, by_regex(CONTRACTIONS.replace("DIGITS", r"\p{N}{1,3}"))),
    "qwen2": (normalizers.NFC(), by_regex(CONTRACTIONS.replace("DIGITS", r"\p{N}"))),
    "tekken": (None, by_regex(TEKKEN)),
    "bloom": (None, by_regex(r" ?[^(\s|[.,!?…。，、।۔،])]+")),
}
TEXTS = [
    "Hello, world! It's 1234567 o'clock; they'LL see  42 \t things.\r\n\r\n  New (line)… done|ok",
    "  leading,   trailing   ",
    "CamelCaseWORDS aB ÀÉ ßtraße e\u0301te\u0301 x²³½ ٣٤٥ १२३ 五十 ２０",
    "日本語のテキスト。漢字、かな。한국어 텍스트 हिन्दी में लिखा है। عربي، نص۔",
    "a\u0085b\ufeffc\u00a0d\u3000e\u200bf \u00a0 g", "https://x.org/a?b=c//\n\n/", "😀👍🏽 émoji", "don’t 'S 'tis 'Re", "",
]  # fmt: skip


def word_splits():
    out = {}
    for name, (normalizer, splitter) in PUBLISHED.items():
        normalised = [normalizer.normalize_str(text) if normalizer else text for text in TEXTS]
        out[name] = [[text, [word for word, _ in splitter.pre_tokenize_str(own)]] for text, own in zip(TEXTS, normalised)]
    with open(os.path.join(FOLDER, "wordSplits.json"), "w") as file:
        json.dump(out, file, ensure_ascii=False, indent=0)


if __name__ == "__main__":
    llama()
    others()
    word_splits()

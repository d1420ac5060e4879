"""Random tiny Llama, Mistral, Qwen and GPT-NeoX models with what transformers computes for them (see tinyModels.py), and the rotary
frequencies of every scaling.

    HF_HUB_OFFLINE=1 python3 test/goldens/llamaKin.py test/goldens/models

Made with transformers 5.23, torch 2.13. Writes rotaryScaling.json beside the folder.
"""
import json, os, sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from tinyModels import LENGTHS, VOCABULARY, expected, fresh, from_config, randomised, tidy_up, write_config

tiny = dict(vocab_size=VOCABULARY, hidden_size=12, intermediate_size=14, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1,
            max_position_embeddings=64, bos_token_id=1, eos_token_id=2)


def saved(name, seed, config, expect={}, **options):
    """As transformers 5 writes it."""
    folder = fresh(name)
    model = randomised(from_config(json.loads(json.dumps(config))), seed, ones=("norm",))
    model.save_pretrained(folder, **options)
    expected(model, folder, LENGTHS, seed + 1, **expect)


def stored(name, seed, config, change=lambda tensors: tensors, dtype=torch.float32, expect={}):
    """As it was stored once: this config to the letter, these names."""
    folder = fresh(name)
    model = randomised(from_config(json.loads(json.dumps(config))), seed, dtype, ones=("norm",))
    tensors = change({key: weight.detach().to(dtype).clone() for key, weight in model.named_parameters()})
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    write_config(folder, config)
    expected(model, folder, LENGTHS, seed + 1, **expect)


# llama: Llama 3's rotary scaling, heads wider than the width's share, the head tied
saved("llama", 41, dict(tiny, model_type="llama", num_attention_heads=4, num_key_value_heads=2, head_dim=6, tie_word_embeddings=True, rope_parameters=dict(
    rope_type="llama3", rope_theta=500.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=3.0, original_max_position_embeddings=16)))

# llama: old spellings, biases, buffers of the first releases, stored as float16
def with_buffers(tensors):
    for layer in range(2):
        tensors[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = torch.ones(2)
    return tensors

config = dict(tiny, model_type="llama", architectures=["LlamaForCausalLM"], rope_theta=300.0, rope_scaling=dict(type="linear", factor=2.5),
              hidden_act="gelu", attention_bias=True, mlp_bias=True, rms_norm_eps=1e-3, torch_dtype="float16", pretraining_tp=2)
del config["num_key_value_heads"]
stored("llama-old-config", 43, config, with_buffers, torch.float16)

# llama: dynamic scaling beyond the trained length, weights without the prefix, a head stored beside the embedding it is tied to
stored("llama-dynamic", 45, dict(tiny, model_type="llama", max_position_embeddings=8, tie_word_embeddings=True,
                                 rope_theta=200.0, rope_scaling=dict(rope_type="dynamic", factor=4.0), dtype="float32"),
       lambda tensors: {key.removeprefix("model."): tensor for key, tensor in tensors.items()} | {"lm_head.weight": tensors["model.embed_tokens.weight"].clone()})

# mistral: a window that the sequences outgrow, YaRN
saved("mistral", 47, dict(tiny, model_type="mistral", sliding_window=5, rope_parameters=dict(
    rope_type="yarn", rope_theta=100.0, factor=4.0, original_max_position_embeddings=16, beta_fast=4, beta_slow=1)), max_shard_size="6KB")

# mistral with a window on some layers alone, which transformers calls ministral
stored("mistral-layer-types", 49, dict(tiny, model_type="ministral", num_attention_heads=4, num_key_value_heads=2, sliding_window=4, head_dim=6, rope_theta=1000.0, hidden_act="gelu_new",
                                       layer_types=["sliding_attention", "full_attention"]))

# qwen2: windows above the first layer
saved("qwen2", 51, dict(tiny, model_type="qwen2", use_sliding_window=True, sliding_window=3, max_window_layers=1, tie_word_embeddings=True))

# qwen2 as Alibaba stores it: a window that is switched off, stored as bfloat16
stored("qwen2-old-config", 53, dict(tiny, model_type="qwen2", use_sliding_window=False, sliding_window=3, max_window_layers=1, rope_theta=1e6,
                                    use_mrope=False, torch_dtype="bfloat16"), dtype=torch.bfloat16)

# qwen3: normed heads, windows where layer_types has them, biases
saved("qwen3", 55, dict(tiny, model_type="qwen3", num_attention_heads=4, num_key_value_heads=2, head_dim=6, attention_bias=True, use_sliding_window=True,
                        sliding_window=4, layer_types=["sliding_attention", "full_attention"], rope_parameters=dict(rope_type="default", rope_theta=1e6)))

neox = dict(model_type="gpt_neox", vocab_size=VOCABULARY, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=64, bos_token_id=0, eos_token_id=0)
head = dict(rename=lambda name: name.replace("lm_head.", "embed_out."))

# gpt_neox: as transformers 5 writes it, a quarter of each head turned
saved("gpt-neox", 57, neox, expect=head)

# gpt_neox as Pythia was stored: old spellings, buffers, a sequential block, no biases in attention, scaled positions, stored as float16
def pythia(tensors):
    for layer in range(2):
        tensors[f"gpt_neox.layers.{layer}.attention.bias"] = torch.ones(64, 64, dtype=torch.bool).tril()[None, None]
        tensors[f"gpt_neox.layers.{layer}.attention.masked_bias"] = torch.tensor(-1e4)
        tensors[f"gpt_neox.layers.{layer}.attention.rotary_emb.inv_freq"] = torch.ones(2)
    return {head["rename"](key): tensor for key, tensor in tensors.items()}

stored("gpt-neox-old-config", 59, dict(neox, architectures=["GPTNeoXForCausalLM"], rotary_pct=0.75, rotary_emb_base=200, use_parallel_residual=False,
                                       attention_bias=False, hidden_act="gelu_new", layer_norm_eps=1e-3, torch_dtype="float16",
                                       rope_scaling=dict(type="linear", factor=2.0)), pythia, torch.float16, head)

tidy_up()

cases = []
for scaling in [dict(rope_type="default"), dict(rope_type="linear", factor=3.0), dict(rope_type="dynamic", factor=2.0),
                dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192),
                dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=4096),
                dict(rope_type="yarn", factor=40.0, original_max_position_embeddings=4096, mscale=1.0, mscale_all_dim=0.7, beta_fast=16, beta_slow=2, truncate=False),
                dict(rope_type="yarn", factor=2.0, attention_factor=1.5)]:
    for length in [100, 20000] if scaling["rope_type"] == "dynamic" else [100]:
        config = LlamaConfig(hidden_size=64, num_attention_heads=2, max_position_embeddings=16384, rope_parameters=dict(scaling, rope_theta=50000.0))
        rotary = LlamaRotaryEmbedding(config)
        rotary(torch.zeros(1), torch.tensor([[length - 1]]))
        cases.append({"rope_parameters": dict(scaling, rope_theta=50000.0), "length": length, "frequencies": rotary.inv_freq.tolist(), "factor": rotary.attention_scaling})
Path(sys.argv[1]).with_name("rotaryScaling.json").write_text("[\n" + ",\n".join(" " + json.dumps(case) for case in cases) + "\n]\n")

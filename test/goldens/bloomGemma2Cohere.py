"""Random tiny BLOOM, Gemma 2 and Cohere models with what transformers computes for them: see tinyModels.py.

    HF_HUB_OFFLINE=1 python3 test/goldens/bloomGemma2Cohere.py test/goldens/models

Made with transformers 5.23, torch 2.13.
"""
import json, os
import torch
from safetensors.torch import save_file
from tinyModels import LENGTHS, VOCABULARY, expected, fresh, from_config, randomised, tidy_up, write_config

NORMS = ("norm", "ln_")


def stored(tensors, folder):
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


bloom = dict(model_type="bloom", vocab_size=VOCABULARY, hidden_size=12, n_layer=2, bos_token_id=1, eos_token_id=2)

# bloom: as transformers 5 writes it; three heads: no power of two
folder = fresh("bloom")
model = randomised(from_config(dict(bloom, n_head=3)), 21, ones=NORMS)
model.save_pretrained(folder)
expected(model, folder, LENGTHS, 22)

# bloom: as BigScience stored it: no prefix, old spellings, fields of its training code; residuals after the norms, a head of its own
folder = fresh("bloom-old-names")
config = {key: value for key, value in bloom.items() if key not in ("hidden_size", "n_layer")}
config.update(n_embed=12, num_hidden_layers=2, num_attention_heads=2, apply_residual_connection_post_layernorm=True, layer_norm_epsilon=1e-2,
              tie_word_embeddings=False, seq_length=8, pretraining_tp=2, slow_but_exact=False, attention_softmax_in_fp32=True,
              bias_dropout_fusion=True, masked_softmax_fusion=True, offset_alibi=100, skip_bias_add=True, skip_bias_add_qkv=False,
              unk_token_id=0, hidden_dropout=0.0, attention_dropout=0.0)
model = randomised(from_config(json.loads(json.dumps(config))), 23, ones=NORMS)
tensors = {name.removeprefix("transformer."): weight for name, weight in model.named_parameters()}
for layer in range(2):
    tensors[f"h.{layer}.self_attention.scale_mask_softmax.causal_mask"] = torch.ones(8, 8, dtype=torch.bool).tril()[None, None]
stored(tensors, folder)
write_config(folder, dict(config, architectures=["BloomForCausalLM"]))
expected(model, folder, LENGTHS, 24)

# gemma2: as transformers 5 writes it; caps that bend, a window that the sequences outgrow
gemma2 = dict(model_type="gemma2", vocab_size=VOCABULARY, hidden_size=12, intermediate_size=14, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, head_dim=6, max_position_embeddings=64, bos_token_id=2, eos_token_id=1)
folder = fresh("gemma2")
config = dict(gemma2, num_key_value_heads=1, query_pre_attn_scalar=3, sliding_window=5, attn_logit_softcapping=1.5, final_logit_softcapping=2.0)
model = randomised(from_config(json.loads(json.dumps(config))), 31)
model.save_pretrained(folder)
expected(model, folder, LENGTHS, 32)

# gemma2: as Google stored it once, with both names of the activation; no caps, biases, linear rotary scaling, its layers' types, a head of its own
folder = fresh("gemma2-old-config")
config = dict(gemma2, architectures=["Gemma2ForCausalLM"], rope_theta=300.0, rope_scaling=dict(type="linear", factor=2.0), hidden_act="gelu",
              hidden_activation="silu", attention_bias=True, rms_norm_eps=1e-3, attn_logit_softcapping=None, final_logit_softcapping=None, sliding_window=3,
              query_pre_attn_scalar=9, layer_types=["full_attention", "sliding_attention"], tie_word_embeddings=False, cache_implementation="hybrid",
              torch_dtype="float32")
model = randomised(from_config(json.loads(json.dumps(config))), 33)
tensors = {name.removeprefix("model."): weight for name, weight in model.named_parameters()}
tensors["layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(3)
stored(tensors, folder)
write_config(folder, config)
expected(model, folder, LENGTHS, 34)

# cohere (a padding token's embedding would get no gradient): as transformers 5 writes it; norms of the heads' queries and keys
cohere = dict(model_type="cohere", vocab_size=VOCABULARY, hidden_size=12, intermediate_size=14, num_hidden_layers=2, num_attention_heads=3,
              num_key_value_heads=1, max_position_embeddings=64, bos_token_id=5, eos_token_id=6, pad_token_id=None)
folder = fresh("cohere")
config = dict(cohere, num_attention_heads=2, num_key_value_heads=2, use_qk_norm=True, rope_parameters=dict(rope_type="default", rope_theta=100.0), logit_scale=0.5)
model = randomised(from_config(config), 35, ones=("norm",))
model.save_pretrained(folder)
expected(model, folder, LENGTHS, 36)

# cohere: as Aya 23 is stored, with linear rotary scaling, biases and a head of its own
folder = fresh("cohere-old-config")
config = dict(cohere, architectures=["CohereForCausalLM"], rope_theta=300.0, rope_scaling=dict(type="linear", factor=2.0), attention_bias=True, attention_dropout=0.0,
              hidden_act="gelu", layer_norm_eps=1e-3, logit_scale=1.5, tie_word_embeddings=False, use_qk_norm=False, torch_dtype="float32", use_cache=True)
model = randomised(from_config(json.loads(json.dumps(config))), 37, ones=("norm",))
stored(dict(model.named_parameters()), folder)
write_config(folder, config)
expected(model, folder, LENGTHS, 38)

# cohere2: as transformers 5 writes it; a sliding layer that turns, a full one that does not
folder = fresh("cohere2")
cohere2 = dict(cohere, model_type="cohere2", sliding_window=5, logit_scale=0.5)
model = randomised(from_config(dict(cohere2, layer_types=["full_attention", "sliding_attention"])), 39, ones=("norm",))
model.save_pretrained(folder)
expected(model, folder, LENGTHS, 40)

# cohere2: as Cohere stored it, with a pattern in place of the layers' types and fields that nothing reads
folder = fresh("cohere2-old-config")
config = dict(cohere2, architectures=["Cohere2ForCausalLM"], rope_theta=50.0, rope_scaling=None, sliding_window_pattern=2, num_hidden_layers=3, attention_bias=True,
              cache_implementation="hybrid", head_dim=4, layer_switch=4, order_of_interleaved_layers="local_attn_first", position_embedding_type="rope_gptj",
              rotary_pct=1.0, use_embedding_sharing=True, use_gated_activation=True, use_parallel_block=True, use_parallel_embedding=True, torch_dtype="float32")
model = randomised(from_config(json.loads(json.dumps(config))), 41, ones=("norm",))
stored({name.removeprefix("model."): weight for name, weight in model.named_parameters()}, folder)
write_config(folder, config)
expected(model, folder, LENGTHS, 42)

tidy_up()

"""Random tiny models with what transformers computes for them, in float32 and without padding.

    HF_HUB_OFFLINE=1 python3 test/goldens/models.py test/goldens/models

Made with transformers 5.23, torch 2.13. Each folder is a model folder (config.json, safetensors) with `expected.json` (the
sequences of token ids) and `expected.safetensors`: `logits.S` and `hidden.S.N` of sequence S, and `grad.NAME`, the gradient of
the mean next-token negative log-likelihood over all sequences. The last hidden state is after the final norm.
"""
import json, os, sys
import torch
from safetensors.torch import save_file
from transformers import Gemma3Config, Gemma3ForConditionalGeneration
from tinyModels import LENGTHS, VOCABULARY, expected, fresh, from_config, randomised, tidy_up, write_config

gemma = dict(model_type="gemma3_text", vocab_size=VOCABULARY, hidden_size=16, intermediate_size=20, num_attention_heads=4,
             num_key_value_heads=2, head_dim=6, max_position_embeddings=64, sliding_window=5, query_pre_attn_scalar=9, pad_token_id=None)
gpt = dict(model_type="gpt2", vocab_size=VOCABULARY, n_embd=12, n_head=3, n_layer=3, n_positions=32,
           attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, bos_token_id=0, eos_token_id=0)

# gemma3: as transformers 5 writes it; a full layer is the sixth of seven
folder = fresh("gemma3-text")
model = randomised(from_config(dict(gemma, num_hidden_layers=7)), 1)
model.save_pretrained(folder)
expected(model, folder, LENGTHS, 2)

# gemma3: old spellings, linear scaling, biases, soft-capped logits, a head of its own, several files
folder = fresh("gemma3-old-config")
config = dict(gemma, num_hidden_layers=3, num_key_value_heads=1, sliding_window_pattern=2, rope_theta=5000.0, rope_local_base_freq=300.0,
              rope_scaling={"rope_type": "linear", "factor": 8.0}, attention_bias=True, final_logit_softcapping=3.0,
              attn_logit_softcapping=0.5, tie_word_embeddings=False, torch_dtype="float32", hidden_activation="silu", rms_norm_eps=1e-3)
model = randomised(from_config(json.loads(json.dumps(config))), 3)
model.save_pretrained(folder, max_shard_size="10KB")
write_config(folder, dict(config, architectures=["Gemma3ForCausalLM"]))
expected(model, folder, LENGTHS, 4)

# gemma3: the image and text model, stored as bfloat16; its text model alone is used
folder = fresh("gemma3-multimodal")
text = dict(gemma, num_hidden_layers=2, layer_types=["full_attention", "sliding_attention"])
vision = dict(model_type="siglip_vision_model", hidden_size=4, intermediate_size=4, num_hidden_layers=1, num_attention_heads=1, image_size=8, patch_size=4)
config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=39, boi_token_index=38, eoi_token_index=37)
config._attn_implementation = "eager"
model = randomised(Gemma3ForConditionalGeneration(config), 5, torch.bfloat16)
model.to(torch.bfloat16).save_pretrained(folder)
# read back: a model cast to bfloat16 and back keeps rounded rotary frequencies
model = Gemma3ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
expected(model, folder, LENGTHS, 6, lambda name: name.replace("model.language_model.", "model."), vocabulary=37)

# gpt2: as transformers 5 writes it
folder = fresh("gpt2")
model = randomised(from_config(gpt), 7)
model.save_pretrained(folder)
expected(model, folder, LENGTHS, 8)

# gpt2: everything that a config can switch, stored as float16 in several files
folder = fresh("gpt2-switched")
model = randomised(from_config(dict(gpt, n_inner=20, activation_function="silu", scale_attn_by_inverse_layer_idx=True, scale_attn_weights=False,
                                    reorder_and_upcast_attn=True, layer_norm_epsilon=1e-2, tie_word_embeddings=False)), 9, torch.float16)
model.to(torch.float16).save_pretrained(folder, max_shard_size="4KB")
expected(model.to(torch.float32), folder, LENGTHS, 10)

# gpt2: as the first releases were stored: no prefix, the causal mask as a buffer, the head beside the embedding it is tied to
folder = fresh("gpt2-old-names")
config = dict(gpt, activation_function="gelu", n_layer=2)
model = randomised(from_config(json.loads(json.dumps(config))), 11)
tensors = {name.removeprefix("transformer."): weight.detach().clone() for name, weight in model.named_parameters()}
tensors["lm_head.weight"] = tensors["wte.weight"].clone()
for layer in range(2):
    tensors[f"h.{layer}.attn.bias"] = torch.ones(32, 32, dtype=torch.bool).tril()[None, None]
    tensors[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
write_config(folder, config)
expected(model, folder, LENGTHS, 12)

tidy_up()

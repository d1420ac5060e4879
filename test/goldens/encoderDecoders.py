"""Random tiny T5 models with what transformers computes for them, in float32 and without padding.

    HF_HUB_OFFLINE=1 python3 test/goldens/encoderDecoders.py test/goldens/encoderDecoders

Made with transformers 5.23, torch 2.14. Each folder is a model folder with `expected.json`: pairs of token ids (a text read, a text written)
with the mean log-likelihood a token of the second given the first. `expected.safetensors`: `logits.P` of the pair, `encoder.P.N` and `decoder.P.N`,
the hidden states. `buckets.json`: the buckets of distances from -200 to 200 by (buckets, longest distance, bidirectional).
"""
import json, os, shutil, sys
import torch
from safetensors.torch import save_file
from tinyModels import fresh, randomised, write_config
from transformers import AutoConfig, AutoModelForSeq2SeqLM
from transformers.models.t5.modeling_t5 import T5Attention

here = os.path.dirname(os.path.abspath(__file__))
VOCABULARY = 1504  # the tokenizer of tokenizerFiles/t5 fits in
LENGTHS = [(13, 6), (1, 4), (40, 1), (5, 9)]


def build(config, seed, untied=False):
    model = AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model(**config), attn_implementation="eager", dtype=torch.float32)
    if untied:
        model.lm_head.weight = torch.nn.Parameter(torch.empty(VOCABULARY, config["d_model"]))
    return randomised(model, seed, ones=("norm",))


def expected(model, folder, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors, pairs = {}, []
    draw = lambda length: torch.randint(3, VOCABULARY, (1, length), generator=generator)
    for p, (read, written) in enumerate(LENGTHS):
        source, target = draw(read), draw(written)
        with torch.no_grad():
            output = model(input_ids=source, labels=target, output_hidden_states=True)
        if p != 2:
            tensors[f"logits.{p}"] = output.logits[0]
        for half in ("encoder", "decoder"):
            for n, hidden in enumerate(output[f"{half}_hidden_states"]):
                tensors[f"{half}.{p}.{n}"] = hidden[0]
        pairs.append({"read": source[0].tolist(), "written": target[0].tolist(), "logLikelihood": -output.loss.item()})
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, os.path.join(folder, "expected.safetensors"))
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump(pairs, file)


t5 = dict(model_type="t5", vocab_size=VOCABULARY, d_model=8, d_kv=3, d_ff=10, num_layers=2, num_heads=2, decoder_start_token_id=0,
          relative_attention_num_buckets=8, relative_attention_max_distance=20)

# t5: as transformers 5 writes it: the head is the embedding, and logits are scaled
folder = fresh("t5")
model = build(dict(t5, num_decoder_layers=1), 71)
model.save_pretrained(folder)
expected(model, folder, 72)

# t5 1.1: as Google stored it: gated, a head of its own, unscaled, the embedding three times and a bias that nothing uses
folder = fresh("t5-old-names")
config = dict(t5, architectures=["T5ForConditionalGeneration"], feed_forward_proj="gated-gelu", tie_word_embeddings=False, layer_norm_epsilon=1e-3,
              num_layers=1, n_positions=512, output_past=True, is_encoder_decoder=True, dropout_rate=0.1)
model = build(json.loads(json.dumps(config)), 73, untied=True)
tensors = {name: weight.detach().clone() for name, weight in model.named_parameters()}
tensors["encoder.embed_tokens.weight"] = tensors["decoder.embed_tokens.weight"] = tensors["shared.weight"]
tensors["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = torch.zeros(8, 2)
torch.save(tensors, os.path.join(folder, "pytorch_model.bin"))
write_config(folder, config)
loaded = AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()
assert not torch.equal(loaded.lm_head.weight, loaded.shared.weight)
expected(loaded, folder, 74)

# mt5: a head of its own where the config, as transformers 5 writes it, says that it is tied; gated-silu
folder = fresh("mt5")
model = build(dict(t5, model_type="mt5", feed_forward_proj="gated-silu", num_layers=1), 75, untied=True)
model.config.save_pretrained(folder)
save_file({name: weight.detach().clone() for name, weight in model.named_parameters()}, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
loaded = AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()
assert not torch.equal(loaded.lm_head.weight, loaded.shared.weight)
expected(loaded, folder, 76)

for name in ("t5", "t5-old-names", "mt5"):
    for file in os.listdir(os.path.join(here, "tokenizerFiles", "t5")):
        if file != "expected.json":
            shutil.copy(os.path.join(here, "tokenizerFiles", "t5", file), os.path.join(sys.argv[1], name))
    generation = os.path.join(sys.argv[1], name, "generation_config.json")
    if os.path.exists(generation):
        os.remove(generation)

distances = torch.arange(-200, 201)
tables = [{"buckets": buckets, "longest": longest, "bidirectional": both,
           "expected": T5Attention._relative_position_bucket(distances, bidirectional=both, num_buckets=buckets, max_distance=longest).tolist()}
          for buckets, longest in [(32, 128), (8, 20), (16, 100)] for both in (True, False)]
with open(os.path.join(sys.argv[1], "buckets.json"), "w") as file:
    json.dump(tables, file)

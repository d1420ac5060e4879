"""Random tiny sequence classifiers with what transformers computes for them, in float32 and without padding.

    HF_HUB_OFFLINE=1 python3 test/goldens/classifiers.py test/goldens/classifiers

Made with transformers 5.23, torch 2.14. Each folder is a model folder with `expected.json` (sequences of token ids; the texts that the
scorer's test scores, with the probabilities of the text classification pipeline by label) and `expected.safetensors`: `logits.S`,
`hidden.S.N`, and `grad.NAME`, the gradient of the sum of all logits, each times the sine of its place, counted over sequences and labels.
"""
import json, os, shutil
import torch
from safetensors.torch import save_file
from tinyModels import LENGTHS, fresh, randomised, write_config
from transformers import (AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, TextClassificationPipeline)

here = os.path.dirname(os.path.abspath(__file__))
VOCABULARY = 1504  # the tokenizers of tokenizerFiles fit in
# the padding token's embedding gets no gradient
FIRST_ID = 5
TEXTS = ["The history of the city goes back to the twelfth century.", "", "You are a fool!", "Die Stadt, das Dorf und 东京", "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 3]


def build(config, seed):
    config = AutoConfig.for_model(**config)
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager", dtype=torch.float32)
    return randomised(model, seed, ones=("norm", "Norm"))


def expected(model, folder, seed, tokenizer, rename=lambda name: name):
    generator = torch.Generator().manual_seed(seed)
    sequences = [torch.randint(FIRST_ID, VOCABULARY, (1, length), generator=generator) for length in LENGTHS]
    tensors, loss, place = {}, 0.0, 0
    for s, ids in enumerate(sequences):
        output = model(input_ids=ids, output_hidden_states=True)
        tensors[f"logits.{s}"] = output.logits[0]
        for n, hidden in enumerate(output.hidden_states):
            tensors[f"hidden.{s}.{n}"] = hidden[0]
        for logit in output.logits[0]:
            loss = loss + logit * torch.sin(torch.tensor(float(place)))
            place += 1
    loss.backward()
    for name, weight in model.named_parameters():
        if weight.grad is not None and "word_embeddings" not in name:
            tensors[f"grad.{rename(name)}"] = weight.grad
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, os.path.join(folder, "expected.safetensors"))
    for file in os.listdir(os.path.join(here, "tokenizerFiles", tokenizer)):
        if file != "expected.json":
            shutil.copy(os.path.join(here, "tokenizerFiles", tokenizer, file), folder)
    pipeline = TextClassificationPipeline(model=model, tokenizer=AutoTokenizer.from_pretrained(folder), top_k=None)
    longest = model.config.max_position_embeddings - (model.config.pad_token_id + 1 if "roberta" in model.config.model_type else 0)
    scores = [{row["label"]: row["score"] for row in pipeline([text], truncation=True, max_length=longest)[0]} for text in TEXTS]
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump({"sequences": [ids[0].tolist() for ids in sequences], "texts": TEXTS, "scores": scores}, file, ensure_ascii=False)


bert = dict(vocab_size=VOCABULARY, hidden_size=8, intermediate_size=10, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=30)

# bert: as transformers 5 writes it, one label for each text
folder = fresh("bert")
config = dict(bert, model_type="bert", id2label={0: "non-toxic", 1: "toxic"}, label2id={"non-toxic": 0, "toxic": 1})
model = build(config, 51)
model.save_pretrained(folder)
expected(model, folder, 52, "bert")

# bert: as its first releases were stored, pickled, with gamma and beta; labels on their own, other switches
folder = fresh("bert-old-names")
labels = ["toxic", "severe_toxic", "insult"]
config = dict(bert, model_type="bert", architectures=["BertForSequenceClassification"], hidden_act="gelu_new", layer_norm_eps=1e-3, type_vocab_size=1,
              problem_type="multi_label_classification", id2label={str(i): label for i, label in enumerate(labels)}, pad_token_id=0,
              attention_probs_dropout_prob=0.1, hidden_dropout_prob=0.1, directionality="bidi", pooler_fc_size=768, position_embedding_type="absolute")
model = build(json.loads(json.dumps(config)), 53)
old = lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
tensors = {old(name): weight.detach().clone() for name, weight in model.named_parameters()}
tensors["bert.embeddings.position_ids"] = torch.arange(30)[None]
tensors["cls.predictions.bias"] = torch.zeros(3)
torch.save(tensors, os.path.join(folder, "pytorch_model.bin"))
write_config(folder, config)
expected(model, folder, 54, "bert-cased")

# distilbert: labels without names
folder = fresh("distilbert")
config = dict(model_type="distilbert", vocab_size=VOCABULARY, dim=8, hidden_dim=10, n_layers=2, n_heads=2, max_position_embeddings=30, activation="relu")
model = build(config, 55)
model.save_pretrained(folder)
expected(model, folder, 56, "bert-cased")

# roberta: a single label; places from 2 on
folder = fresh("roberta")
config = dict(bert, model_type="roberta", pad_token_id=1, type_vocab_size=1, num_labels=1, num_hidden_layers=1)
model = build(config, 57)
model.save_pretrained(folder)
expected(model, folder, 58, "roberta")

# xlm-roberta: labels on their own, with the pooler that the base model was stored with
folder = fresh("xlm-roberta")
labels = ["toxicity", "obscene"]
config = dict(bert, model_type="xlm-roberta", architectures=["XLMRobertaForSequenceClassification"], pad_token_id=1, type_vocab_size=1, output_past=True,
              problem_type="multi_label_classification", id2label={str(i): label for i, label in enumerate(labels)}, layer_norm_eps=1e-5)
model = build(json.loads(json.dumps(config)), 59)
tensors = {name: weight.detach().clone() for name, weight in model.named_parameters()}
tensors["roberta.pooler.dense.weight"] = torch.zeros(8, 8)
tensors["roberta.embeddings.position_ids"] = torch.arange(30)[None]
save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
write_config(folder, config)
expected(model, folder, 60, "xlm-roberta")

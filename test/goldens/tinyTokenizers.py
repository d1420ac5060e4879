"""Tiny tokenizers with what the tokenizers library makes of some texts.

    python3 test/goldens/tinyTokenizers.py test/goldens/tokenizers

Made with tokenizers 0.23 (transformers 5.23). `byte-level`: GPT-2's kind, no template. `template`: SentencePiece-like BPE with
byte fallback, as Gemma's, whose template puts <bos> in front.
"""
import json, os, sys
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

root = sys.argv[1]
CORPUS = ["The history of the city goes back to the twelfth century.", "the cat and the hat", "Die Stadt und das Dorf", "它是一个城市", "a b c the them then"] * 4
TEXTS = ["The cat and the city", " the  history\n", "Straße für 它们", "🙂 ok", "", "<eos>the"]


def save(name, tokenizer, config):
    folder = os.path.join(root, name)
    os.makedirs(folder, exist_ok=True)
    tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
        json.dump(config, file)
    rows = []
    for text in TEXTS:
        plain, special = tokenizer.encode(text, add_special_tokens=False).ids, tokenizer.encode(text).ids
        rows.append({"text": text, "plain": plain, "special": special, "decoded": tokenizer.decode(special, skip_special_tokens=True)})
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump({"size": tokenizer.get_vocab_size(), "eos": tokenizer.token_to_id("<eos>"), "bos": tokenizer.token_to_id("<bos>"), "rows": rows}, file)


byte = Tokenizer(models.BPE())
byte.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
byte.decoder = decoders.ByteLevel()
byte.post_processor = processors.ByteLevel(trim_offsets=False)
byte.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=290, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<eos>"], show_progress=False))
save("byte-level", byte, {"eos_token": "<eos>", "bos_token": "<eos>", "model_max_length": 32})

pieces = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
pieces.normalizer = normalizers.Replace(" ", "▁")
pieces.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
special = ["<pad>", "<eos>", "<bos>", "<unk>"]
pieces.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=330, special_tokens=special + [f"<0x{b:02X}>" for b in range(256)], show_progress=False))
# the byte pieces belong to the model's vocabulary, not to the special tokens
state = json.loads(pieces.to_str())
state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] in special]
pieces = Tokenizer.from_str(json.dumps(state))
pieces.post_processor = processors.TemplateProcessing(single="<bos> $A", pair="<bos> $A <bos> $B", special_tokens=[("<bos>", pieces.token_to_id("<bos>"))])
save("template", pieces, {"eos_token": {"content": "<eos>", "special": True}, "bos_token": "<bos>"})

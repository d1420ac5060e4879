"""Small tokenizers in the files of their publishers, with the ids that transformers and sentencepiece make of the parallel sentences.

    HF_HUB_OFFLINE=1 python3 test/goldens/tokenizerFiles.py

Made with transformers 5.23, sentencepiece 0.2. Each folder of test/goldens/tokenizerFiles is a model folder's tokenizer without
tokenizer.json; `expected.json` holds the oracle, texts with ids in full, and the first 8 hexadecimal digits of the SHA-256 of every
sentence's ids as JSON without spaces (special tokens included), the sentences being lines 1 to 20 of each language.
"""
import hashlib, io, json, shutil
from pathlib import Path

import sentencepiece
from tokenizers import ByteLevelBPETokenizer
from tokenizers.implementations import BertWordPieceTokenizer
from transformers import AutoTokenizer

here = Path(__file__).parent
data = here.parent.parent / "examples" / "cross-lingual-detox" / "data" / "parallel"
languages = {file.stem: file.read_text().splitlines() for file in sorted(data.glob("*.txt"))}
sentences = [line for lines in languages.values() for line in lines[:20]]
corpus = [line for lines in languages.values() for line in lines]
texts = [
    "The cat sat on the mat, didn't it?  Two  spaces.", " a space in front", "line\nline\r\n\n two\ttabs ", "Straße ＦＵＬＬ ﬁne №5 café café",
    "东京 日本語です。한국어 हिन्दी العربية", "🙂 👩‍👩‍👧 🇫🇷 ok", "<s>marked</s> and <mark> x <extra>y", "12345 3.14 1,000", "", " ", "I'LL we'Ve", "\u2581under ▁▁ lines",
]
root = here / "tokenizerFiles"
shutil.rmtree(root, ignore_errors=True)


def write(name, files, config, oracle="transformers", model_type="llama"):
    folder = root / name
    folder.mkdir(parents=True)
    for file, content in files.items():
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "tokenizer_config.json").write_text(json.dumps(config) + "\n")
    if oracle == "transformers":
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        print(name, type(tokenizer).__name__, len(tokenizer), tokenizer.encode("a"), tokenizer.all_special_tokens)
        (folder / "config.json").unlink()
        encode, shown = tokenizer.encode, texts
    else:
        processor = sentencepiece.SentencePieceProcessor(model_proto=files["tokenizer.model"])
        encode = processor.encode
        # special tokens are text to sentencepiece alone, and it puts a space before one that is there already
        shown = [text for text in texts if "<" not in text and not text.startswith((" ", "\u2581"))]
    digest = lambda ids: hashlib.sha256(json.dumps(ids, separators=(",", ":")).encode()).hexdigest()[:8]
    rows = [{"text": text, "ids": encode(text)} for text in shown + sentences[::40]]
    expected = {"oracle": oracle, "rows": rows, "digests": [digest(encode(sentence)) for sentence in sentences]}
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")


def train(**options):
    model = io.BytesIO()
    defaults = dict(hard_vocab_limit=False, character_coverage=0.98, minloglevel=2, num_threads=1, normalization_rule_name="identity")
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus), model_writer=model, **{**defaults, **options})
    return model.getvalue()


# GPT-2's: added tokens in the older spelling, the ends of a text named in special_tokens_map.json
byte = ByteLevelBPETokenizer()
byte.train_from_iterator(corpus, vocab_size=700, special_tokens=["<|endoftext|>"], show_progress=False)
model = json.loads(byte.to_str())["model"]
files = {
    "vocab.json": json.dumps(model["vocab"], ensure_ascii=False),
    "merges.txt": "#version: 0.2\n" + "".join(" ".join(merge) + "\n" for merge in model["merges"]),
}
write("gpt2", files | {
    "added_tokens.json": json.dumps({"<mark>": 700, "<extra>": 701}),
    "special_tokens_map.json": json.dumps({"eos_token": "<|endoftext|>", "additional_special_tokens": ["<mark>"]}),
}, {"tokenizer_class": "GPT2Tokenizer"}, model_type="gpt2")
# with a token put in front of every text, and a space
write("gpt2-bos", files, {"tokenizer_class": "GPT2TokenizerFast", "add_bos_token": True, "add_prefix_space": True, "bos_token": "<|endoftext|>"}, model_type="gpt2")
added = {str(700 + i): {"content": token, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True}
         for i, token in enumerate(["<|im_start|>", "<mark>"])}
write("qwen2", files, {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": added, "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}, model_type="qwen2")

# RoBERTa's: its own tokens in front of GPT-2's vocabulary
roberta = ByteLevelBPETokenizer()
roberta.train_from_iterator(corpus, vocab_size=700, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], show_progress=False)
model = json.loads(roberta.to_str())["model"]
write("roberta", {
    "vocab.json": json.dumps(model["vocab"], ensure_ascii=False),
    "merges.txt": "#version: 0.2\n" + "".join(" ".join(merge) + "\n" for merge in model["merges"]),
}, {"tokenizer_class": "RobertaTokenizer"}, model_type="roberta")

# BERT's: lowered and without accents, and as the multilingual cased ones are
for name, config in [("bert", {"tokenizer_class": "BertTokenizer"}), ("bert-cased", {"tokenizer_class": "DistilBertTokenizer", "do_lower_case": False})]:
    pieces = BertWordPieceTokenizer(lowercase=config.get("do_lower_case", True))
    pieces.train_from_iterator(corpus, vocab_size=1500, show_progress=False)
    vocab = sorted(pieces.get_vocab().items(), key=lambda item: item[1])
    write(name, {"vocab.txt": "".join(token + "\n" for token, _ in vocab)}, config, model_type="bert" if name == "bert" else "distilbert")

# Llama 2's, in its old and its new way with the space in front
llama = train(model_type="bpe", vocab_size=1500, byte_fallback=True, split_digits=True, remove_extra_whitespaces=False)
config = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
write("llama", {"tokenizer.model": llama, "added_tokens.json": json.dumps({"<mark>": 1500})}, config | {"legacy": False})
write("llama-legacy", {"tokenizer.model": llama}, config | {"legacy": True, "add_eos_token": True})
write("llama-sentencepiece", {"tokenizer.model": llama}, {"tokenizer_class": "OtherTokenizer"}, oracle="sentencepiece")

# Gemma's: no space in front, tokens of the user
gemma = train(model_type="bpe", vocab_size=1500, byte_fallback=True, split_digits=True, remove_extra_whitespaces=False, add_dummy_prefix=False,
              pad_id=0, eos_id=1, bos_id=2, unk_id=3, eos_piece="<eos>", bos_piece="<bos>", user_defined_symbols=["<mask>", "<mark>", "\n", "▁▁"])
write("gemma", {"tokenizer.model": gemma}, {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"}, model_type="gemma2")

# T5's and XLM-RoBERTa's: unigram, a map of letters of its own
rules = root / "rules.tsv"
root.mkdir(exist_ok=True)
wide = [(0xFF01 + i, 0x21 + i) for i in range(94)] + [(0xFB01, None), (0x2116, None), (0x2581, None)]
replaced = {0xFB01: "66 69", 0x2116: "4E 6F", 0x2581: "20"}
lines = [f"{a:X}\t{replaced[a] if b is None else f'{b:X}'}" for a, b in wide] + ["65 301\tE9", "A\t20", "D\t20", "9\t20"]
rules.write_text("\n".join(lines) + "\n")
unigram = dict(model_type="unigram", vocab_size=1500, normalization_rule_tsv=str(rules))
write("t5", {"spiece.model": train(**unigram, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)}, {"tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}, model_type="mt5")
xlmr = train(**unigram)
write("xlm-roberta", {"sentencepiece.bpe.model": xlmr}, {"tokenizer_class": "XLMRobertaTokenizer"}, model_type="xlm-roberta")
write("unigram-sentencepiece", {"tokenizer.model": xlmr}, {"tokenizer_class": "OtherTokenizer"}, oracle="sentencepiece")
rules.unlink()

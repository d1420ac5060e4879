"""Token ids of texts that tokenizers trip over, as sentencepiece, tokenizers and transformers give them.

    HF_HUB_OFFLINE=1 python3 test/goldens/hostileTexts.py

Made with sentencepiece 0.2.3, tokenizers and transformers 5.23. Texts: words of 17 languages, emoji, control and unassigned characters, combining marks,
spaces of every kind at both ends and repeated. Writes test/goldens/hostileTexts.json: {texts; models: {name: {oracle, digests: the first 8 hexadecimal
digits of the SHA-256 of each text's ids as JSON without spaces, or null where the oracle reads special tokens otherwise}}}, the SentencePiece models in
test/goldens/sentencePiece/ and one tokenizer.json whose unigram model spells unknown letters in bytes. The other names are folders of tokenizerFiles.
"""
import hashlib, io, json, random, shutil, tempfile
from pathlib import Path

import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer

here = Path(__file__).parent
data = here.parent.parent / "examples" / "cross-lingual-detox" / "data" / "parallel"
corpus = [line for file in sorted(data.glob("*.txt")) for line in file.read_text().splitlines()]
words = [word for line in corpus for word in line.split()]
rng = random.Random(5)
PIECES = [
    " ", "  ", "   ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2581", "\u0085", "\ufeff", "\u200b", "\u200d", "\x07", "\x7f", "<s>", "</s>", "<unk>", "<mark>", "ing", "日本",
    "🙂", "👩‍👩‍👧", "🇫🇷", "e\u0301", "e\u0301\U000114b9", "ﬁ", "Ａ", "①", "Ω", "ß", "𝔘", "\U00020000", "12", "...", "<0x0A>", "क्षि", "한", "가",
]


def text():
    parts = []
    for _ in range(rng.randrange(0, 9)):
        kind = rng.random()
        if kind < 0.55:
            parts.append((" " if kind > 0.45 else "") + rng.choice(words))
        elif kind < 0.9:
            parts.append(rng.choice(PIECES))
        else:
            parts.append(chr(rng.choice([rng.randrange(1, 0x250), rng.randrange(0x250, 0xD7FF), rng.randrange(0xE000, 0xFFFE), rng.randrange(0x10000, 0x1FFFF)])))
    return "".join(parts)


texts = [text() for _ in range(300)]
special = lambda text: any(token in text for token in ("<s>", "</s>", "<unk>"))
digest = lambda ids: hashlib.sha256(json.dumps(ids, separators=(",", ":")).encode()).hexdigest()[:8]
golden = {"texts": texts, "models": {}}
root = here / "sentencePiece"
shutil.rmtree(root, ignore_errors=True)
root.mkdir()

with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
    wide = [(f"{0xFF01 + i:X}", f"{0x21 + i:X}") for i in range(94)]
    rules.write("".join(f"{a}\t{b}\n" for a, b in wide + [("FB01", "66 69"), ("65 301", "E9"), ("A", "20"), ("D", "20"), ("9", "20"), ("3000", "20"), ("A0", "20"), ("7", "")]))
    rules.flush()
    user = dict(user_defined_symbols=["<mark>", "ing", "\u2581\u2581", "日本"])
    bare = dict(add_dummy_prefix=False, remove_extra_whitespaces=False)
    variants = {
        "unigram-bytes": dict(model_type="unigram", byte_fallback=True),
        "unigram-bytes-user": dict(model_type="unigram", byte_fallback=True, remove_extra_whitespaces=False, **user),
        "unigram-bare": dict(model_type="unigram", **bare),
        "unigram-rules-user": dict(model_type="unigram", normalization_rule_tsv=rules.name, **user),
        "bpe-bytes": dict(model_type="bpe", byte_fallback=True),
        "bpe-bytes-user": dict(model_type="bpe", byte_fallback=True, remove_extra_whitespaces=False, **user),
        "bpe-bare": dict(model_type="bpe", **bare),
        "bpe-rules-user": dict(model_type="bpe", byte_fallback=True, normalization_rule_tsv=rules.name, **user),
    }
    for name, options in variants.items():
        model = io.BytesIO()
        defaults = dict(vocab_size=1000, hard_vocab_limit=False, character_coverage=0.98, minloglevel=2, num_threads=1)
        if "normalization_rule_tsv" not in options:
            defaults["normalization_rule_name"] = "identity"
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus), model_writer=model, **{**defaults, **options})
        (root / f"{name}.model").write_bytes(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        digests = [None if special(text) else digest(processor.encode(text)) for text in texts]
        golden["models"][name] = {"oracle": "sentencepiece", "digests": digests}

processor = sentencepiece.SentencePieceProcessor(model_file=str(root / "unigram-bytes.model"))
vocabulary = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())]
tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
tokenizer.save(str(root / "tokenizer.json"), pretty=False)
golden["models"]["tokenizer.json"] = {"oracle": "tokenizers", "digests": [None if special(text) else digest(tokenizer.encode(text).ids) for text in texts]}

TYPES = {"bert": "bert", "bert-cased": "distilbert", "gemma": "gemma2", "gpt2": "gpt2", "gpt2-bos": "gpt2", "llama": "llama", "llama-legacy": "llama", "qwen2": "qwen2", "roberta": "roberta", "t5": "mt5", "xlm-roberta": "xlm-roberta"}
for name, kind in TYPES.items():
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(here / "tokenizerFiles" / name, folder, dirs_exist_ok=True)
        (Path(folder) / "config.json").write_text(json.dumps({"model_type": kind}))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        golden["models"][name] = {"oracle": "transformers", "digests": [digest(tokenizer.encode(text)) for text in texts]}

(here / "hostileTexts.json").write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")

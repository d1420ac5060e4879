import { UserError } from '../../util/errors';
import { readText } from '../../util/files';
import { tokenText } from './addedTokens';
import type { BertNormalizerOptions } from './bertNormalizer';
import { templateProcessing } from './templateProcessing';
import { tokenizerJson } from './tokenizerJson';

/** BERT's special tokens, where the config names none. */
export const WORD_PIECE_DEFAULTS: Readonly<Record<string, string>> = {
  unk_token: '[UNK]',
  sep_token: '[SEP]',
  pad_token: '[PAD]',
  cls_token: '[CLS]',
  mask_token: '[MASK]',
};

type Config = Readonly<Record<string, unknown>>;

/**
 * tokenizer.json of BERT's tokenizer from its vocab.txt: a token a line, numbered from 0.
 * @param config tokenizer_config.json: `do_lower_case`, `strip_accents`, `tokenize_chinese_chars`, and the names of the special tokens
 * @throws UserError naming the file, for a token given twice or special tokens that are not in it
 */
export async function wordPieceFiles(path: string, config: Config): Promise<Record<string, unknown>> {
  const vocab = await readVocabulary(path);
  const special = (name: string): string => tokenText(config[name]) ?? WORD_PIECE_DEFAULTS[name];
  const [unknown, first, last] = ['unk_token', 'cls_token', 'sep_token'].map(special);
  for (const token of [unknown, first, last])
    if (!Object.hasOwn(vocab, token)) throw new UserError(`${path}: has no line ${token}, a token that every text needs`);
  const normalizer: { type: string } & BertNormalizerOptions = {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: config.tokenize_chinese_chars !== false,
    strip_accents: typeof config.strip_accents === 'boolean' ? config.strip_accents : null,
    lowercase: config.do_lower_case !== false,
  };
  return tokenizerJson({
    normalizer,
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: templateProcessing([first, vocab[first]], [last, vocab[last]]),
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: { type: 'WordPiece', unk_token: unknown, continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab },
  });
}

async function readVocabulary(path: string): Promise<Record<string, number>> {
  const lines = (await readText(path)).split('\n').map((line) => line.replace(/\r$/, ''));
  if (lines.at(-1) === '') lines.pop();
  const vocab: Record<string, number> = Object.create(null);
  lines.forEach((token, id) => {
    if (token in vocab)
      throw new UserError(`${path}:${id + 1}: the token ${JSON.stringify(token)} stands in line ${vocab[token] + 1} already`);
    vocab[token] = id;
  });
  return vocab;
}

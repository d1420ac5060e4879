import { basename, join } from 'node:path';
import { UserError } from '../util/errors';
import { contentHash, fileHash } from '../util/files';
import { baseFolder } from './adapters/adapterFolder';
import { tokenText } from './tokenizers/addedTokens';
import { bertNormalizer, type BertNormalizerOptions } from './tokenizers/bertNormalizer';
import { charsmap } from './tokenizers/charsmap';
import { useOurPreTokenizers, type PreTokenizer } from './tokenizers/preTokenizers';
import { byteTokens } from './tokenizers/sentencePieceParts';
import { optionalObject, readTokenizerSource } from './tokenizers/tokenizerSource';
import { WORD_PIECE_DEFAULTS } from './tokenizers/wordPieceFiles';

/** What is used of @huggingface/tokenizers, whose own types resolve under ES modules alone. */
interface Tokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | null | undefined)[] };
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  get_vocab(withAddedTokens: boolean): Map<string, number>;
  get_added_tokens_decoder(): Map<number, { special: boolean }>;
  normalizer: Normalizer | null;
  pre_tokenizer: PreTokenizer | null;
  model: TokenizerModel;
}
interface TokenizerModel {
  config: { type?: unknown; byte_fallback?: unknown };
  tokens_to_ids: Map<string, number>;
  unk_token_id?: number;
  /** Stretches of text to tokens. */
  encode(texts: string[]): string[];
}
interface Normalizer {
  normalize(text: string): string;
  /** Of a sequence. */
  normalizers?: (Normalizer | null)[];
  /** Of SentencePiece's map of letters, in base 64. */
  charsmap?: unknown;
  config?: { type?: unknown };
}
const { Tokenizer: TokenizerClass } = require('@huggingface/tokenizers') as {
  Tokenizer: new (json: object, config: object) => Tokenizer;
};

/** Text to token ids and back, as the model's own tokenizer does it. */
export interface TextTokenizer {
  /** Token ids of a text, without special tokens unless `specialTokens` asks for those that the tokenizer's own template adds. */
  encode(text: string, options?: { specialTokens?: boolean }): number[];
  /** The text of token ids, special tokens left out. */
  decode(ids: ArrayLike<number>): string;
  /** The beginning-of-sequence token, only where the tokenizer's own template puts one in front of a text. */
  bosId: number | null;
  /** The end-of-sequence token: that of tokenizer_config.json or special_tokens_map.json, else generation_config.json's or config.json's first, else BERT's separator. */
  eosId: number;
  /** Ids lie below this. */
  size: number;
  /** Identifies the tokenizer's files: part of cache keys. */
  hash: string;
}

/**
 * Loads a model folder's tokenizer: from tokenizer.json, from vocab.json with merges.txt, from vocab.txt, or from a SentencePiece model; an adapter's is its base model's.
 * @throws UserError naming a file that is missing or damaged, or where no end-of-sequence token is declared
 */
export async function loadTokenizer(named: string): Promise<TextTokenizer> {
  const folder = await baseFolder(named);
  const { json, config, file, sources, encode: ownEncode } = await readTokenizerSource(folder);
  const tokenizer = build(json, file, config, ownEncode);
  const vocabulary = tokenizer.get_vocab(true);
  let size = 0;
  for (const id of vocabulary.values()) size = Math.max(size, id + 1);
  const special = new Set([...tokenizer.get_added_tokens_decoder()].filter(([, token]) => token.special).map(([id]) => id));

  // a token that neither the vocabulary nor an unknown token covers is dropped, as the tokenizers library does
  const encode = (text: string, specialTokens: boolean): number[] =>
    tokenizer.encode(text, { add_special_tokens: specialTokens }).ids.filter((id): id is number => id !== undefined && id !== null);
  const eosId = await findEos(folder, config, file, (content) => tokenizer.token_to_id(content), size);
  return {
    encode: (text, options) => encode(text, options?.specialTokens ?? false),
    decode: (ids) => {
      const kept = Array.from(ids).filter((id) => !special.has(id) && id >= 0 && id < size);
      if (kept.length === 0) return '';
      return tokenizer.decode(kept, {
        skip_special_tokens: false,
        clean_up_tokenization_spaces: config.clean_up_tokenization_spaces === true,
      });
    },
    bosId: templateBos(encode),
    eosId,
    size,
    hash: contentHash(
      ...(await Promise.all(sources.map(fileHash))),
      JSON.stringify(config),
      JSON.stringify(json.added_tokens),
      String(eosId),
    ),
  };
}

function build(json: object, file: string, config: Readonly<Record<string, unknown>>, encode?: (text: string) => string[]): Tokenizer {
  try {
    const tokenizer = new TokenizerClass(json, config);
    useOurNormalizers(tokenizer.normalizer);
    useOurPreTokenizers(tokenizer.pre_tokenizer, (json as { pre_tokenizer?: object | null }).pre_tokenizer);
    const { model } = tokenizer;
    if (encode) model.encode = (texts) => texts.flatMap(encode);
    else if (model.config.type === 'Unigram' && model.config.byte_fallback === true) spellUnknown(model);
    return tokenizer;
  } catch (error) {
    throw new UserError(`${file}: not a tokenizer that can be read: ${(error as Error).message}`);
  }
}

/** The library takes every SentencePiece map of letters for NFKC, and BERT's rules for simpler ones: ours are applied as they are. */
function useOurNormalizers(normalizer: Normalizer | null | undefined): void {
  if (!normalizer) return;
  normalizer.normalizers?.forEach(useOurNormalizers);
  if (normalizer.config?.type === 'BertNormalizer') normalizer.normalize = bertNormalizer(normalizer.config as BertNormalizerOptions);
  const map = normalizer.charsmap;
  if (typeof map === 'string' && map !== '') normalizer.normalize = charsmap(Buffer.from(map, 'base64'));
}

/** The library's unigram model knows no byte fallback: what no piece covers is spelled in bytes, where the vocabulary has them. */
function spellUnknown(model: TokenizerModel): void {
  const encode = model.encode.bind(model);
  const known = (piece: string): boolean => (model.tokens_to_ids.get(piece) ?? model.unk_token_id) !== model.unk_token_id;
  model.encode = (texts) =>
    encode(texts).flatMap((piece) => {
      const bytes = known(piece) ? [] : byteTokens(piece);
      return bytes.length > 0 && bytes.every(known) ? bytes : [piece];
    });
}

/** What the template puts before a text: what `encode` with special tokens has in front of the plain ids. */
function templateBos(encode: (text: string, specialTokens: boolean) => number[]): number | null {
  const plain = encode('a', false);
  const wrapped = encode('a', true);
  if (wrapped.length <= plain.length) return null;
  const before = wrapped.findIndex((_, start) => plain.every((id, i) => wrapped[start + i] === id));
  return before > 0 ? wrapped[0] : null;
}

async function findEos(
  folder: string,
  config: Readonly<Record<string, unknown>>,
  file: string,
  idOf: (content: string) => number | undefined,
  size: number,
): Promise<number> {
  const content = tokenText(config.eos_token);
  if (content !== undefined) {
    const id = idOf(content);
    if (id === undefined)
      throw new UserError(`${join(folder, 'tokenizer_config.json')}: eos_token ${JSON.stringify(content)} is not in ${basename(file)}`);
    return id;
  }
  for (const name of ['generation_config.json', 'config.json']) {
    const file = join(folder, name);
    const json = await optionalObject(file);
    const nested = json.text_config as Record<string, unknown> | undefined;
    const value = json.eos_token_id ?? nested?.eos_token_id;
    const id: unknown = Array.isArray(value) ? value[0] : value;
    if (id === undefined || id === null) continue;
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= size) {
      throw new UserError(`${file}: eos_token_id is ${JSON.stringify(id)}; it must be a token id below ${size}`);
    }
    return id as number;
  }
  // BERT parts texts with its separator
  const separator = idOf(tokenText(config.sep_token) ?? WORD_PIECE_DEFAULTS.sep_token);
  if (separator !== undefined) return separator;
  throw new UserError(`${folder}: no end-of-sequence token; set eos_token in tokenizer_config.json`);
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../util/errors';
import { contentHash, readJson, readText } from '../util/files';
import { baseFolder } from './adapters/adapterFolder';

/** What is used of @huggingface/tokenizers, whose own types resolve under ES modules alone. */
interface Tokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | null | undefined)[] };
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  get_vocab(withAddedTokens: boolean): Map<string, number>;
  get_added_tokens_decoder(): Map<number, { special: boolean }>;
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
  /** The end-of-sequence token: tokenizer_config.json's, else generation_config.json's or config.json's first. */
  eosId: number;
  /** Ids lie below this. */
  size: number;
  /** Identifies the tokenizer's files: part of cache keys. */
  hash: string;
}

/**
 * Loads a model folder's tokenizer.json, an adapter's base model's.
 * @throws UserError naming a file that is missing or damaged, or where no end-of-sequence token is declared
 */
export async function loadTokenizer(named: string): Promise<TextTokenizer> {
  const folder = await baseFolder(named);
  const file = join(folder, 'tokenizer.json');
  const source = await readText(file);
  const configFile = join(folder, 'tokenizer_config.json');
  const config = await optionalObject(configFile);
  const tokenizer = build(source, file, config);
  const vocabulary = tokenizer.get_vocab(true);
  let size = 0;
  for (const id of vocabulary.values()) size = Math.max(size, id + 1);
  const special = new Set([...tokenizer.get_added_tokens_decoder()].filter(([, token]) => token.special).map(([id]) => id));

  // a token that neither the vocabulary nor an unknown token covers is dropped, as the tokenizers library does
  const encode = (text: string, specialTokens: boolean): number[] =>
    tokenizer.encode(text, { add_special_tokens: specialTokens }).ids.filter((id): id is number => id !== undefined && id !== null);
  const eosId = await findEos(folder, config, (content) => tokenizer.token_to_id(content), size);
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
    hash: contentHash(source, JSON.stringify(config), String(eosId)),
  };
}

function build(source: string, file: string, config: Readonly<Record<string, unknown>>): Tokenizer {
  let json: unknown;
  try {
    json = JSON.parse(source);
  } catch (error) {
    throw new UserError(`${file}: not valid JSON: ${(error as Error).message}`);
  }
  try {
    return new TokenizerClass(json as object, config);
  } catch (error) {
    throw new UserError(`${file}: not a tokenizer that can be read: ${(error as Error).message}`);
  }
}

async function optionalObject(file: string): Promise<Record<string, unknown>> {
  if (!existsSync(file)) return {};
  const json = await readJson(file);
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new UserError(`${file}: must hold a JSON object`);
  return json as Record<string, unknown>;
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
  idOf: (content: string) => number | undefined,
  size: number,
): Promise<number> {
  const declared = config.eos_token as string | { content?: string } | null | undefined;
  const content = typeof declared === 'object' ? declared?.content : declared;
  if (content !== undefined) {
    const id = idOf(content);
    if (id === undefined) throw new UserError(`${join(folder, 'tokenizer_config.json')}: eos_token "${content}" is not in tokenizer.json`);
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
  throw new UserError(`${folder}: no end-of-sequence token; set eos_token in tokenizer_config.json`);
}

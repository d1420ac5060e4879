import { UserError } from '../../util/errors';
import type { Metadata } from './metadata';

/** A GGUF file's vocabulary. */
export interface GgufVocabulary {
  metadata: Metadata;
  tokens: readonly string[];
  /** ggml's token types: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. */
  types: readonly number[];
}

/** What depends on the kind of tokenizer: the parts of tokenizer.json, and which spelling a token has there. */
export interface TokenizerPipeline {
  normalizer: object | null;
  preTokenizer: object | null;
  decoder: object;
  model: Record<string, unknown>;
  /** Token to id, as the model has it. */
  ids: ReadonlyMap<string, number>;
  /** Whether a control token is one in fact. */
  isControl: (token: string) => boolean;
  /** Whether a sequence starts with the beginning-of-sequence token where the metadata do not say. */
  addBosByDefault: boolean;
}

/** Token to id; of equal tokens the last counts, at the place of the first, as in Python's dictionaries. */
export function vocabularyIds(tokens: readonly string[]): Map<string, number> {
  return new Map(tokens.map((token, id) => [token, id]));
}

/** The vocabulary of tokenizer.json. Without a prototype, since `__proto__` may be a token. */
export function vocabularyObject(ids: ReadonlyMap<string, number>): Record<string, number> {
  const vocabulary: Record<string, number> = Object.create(null);
  for (const [token, id] of ids) vocabulary[token] = id;
  return vocabulary;
}

/** The metadata's merges, each `left right`. @throws UserError naming the first that is not, or that makes a token unknown to `ids` */
export function splitMerges(metadata: Metadata, ids: ReadonlyMap<string, number>): [string, string][] {
  return metadata.texts('tokenizer.ggml.merges').map((merge, index) => {
    const parts = merge.split(' ');
    if (parts.length !== 2)
      throw new UserError(
        `${metadata.path}: merge ${index} is ${JSON.stringify(merge)}; two tokens with one space between them are allowed`,
      );
    const [left, right] = parts;
    const stranger = [left, right, left + right].find((token) => !ids.has(token));
    if (stranger !== undefined)
      throw new UserError(
        `${metadata.path}: merge ${index} is ${JSON.stringify(merge)}, but the vocabulary has no ${JSON.stringify(stranger)}`,
      );
    return [left, right];
  });
}

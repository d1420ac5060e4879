import { UserError } from '../../util/errors';
import type { Metadata } from './metadata';

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

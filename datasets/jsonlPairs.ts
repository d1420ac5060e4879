import { UserError } from '../util/errors';
import { parseJson } from '../util/files';
import { checkPair, shownJson } from './checkPair';
import type { ReadPair } from './types';

/**
 * Pairs from JSON lines: one object a line with prompt, chosen and rejected; other fields are ignored, blank lines skipped.
 * @throws UserError naming file and line
 */
export function jsonlPairs(text: string, path: string): ReadPair[] {
  const pairs: ReadPair[] = [];
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '') return;
    const place = `${path}:${i + 1}`;
    const value = parseJson(line, place);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new UserError(`${place}: a line must be one JSON object with prompt, chosen and rejected`);
    pairs.push(checkPair(value as Record<string, unknown>, place));
  });
  return pairs;
}

/**
 * Pairs from a `.json` file: one list of objects, or JSON lines under that ending, as Hugging Face `datasets` takes both.
 * @throws UserError naming the file, and the object (from 1) or line
 */
export function jsonPairs(text: string, path: string): ReadPair[] {
  if (!text.trimStart().startsWith('[')) return jsonlPairs(text, path);
  const list = parseJson(text, path) as unknown[];
  return list.map((value, i) => {
    const place = `${path}: object ${i + 1}`;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new UserError(`${place} is ${shownJson(value)}; it must be an object with prompt, chosen and rejected`);
    return checkPair(value as Record<string, unknown>, place);
  });
}

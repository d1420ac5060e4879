import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodePair } from '../datasets/encodePair';
import { readPairs } from '../datasets/readPairs';
import type { TokenizedPair } from '../datasets/types';
import { loadTokenizer } from '../models/tokenizer';
import { packageRoot } from '../util/packageRoot';
import { randomStream } from '../util/random';

/** Prompt, chosen, rejected, as token ids of a vocabulary of 100,000. */
type Triple = [number[], number[], number[]];

/** N random pairs: prompts of 8 to 40 tokens, completions of 16 to 64. */
export function randomPairs(count: number, seed = 0): Triple[] {
  const random = randomStream(seed);
  const ids = (low: number, high: number): number[] => {
    const length = low + Math.floor(random() * (high - low + 1));
    return Array.from({ length }, () => 3 + Math.floor(random() * 99997));
  };
  return Array.from({ length: count }, () => [ids(8, 40), ids(16, 64), ids(16, 64)]);
}

/** Writes pairs where programs of both languages read them. */
export function writePairs(path: string, count: number): void {
  writeFileSync(path, JSON.stringify(randomPairs(count)));
}

/** Pairs of such a file for a vocabulary of this size; its last id ends each completion, as `trlStep.py` has it. */
export function readBenchPairs(path: string, vocabulary: number): TokenizedPair[] {
  const eos = vocabulary - 1;
  const ids = (list: number[], ...end: number[]): Int32Array => Int32Array.from([...list.map((id) => id % (vocabulary - 2)), ...end]);
  const triples = JSON.parse(readFileSync(path, 'utf8')) as Triple[];
  return triples.map(([prompt, chosen, rejected]) => ({ prompt: ids(prompt), chosen: ids(chosen, eos), rejected: ids(rejected, eos) }));
}

/** Real pairs that a step takes. */
const TEXTS = 256;

/** Writes ParaDetox's first pairs, [prompt, chosen, rejected] as texts, where programs of both languages read them. */
export async function writeTexts(path: string): Promise<void> {
  const { pairs } = await readPairs(join(packageRoot(), 'examples/cross-lingual-detox/data/paradetox.tsv'));
  writeFileSync(path, JSON.stringify(pairs.slice(0, TEXTS).map(({ prompt, chosen, rejected }) => [prompt, chosen, rejected])));
}

/** Pairs of such a file in the tokens of a model's folder. */
export async function readTexts(path: string, model: string): Promise<TokenizedPair[]> {
  const tokenizer = await loadTokenizer(model);
  const texts = JSON.parse(readFileSync(path, 'utf8')) as [string, string, string][];
  return texts.map(([prompt, chosen, rejected]) => encodePair(tokenizer, { prompt, chosen, rejected }));
}

import * as tf from '@tensorflow/tfjs-core';
import { type AttentionOptions } from '../../engine/ops/attention';
import { MASKED } from '../../engine/ops/attentionIndex';
import { type RowGroups, rowGroups, sharedPrefixAttention } from '../../engine/ops/sharedPrefixAttention';
import type { Case } from './conformance';

/** Sizes of one decoding step: R rows, P prompts, heads, key heads, L, C. */
const PLACES = 3;
const ROOM = 4;
const WIDTH = 4;

export interface DecodeCase {
  name: string;
  sources: readonly number[];
  heads: number;
  keyHeads: number;
  options: Omit<AttentionOptions, 'scale'>;
  /** The own tokens that are seen. */
  first: number;
  end: number;
  /** The first place of each prompt that is seen, and the number of its tokens: none are seen where both are equal. */
  seen: readonly (readonly [number, number])[];
}

const base = { heads: 2, keyHeads: 2, options: {}, first: 0, end: 3 };

export const decodeCases: DecodeCase[] = [
  { ...base, name: 'as many rows a prompt', sources: [0, 0, 1, 1], seen: [[0, 3], [0, 2]] }, // prettier-ignore
  { ...base, name: 'uneven groups out of order', sources: [1, 0, 1, 1, 2], seen: [[0, 1], [0, 3], [0, 2]] }, // prettier-ignore
  { ...base, name: 'four query heads share a key head', sources: [0, 0, 1], heads: 4, keyHeads: 1, seen: [[0, 3], [0, 2]] }, // prettier-ignore
  { ...base, name: 'two query heads share a key head, first token', sources: [0, 1, 1], heads: 4, end: 1, seen: [[0, 3], [0, 2]] }, // prettier-ignore
  { ...base, name: 'a window within the prompts', sources: [0, 0, 1], options: { window: 4 }, seen: [[1, 3], [0, 2]] }, // prettier-ignore
  { ...base, name: 'a window beyond a prompt', sources: [0, 1], options: { window: 2 }, first: 1, seen: [[3, 3], [1, 2]] }, // prettier-ignore
  { ...base, name: 'soft cap', sources: [0, 1, 1], heads: 4, options: { softcap: 1.5 }, seen: [[0, 3], [0, 2]] }, // prettier-ignore
  { ...base, name: 'ALiBi', sources: [0, 0, 1], options: { alibiSlopes: [0.5, 2] }, seen: [[0, 3], [0, 2]] }, // prettier-ignore
  { ...base, name: 'ALiBi, shared key heads, uneven', sources: [0, 1, 1], heads: 4, options: { alibiSlopes: [0.5, 2, 1, 0.25] }, seen: [[0, 3], [0, 2]] }, // prettier-ignore
];

/** The inputs q, prompts' keys and values, rows' keys and values, and how an attention is called with them. */
export function decodeRun(c: DecodeCase, attend: typeof sharedPrefixAttention.plain): Pick<Case, 'inputs' | 'run' | 'name'> {
  const [rows, prompts] = [c.sources.length, c.seen.length];
  const shapes = [[rows, c.heads, WIDTH], ...[prompts, prompts].map((n) => [n, c.keyHeads, PLACES, WIDTH]), ...[rows, rows].map((n) => [n, c.keyHeads, ROOM, WIDTH])]; // prettier-ignore
  return {
    name: c.name,
    inputs: shapes.map((shape) => ({ kind: 'normal', shape })),
    run: (q, ...caches) => {
      const [prefixKeys, prefixValues, keys, values] = caches as tf.Tensor4D[];
      const heads = c.options.alibiSlopes ? c.heads : 1;
      const mask = c.seen.flatMap(
        ([from, length], p) =>
        Array.from({ length: heads }, (_, h) => Array.from({ length: PLACES }, (_, i) => (i < from || i >= length ? MASKED : prefixBias(c, h, p, i)))), // prettier-ignore
      );
      const prefix = { keys: prefixKeys, values: prefixValues, mask: tf.tensor4d(mask.flat(), [prompts, heads, 1, PLACES]) };
      const seen = c.end - c.first;
      const bias = c.options.alibiSlopes?.flatMap((_, h) => Array.from({ length: seen }, (_, i) => suffixBias(c, h, c.first + i)));
      const suffix = { keys, values, first: c.first, end: c.end, ...(bias && { bias: tf.tensor4d(bias, [1, c.heads, 1, seen]) }) };
      const groups: RowGroups = rowGroups(c.sources, prompts);
      return attend(q as tf.Tensor3D, prefix, suffix, groups, { scale: 0.6, ...c.options });
    },
  };
}

function prefixBias({ options, seen, end }: DecodeCase, head: number, prompt: number, place: number): number {
  return (options.alibiSlopes?.[head] ?? 0) * (place - seen[prompt][1] - end + 1);
}

function suffixBias({ options, end }: DecodeCase, head: number, place: number): number {
  return (options.alibiSlopes?.[head] ?? 0) * (place - end + 1);
}

/** The definition, number by number: softmax over what a row sees of its prompt and of its own tokens. */
export function byHand(c: DecodeCase, values: readonly (readonly number[])[]): number[] {
  const [q, prefixKeys, prefixValues, keys, ownValues] = values;
  return c.sources.flatMap((p, row) =>
    Array.from({ length: c.heads }, (_, h) => {
      const keyHead = Math.floor(h / (c.heads / c.keyHeads));
      const at = (list: readonly number[], outer: number, places: number, place: number): readonly number[] =>
        list.slice(((outer * c.keyHeads + keyHead) * places + place) * WIDTH).slice(0, WIDTH);
      const query = q.slice((row * c.heads + h) * WIDTH, (row * c.heads + h + 1) * WIDTH);
      const entries: { score: number; value: readonly number[] }[] = [];
      const see = (key: readonly number[], value: readonly number[], bias: number): void => {
        const score = 0.6 * key.reduce((sum, k, d) => sum + k * query[d], 0);
        const { softcap } = c.options;
        entries.push({ score: bias + (softcap ? softcap * Math.tanh(score / softcap) : score), value });
      };
      for (let i = c.seen[p][0]; i < c.seen[p][1]; i++)
        see(at(prefixKeys, p, PLACES, i), at(prefixValues, p, PLACES, i), prefixBias(c, h, p, i));
      for (let i = c.first; i < c.end; i++) see(at(keys, row, ROOM, i), at(ownValues, row, ROOM, i), suffixBias(c, h, i));
      const total = entries.reduce((sum, { score }) => sum + Math.exp(score), 0);
      return Array.from({ length: WIDTH }, (_, d) =>
        entries.reduce((sum, { score, value }) => sum + (Math.exp(score) * value[d]) / total, 0),
      );
    }).flat(),
  );
}

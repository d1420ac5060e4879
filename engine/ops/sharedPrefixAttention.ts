import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../fused';
import type { AttentionOptions } from './attention';

/*
 * R rows (continuations) of P prompts, at most G rows a prompt; H query heads, Hk key/value heads, g = H / Hk; L places for a
 * prompt, C for a row's own tokens.
 */

/** Which rows continue which prompt, on the engine's device: made when the rows change, used by every layer and step. */
export interface RowGroups {
  prompts: number;
  rows: number;
  /** G */
  largest: number;
  /** int32 [R]: each row's prompt. */
  sources: tf.Tensor1D;
  /** Undefined where every prompt has G rows, one prompt after the other: then nothing need be gathered. */
  uneven?: {
    /** int32 [P * G]: the row at each place, padding repeats row 0. */
    members: tf.Tensor1D;
    /** int32 [R]: the place of each row. */
    places: tf.Tensor1D;
  };
}

/** @param sources the prompt of each row, [R] */
export function rowGroups(sources: readonly number[], prompts: number): RowGroups {
  const rowsOf: number[][] = Array.from({ length: prompts }, () => []);
  sources.forEach((prompt, row) => rowsOf[prompt].push(row));
  const largest = Math.max(...rowsOf.map(({ length }) => length));
  const members = new Int32Array(prompts * largest);
  const places = new Int32Array(sources.length);
  rowsOf.forEach((rows, prompt) =>
    rows.forEach((row, i) => {
      members[prompt * largest + i] = row;
      places[row] = prompt * largest + i;
    }),
  );
  const even = members.length === sources.length && places.every((place, row) => place === row);
  return {
    prompts,
    rows: sources.length,
    largest,
    sources: tf.tensor1d([...sources], 'int32'),
    ...(!even && { uneven: { members: tf.tensor1d(members, 'int32'), places: tf.tensor1d(places, 'int32') } }),
  };
}

/** Frees what `rowGroups` uploaded. */
export function disposeRowGroups({ sources, uneven }: RowGroups): void {
  tf.dispose([sources, ...(uneven ? [uneven.members, uneven.places] : [])]);
}

/** Keys and values of the prompts. */
export interface Prefix {
  /** [P, Hk, L, D] */
  keys: tf.Tensor4D;
  values: tf.Tensor4D;
  /** Additive, [P, 1, 1, L], with ALiBi [P, H, 1, L]: MASKED past a prompt's end and outside the window. */
  mask: tf.Tensor4D;
}

/** Keys and values of the rows' own tokens. */
export interface Suffix {
  /** [R, Hk, C, D] */
  keys: tf.Tensor4D;
  values: tf.Tensor4D;
  /** The places that are seen: from `first` to `end`, that one left out; one at least. */
  first: number;
  end: number;
  /** ALiBi's bias, [1, H, 1, end - first]. */
  bias?: tf.Tensor4D;
}

/** [R, H, W] → [P, Hk, G * g, W]: the queries that meet the same keys become the rows of one matrix. */
function grouped(x: tf.Tensor3D, { prompts, largest, uneven }: RowGroups, keyHeads: number): tf.Tensor4D {
  const [, heads, width] = x.shape;
  const perKey = heads / keyHeads;
  const placed = uneven ? tf.gather(x, uneven.members) : x;
  const split = tf.transpose(tf.reshape(placed, [prompts, largest, keyHeads, perKey * width]), [0, 2, 1, 3]);
  return tf.reshape(split, [prompts, keyHeads, largest * perKey, width]);
}

/** [P, Hk, G * g, W] → [R, H, W] */
function ungrouped(x: tf.Tensor4D, { prompts, largest, uneven }: RowGroups): tf.Tensor3D {
  const [, keyHeads, queries, width] = x.shape;
  const perKey = queries / largest;
  const split = tf.transpose(tf.reshape(x, [prompts, keyHeads, largest, perKey * width]), [0, 2, 1, 3]);
  const placed = tf.reshape<tf.Rank.R3>(split, [prompts * largest, keyHeads * perKey, width]);
  return uneven ? tf.gather(placed, uneven.places) : placed;
}

/**
 * One new query a row against the keys of its prompt, which all rows of the prompt share, and those of its own tokens: the softmax is
 * over both together. No prompt's keys or values are repeated.
 * @param q [R, H, D]
 * @returns [R, H, D]
 */
export const sharedPrefixAttention = fused(
  'sharedPrefixAttention',
  (q: tf.Tensor3D, prefix: Prefix, suffix: Suffix, groups: RowGroups, options: AttentionOptions): tf.Tensor3D => {
    const [rows, heads, width] = q.shape;
    const [, keyHeads, places] = prefix.keys.shape;
    const seen = suffix.end - suffix.first;
    const scored = (queries: tf.Tensor4D, keys: tf.Tensor4D): tf.Tensor4D => {
      const scores = tf.mul<tf.Tensor4D>(tf.matMul(queries, keys, false, true), options.scale);
      return options.softcap ? tf.mul(tf.tanh(tf.div(scores, options.softcap)), options.softcap) : scores;
    };
    const own = (x: tf.Tensor4D): tf.Tensor4D => tf.slice(x, [0, 0, suffix.first, 0], [rows, keyHeads, seen, width]);
    const onPrefix = tf.reshape(ungrouped(scored(grouped(q, groups, keyHeads), prefix.keys), groups), [rows, heads, 1, places]);
    const queries = tf.reshape<tf.Rank.R4>(q, [rows, keyHeads, heads / keyHeads, width]);
    const onSuffix = tf.reshape(scored(queries, own(suffix.keys)), [rows, heads, 1, seen]);
    const scores = [tf.add(onPrefix, tf.gather(prefix.mask, groups.sources)), suffix.bias ? tf.add(onSuffix, suffix.bias) : onSuffix];
    const [toPrefix, toSuffix] = tf.split<tf.Tensor4D>(tf.softmax(tf.concat(scores, 3)), [places, seen], 3);
    const weights = grouped(tf.reshape(toPrefix, [rows, heads, places]), groups, keyHeads);
    const fromPrefix = ungrouped(tf.matMul(weights, prefix.values) as tf.Tensor4D, groups);
    const fromSuffix = tf.matMul(tf.reshape(toSuffix, [rows, keyHeads, heads / keyHeads, seen]), own(suffix.values));
    return tf.add(fromPrefix, tf.reshape(fromSuffix, [rows, heads, width]));
  },
);

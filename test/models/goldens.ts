import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { logits, tokenLogProbs } from '../../engine/ops/tokenLogProbs';
import { packedHidden, sequenceLayout, type PackedTokens } from '../../models/packedForward';
import { readSafetensors } from '../../models/safetensors';
import type { Model } from '../../models/types';

export const goldenModels = join(__dirname, '..', 'goldens', 'models');

/** What transformers computed for a golden model. */
export interface Golden {
  loss: number;
  sequences: number[][];
  tensors: ReadonlyMap<string, Float32Array>;
}

export async function readGolden(name: string): Promise<Golden> {
  const folder = join(goldenModels, name);
  const { loss, sequences } = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as { loss: number; sequences: number[][] };
  const file = await readSafetensors(join(folder, 'expected.safetensors'));
  const tensors = new Map<string, Float32Array>();
  for (const key of file.entries.keys()) tensors.set(key, await file.read(key));
  await file.close();
  return { loss, sequences, tensors };
}

/** Sequences packed one after the other. */
export function pack(sequences: readonly number[][]): PackedTokens {
  return { tokens: Int32Array.from(sequences.flat()), ...sequenceLayout(sequences.map((ids) => ids.length)) };
}

/** The values of every sequence, one after the other, for comparison with a packed batch. */
export function joined(golden: Golden, key: (sequence: number) => string): Float32Array {
  return Float32Array.from(golden.sequences.flatMap((_, s) => [...golden.tensors.get(key(s))!]));
}

/** Largest absolute difference over the largest expected magnitude, or `floor` where that is larger; infinite where sizes or finiteness differ. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>, floor = 0): number {
  if (actual.length !== expected.length) return Infinity;
  let difference = 0;
  let scale = floor;
  for (let i = 0; i < expected.length; i++) {
    if (!Number.isFinite(actual[i])) return Infinity;
    difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
    scale = Math.max(scale, Math.abs(expected[i]));
  }
  return scale === 0 ? difference : difference / scale;
}

/** Next-token logits of a packed batch: [T, V], as a flat array. */
export function packedLogits(model: Model, sequences: readonly number[][]): Float32Array {
  return tf.tidy(() => {
    const { weight, options } = model.architecture.head(model.weights, model.config);
    return logits(packedHidden(model, pack(sequences)), weight, options)
      .dataSync<'float32'>()
      .slice();
  });
}

/** The goldens' loss: mean next-token negative log-likelihood over all sequences. */
export function meanNll(model: Model, sequences: readonly number[][]): tf.Scalar {
  const rows: number[] = [];
  const targets: number[] = [];
  let start = 0;
  for (const ids of sequences) {
    for (let i = 1; i < ids.length; i++) {
      rows.push(start + i - 1);
      targets.push(ids[i]);
    }
    start += ids.length;
  }
  const { weight, options } = model.architecture.head(model.weights, model.config);
  const hidden = tf.gather(packedHidden(model, pack(sequences)), tf.tensor1d(rows, 'int32'));
  return tf.neg<tf.Scalar>(tf.mean<tf.Scalar>(tokenLogProbs(hidden, weight, tf.tensor1d(targets, 'int32'), options)));
}

import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../engine/startEngine';
import { pooledHidden, startToken, textSequences } from '../../eval/pooledHidden';
import { packedHidden, sequenceLayout } from '../../models/packedForward';
import type { Model } from '../../models/types';
import { letters, tinyModel } from './tinyModel';

const sequences = [
  Int32Array.of(1, 7, 8, 9),
  Int32Array.of(1),
  Int32Array.of(1, 4),
  Int32Array.of(),
  Int32Array.of(1, 9, 9, 20, 21, 22, 7),
];
const models: Record<string, Model> = {};

beforeAll(async () => {
  await startEngine({ engine: 'tfjs', device: 'cpu', precision: 'float32' });
  models.gpt2 = tinyModel('gpt2');
  models.gemma3 = tinyModel('gemma3');
});

/** The same, one sequence at a time, from the taps of a whole forward pass. */
function oneByOne(model: Model, sequence: Int32Array, tapName: string): number[] {
  return tf.tidy(() => {
    let hidden: tf.Tensor2D | undefined;
    packedHidden(model, { tokens: sequence, ...sequenceLayout([sequence.length]) }, (name, value) => {
      if (name === tapName) hidden = tf.keep(value);
      return value;
    });
    const rows = hidden!.arraySync();
    hidden!.dispose();
    return rows[0].map((_, i) => rows.slice(1).reduce((sum, row) => sum + row[i], 0) / (rows.length - 1));
  });
}

test.each(['gpt2', 'gemma3'])('%s: the mean over the tokens after the first, whatever shares the batch', async (name) => {
  const model = models[name];
  const taps = ['embed', 'blocks.0.out', 'blocks.1.out', 'norm'];
  for (const rowsAtOnce of [1, 8, 1000]) {
    const pooled = await pooledHidden(model, sequences, [0, 1, 2, 3], undefined, undefined, rowsAtOnce);
    for (const [layer, tapName] of taps.entries())
      for (const s of [0, 2, 4]) {
        const found = [...pooled[layer].subarray(s * 8, (s + 1) * 8)];
        const expected = oneByOne(model, sequences[s], tapName);
        found.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 5));
      }
  }
});

test('a sequence without a token after the first gives NaN', async () => {
  const [pooled] = await pooledHidden(models.gpt2, sequences, [2]);
  const missing = [0, 1, 2, 3, 4].filter((s) => [...pooled.subarray(s * 8, (s + 1) * 8)].every(Number.isNaN));
  expect(missing).toEqual([1, 3]);
});

test('layers above the last one asked for are not computed, and nothing is left behind', async () => {
  const { weights, ...rest } = models.gpt2;
  const lower = Object.fromEntries(Object.entries(weights).filter(([name]) => !/\.h\.2\.|ln_f/.test(name)));
  const before = tf.memory().numTensors;
  const [[some], [all]] = await Promise.all([
    pooledHidden({ ...rest, weights: lower }, sequences, [2]),
    pooledHidden(models.gpt2, sequences, [2]),
  ]);
  expect([...some]).toEqual([...all]);
  expect(tf.memory().numTensors).toBe(before);
});

test('texts start with the start token and are cut', () => {
  expect(textSequences(letters, ['abc', ''], 3).map((ids) => [...ids])).toEqual([[1, 3, 4], [1]]);
  expect(startToken({ ...letters, bosId: null })).toBe(2);
});

test('progress counts sequences', async () => {
  const seen: number[] = [];
  await pooledHidden(models.gpt2, sequences, [0], ({ done, total }) => seen.push(done, total), undefined, 8);
  expect(seen).toEqual([0, 3, 1, 3, 3, 3]);
});

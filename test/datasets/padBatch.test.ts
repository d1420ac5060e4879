import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { packPairs } from '../../datasets/pack';
import { batchSize, commonSize, fits, padBatch } from '../../datasets/padBatch';
import type { PackedBatch, TokenizedPair } from '../../datasets/types';
import { currentEngine } from '../../engine/engine';
import { startEngine } from '../../engine/startEngine';
import type { TorchBackend } from '../../engine/torch/backend';
import { torch } from '../../engine/torch/binding';
import { usesOfRows, uploadLengths } from '../../engine/torch/packedLengths';
import { completionLogProbsOf, uploadCompletions } from '../../models/packedForward';
import { disposeModel, loadModel } from '../../models/loadModel';
import { trainedWeights } from '../../models/adapters/attachAdapter';
import { randomGpt2 } from '../../bench/ours/randomGpt2';
import type { Model } from '../../models/types';
import { goldenModels, relativeError } from '../models/goldens';
import { randomStream } from '../../util/random';

const random = randomStream(3);
const ids = (length: number): Int32Array => Int32Array.from({ length }, () => Math.floor(random() * 30));
const pair = (prompt: number, chosen: number, rejected: number): TokenizedPair => ({
  prompt: ids(prompt),
  chosen: ids(chosen),
  rejected: ids(rejected),
});

const batches: TokenizedPair[][] = [
  [pair(4, 6, 3), pair(2, 2, 5)],
  [pair(9, 3, 1), pair(1, 1, 1)],
  [pair(1, 2, 2), pair(1, 1, 4)],
  [pair(12, 2, 2), pair(11, 2, 3)],
];
const size = commonSize(batches.map(batchSize));

test('a size is what packing makes', () => {
  for (const members of batches) {
    const { layout, targets } = packPairs(members);
    const found = batchSize(members);
    expect([found.rows, found.keys, found.targets]).toEqual([layout.rows, layout.keyRows.length, targets.length]);
    expect(found.longest).toBe(Math.max(...layout.keyLengths));
    expect(found.missing).toBe(2 * members.length - layout.queryLengths.length);
  }
});

test('batches padded to their common size agree in every shape', () => {
  const shapes = (batch: PackedBatch): number[] => {
    const { layout } = batch;
    const lists = [batch.tokens, batch.positions, batch.predictors, batch.targets, batch.sequences];
    const parts = [layout.queryRows, layout.queryLengths, layout.keyRows, layout.keyLengths];
    return [
      layout.rows,
      layout.longest!,
      usesOfRows(layout.keyRows, layout.rows).most,
      ...[...lists, ...parts].map(({ length }) => length),
    ];
  };
  const padded = batches.map((members) => padBatch(packPairs(members), size));
  for (const batch of padded) {
    expect(shapes(batch)).toEqual(shapes(padded[0]));
    const { layout } = batch;
    const sum = (values: Int32Array): number => values.reduce((a, b) => a + b, 0);
    expect([sum(layout.queryLengths), sum(layout.keyLengths)]).toEqual([size.rows, size.keys]);
    layout.queryLengths.forEach((queries, s) => expect(layout.keyLengths[s]).toBeGreaterThanOrEqual(queries));
    expect(Math.max(...layout.keyLengths)).toBeLessThanOrEqual(size.longest);
  }
});

test('what does not fit: other pairs, more rows, more targets, more or too few keys, longer segments', () => {
  const [first] = batches.map(batchSize);
  expect(fits(first, size)).toBe(true);
  expect(fits({ ...first, pairs: 3 }, size)).toBe(false);
  expect(fits({ ...first, rows: size.rows, keys: size.keys }, size)).toBe(false);
  expect(fits({ ...first, targets: size.targets + 1 }, size)).toBe(false);
  expect(fits({ ...first, keys: size.keys }, size)).toBe(false);
  expect(fits({ ...first, longest: size.longest + 1 }, size)).toBe(false);
  expect(fits(first, { ...size, keys: size.keys + size.longest })).toBe(false);
  const larger = packPairs([pair(20, 20, 20), pair(4, 4, 4)]);
  expect(() => padBatch(larger, size)).toThrow('does not fit');
});

beforeAll(() => startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' }));

/** Log-probabilities and gradients of a batch, padded and not, agree. */
function expectSame(model: Model, byLengths: boolean): void {
  const weights = Object.values(trainedWeights(model));
  const run = (batch: PackedBatch): Float32Array[] =>
    tf.tidy(() => {
      const inputs = uploadCompletions(model, batch);
      const lengths = byLengths && uploadLengths(tf.backend() as TorchBackend, batch.layout);
      if (lengths) inputs.index = { ...inputs.index, lengths };
      const { aux, grads } = currentEngine().valueAndGrads(() => {
        const { chosen, rejected } = completionLogProbsOf(model, inputs);
        return { loss: tf.sum<tf.Scalar>(tf.sub(chosen, tf.mul(rejected, 0.5))), aux: { chosen, rejected } };
      }, weights);
      return [aux.chosen, aux.rejected, ...grads].map((tensor) => tensor.dataSync<'float32'>());
    });
  for (const members of batches) {
    const packed = packPairs(members);
    const [plain, padded] = [run(packed), run(padBatch(packed, size))];
    const largest = Math.max(...plain.slice(2).map((grad) => Math.max(...grad.map(Math.abs))));
    plain.forEach((values, i) => expect(relativeError(padded[i], values, i < 2 ? 1 : 1e-2 * largest)).toBeLessThan(2e-5));
  }
}

test.each(['gpt2', 'llama', 'bloom', 'gemma3-text'])('padding changes neither log-probabilities nor gradients: %s', async (name) => {
  const model = await loadModel(join(goldenModels, name), { trainable: true });
  expectSame(model, false);
  disposeModel(model);
});

test('nor where attention goes by cumulative lengths', () => {
  const model = randomGpt2({ layers: 2, width: 32, heads: 2, vocabulary: 40, positions: 64 });
  const kernel = jest.spyOn(torch(), 'packedAttention');
  expectSame(model, true);
  expect(kernel).toHaveBeenCalledTimes(2 * 2 * batches.length);
  kernel.mockRestore();
  disposeModel(model);
});

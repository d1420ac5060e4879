import * as tf from '@tensorflow/tfjs-core';
import { type Engine, type LossOutput, useEngine } from '../../engine/engine';
import { startEngine } from '../../engine/startEngine';
import { tfjsEngine } from '../../engine/tfjsEngine';
import { activation } from '../../engine/ops/activations';
import { embedding, linear } from '../../engine/ops/linear';
import { chunkedLogProbs } from '../../engine/ops/tokenLogProbs';
import { randomStream } from '../../util/random';

interface Outcome {
  loss: number;
  aux: number[];
  grads: number[][];
}

let torch: Engine;
let truth: Engine;

beforeAll(async () => {
  torch = await startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' });
  truth = tfjsEngine('cpu');
});

type Build = (engine: Engine, weights: tf.Variable[]) => LossOutput;

const shapes = { table: [11, 6], mix: [6, 6] };

function values(shape: number[], seed: number): Float32Array {
  const random = randomStream(seed);
  return Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => random() * 2 - 1);
}

/** Runs one loss on one engine with fixed weights, and checks that nothing leaks. */
async function outcome(engine: Engine, build: Build): Promise<Outcome> {
  await tf.setBackend(engine.name === 'torch' ? 'torch' : 'cpu');
  useEngine(engine);
  const weights = Object.values(shapes).map((shape, i) => engine.parameter(values(shape, i), shape, true));
  const before = tf.memory().numTensors;
  const result = engine.valueAndGrads(() => build(engine, weights), weights);
  expect(tf.memory().numTensors - before).toBe(1 + Object.keys(result.aux).length + result.grads.length);
  const read = {
    loss: result.loss.dataSync()[0],
    aux: Object.values(result.aux).flatMap((tensor) => [...tensor.dataSync()]),
    grads: result.grads.map((grad) => [...grad.dataSync()]),
  };
  tf.dispose([result.loss, result.grads]);
  tf.dispose(Object.values(result.aux));
  weights.forEach((weight) => weight.dispose());
  return read;
}

function expectClose(actual: number[], expected: number[]): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((value, i) => expect(Math.abs(value - expected[i])).toBeLessThan(2e-6 * Math.max(1, Math.abs(expected[i]))));
}

async function expectSame(build: Build): Promise<void> {
  const expected = await outcome(truth, build);
  const actual = await outcome(torch, build);
  expectClose([actual.loss], [expected.loss]);
  expectClose(actual.aux, expected.aux);
  actual.grads.forEach((grad, i) => expectClose(grad, expected.grads[i]));
  expect(actual.grads.flat().some((value) => value !== 0)).toBe(true);
}

/** A tied model in miniature: embedding, one mixing layer with a residual, log-probabilities under the same table. */
function tiedModel(chunkRows: number): Build {
  return (_, [table, mix]) => {
    const ids = tf.tensor1d([3, 1, 3, 10, 0], 'int32');
    const targets = tf.tensor1d([1, 3, 10, 0, 0], 'int32');
    const x = embedding(ids, table);
    const hidden = tf.add<tf.Tensor2D>(x, activation(linear(x, mix), 'gelu_tanh'));
    const logps = chunkedLogProbs(hidden, table as unknown as tf.Tensor2D, targets, { scale: 1.5 }, chunkRows);
    const weighted = tf.mul(logps, tf.tensor1d([1, -2, 0.5, 3, 1]));
    return { loss: tf.sum(tf.softplus(weighted)) as tf.Scalar, aux: { logps } };
  };
}

describe('valueAndGrads on torch equals tfjs’s tape', () => {
  test('embedding rows and a tied head in one chunk', () => expectSame(tiedModel(100)));

  test('several chunks, computed again in the backward pass', () => expectSame(tiedModel(2)));

  test('a soft-capped head goes through the plain definition', () =>
    expectSame((_, [table, mix]) => {
      const hidden = linear(embedding(tf.tensor1d([3, 1, 7], 'int32'), table), mix);
      const logps = chunkedLogProbs(hidden, table as unknown as tf.Tensor2D, tf.tensor1d([1, 3, 2], 'int32'), { softcap: 2 }, 2);
      return { loss: tf.neg(tf.sum(logps)) as tf.Scalar };
    }));

  test('nested recomputed blocks with a residual path around each', () =>
    expectSame((engine, [table, mix]) => {
      const block = (x: tf.Tensor2D): tf.Tensor2D => activation(linear(x, mix), 'silu') as tf.Tensor2D;
      let x = embedding(tf.tensor1d([2, 2, 5], 'int32'), table);
      for (let i = 0; i < 3; i++) x = tf.add(tf.mul(x, 0.5), engine.recomputed(block, [x]));
      return { loss: tf.sum(tf.square(x)) as tf.Scalar };
    }));

  test('a weight that the loss does not touch gets zeros', async () => {
    const { grads } = await outcome(torch, (_, [table]) => ({ loss: tf.sum(tf.square(table)) as tf.Scalar }));
    expect(grads[1]).toEqual(new Array(36).fill(0));
  });

  test('a loss that throws leaves nothing behind for the next', async () => {
    await expect(
      outcome(torch, (_, [table]) => {
        tf.sum(table);
        throw new Error('on purpose');
      }),
    ).rejects.toThrow('on purpose');
    await expectSame(tiedModel(100));
  });
});

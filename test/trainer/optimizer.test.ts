import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { globalNorm } from '../../engine/ops/updates';
import { readSafetensors, writeSafetensors } from '../../models/safetensors';
import { createOptimizer, type OptimizerOptions } from '../../trainer/optimizer';
import { UserError } from '../../util/errors';
import { startTestEngine } from '../models/testEngine';

interface Golden {
  shapes: number[][];
  weights: number[][];
  gradients: number[][][];
  learningRate: number;
  maxNorm: number;
  cases: { options: OptimizerOptions; steps: number[][]; state: Record<string, number[][]> }[];
}
const golden = JSON.parse(readFileSync(join(__dirname, '../goldens/training/optimizers.json'), 'utf8')) as Golden;
const names = golden.shapes.map((_, i) => `weight.${i}`);
const folder = mkdtempSync(join(tmpdir(), 'optimizer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const made = (values: readonly number[][]): Record<string, tf.Variable> =>
  Object.fromEntries(names.map((name, i) => [name, currentEngine().parameter(Float32Array.from(values[i]), golden.shapes[i], true)]));

const flat = (weights: Record<string, tf.Variable>): number[] =>
  Object.values(weights).flatMap((weight) => [...currentEngine().readParameter(weight)]);

const expectClose = (actual: ArrayLike<number>, expected: readonly number[]): void =>
  expected.forEach((value, i) => {
    if (!(Math.abs(actual[i] - value) <= 1e-5 * Math.max(1, Math.abs(value)))) throw new Error(`${i}: ${actual[i]}, torch has ${value}`);
  });

const title = '$options.optimizer, momentum $options.momentum, weight decay $options.weightDecay, beta1 $options.adamBeta1';

describe.each(['torch', 'tfjs'] as const)('%s', (engine) => {
  beforeAll(() => startTestEngine(engine));

  test.each(golden.cases)(`equals torch.optim over ten steps, saved and read back in between: ${title}`, async (expected) => {
    const before = tf.memory().numTensors;
    const file = join(folder, 'state.safetensors');
    let weights = made(golden.weights);
    let optimizer = await createOptimizer(expected.options, weights);
    for (const [index, gradients] of golden.gradients.entries()) {
      if (index === 4) {
        await writeSafetensors(file, optimizer.state());
        const values = Object.values(weights).map((weight) => [...currentEngine().readParameter(weight)]);
        tf.dispose(weights);
        optimizer.dispose();
        weights = made(values);
        const saved = await readSafetensors(file);
        optimizer = await createOptimizer(expected.options, weights, saved);
        await saved.close();
      }
      tf.tidy(() => {
        const grads = gradients.map((values, i) => tf.tensor(values, golden.shapes[i], 'float32'));
        const { learningRate, maxNorm } = golden;
        optimizer.update(grads, { learningRate, maxNorm, norm: globalNorm(grads), step: index + 1 });
      });
      expectClose(flat(weights), expected.steps[index]);
    }
    const state = optimizer.state();
    expect(state.map(({ name }) => name)).toEqual(Object.keys(expected.state).flatMap((kind) => names.map((name) => `${kind}.${name}`)));
    state.forEach(({ values }, i) => expectClose(values(), Object.values(expected.state).flat()[i]));
    tf.dispose(weights);
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('a state that lacks a tensor is refused by name', async () => {
  await startTestEngine('torch');
  const file = join(folder, 'short.safetensors');
  await writeSafetensors(file, [{ name: 'squares.weight.0', shape: [3, 2], values: new Float32Array(6) }]);
  const weights = made(golden.weights);
  const saved = await readSafetensors(file);
  const failed = createOptimizer(golden.cases[0].options, weights, saved);
  await expect(failed).rejects.toThrow(UserError);
  await expect(failed).rejects.toThrow('squares.weight.1');
  await saved.close();
  tf.dispose(weights);
});

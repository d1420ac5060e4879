import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { currentEngine } from '../../engine/engine';
import { startEngine } from '../../engine/startEngine';
import { accumulateGradients, rmsPropUpdate } from '../../engine/ops/updates';
import * as tf from '@tensorflow/tfjs-core';
import { goldenRun } from './goldenRun';
import { goldenCases } from './trainingGolden';
import { trainingRuns } from './trainingRun';

beforeAll(() => startEngine({ engine: 'torch', device: 'cpu', precision: 'bf16' }));

test.each(goldenCases)('bf16 follows the float32 run of TRL within the precision of its eight bits: $name', async (golden) => {
  const { lines, leaked } = await goldenRun(golden, golden.steps.length);
  // at the hinge's corner a last bit decides whether a pair pulls at all: from its fourth step on the runs of two CPUs part
  const followed = golden.loss_type === 'hinge' ? 3 : lines.length;
  lines.slice(0, followed).forEach((line, i) => {
    const { loss } = golden.steps[i];
    expect(Math.abs(line.loss - loss)).toBeLessThan(0.04 * Math.max(1, loss));
  });
  expect(leaked).toBe(0);
});

test('updates too small for bf16 add up in the float32 master copy, and reach the working copy once they are large enough', () => {
  const engine = currentEngine();
  const weight = engine.parameter(Float32Array.of(1, 1), [2], true);
  const squares = tf.variable(tf.ones([2]));
  const grads = [tf.tensor1d([1, -1])];
  // squares stay 1 for a gradient of 1: each update moves a weight by 1e-3; bf16 next to 1 knows steps of 0.0039 and 0.0078
  const norm = tf.scalar(1);
  const constants = { learningRate: 1e-3, decay: 0.99, epsilon: 0, momentum: 0, weightDecay: 0, norm, maxNorm: 10 };
  const update = (): void => rmsPropUpdate([weight], grads, [squares], [], constants);
  update();
  expect([...engine.readParameter(weight)].map((value) => Math.round(value * 1e4) / 1e4)).toEqual([0.999, 1.001]);
  expect([...weight.dataSync()]).toEqual([1, 1]);
  for (let i = 0; i < 9; i++) update();
  expect([...engine.readParameter(weight)].map((value) => Math.round(value * 1e4) / 1e4)).toEqual([0.99, 1.01]);
  expect([...weight.dataSync()]).toEqual([0.98828125, 1.0078125]);
  tf.dispose([weight, squares, norm, ...grads]);
});

test('gradients of several batches add up in float32: in bf16 256 + 1 is 256', () => {
  const before = tf.memory().numTensors;
  const mean = tf.tidy(() => {
    const batch = (value: number): tf.Tensor[] => [tf.mul(tf.ones([3]), value)];
    let sums: tf.Tensor[] | undefined;
    for (const value of [256, 1, 1, 1]) sums = accumulateGradients(sums, batch(value), 1 / 4);
    return [...sums![0].dataSync()];
  });
  expect(mean).toEqual([64.75, 64.75, 64.75]);
  expect(tf.memory().numTensors).toBe(before);
});

test("the best evaluation's float32 masters are the model, stopped and resumed too", async () => {
  const options = { ...{ batchSize: 4, learningRate: 1e-3, seed: 11, evalEverySteps: 2, saveEverySteps: 0 }, loadBestModelAtEnd: true };
  const { run, evaluation, remove } = trainingRuns({ ...options, metricForBestModel: 'rewards/rejected' });
  const weights = (output: string): Buffer => readFileSync(join(output, 'model', 'model.safetensors'));
  const through = await run('through', { eval: evaluation, maxSteps: 6 });
  const step = through.lines.at(-1)!.best_step;
  expect(step).toBeLessThan(6);
  const short = await run('short', { eval: evaluation, maxSteps: step });
  expect(weights(through.output)).toEqual(weights(short.output));
  await run('stopped', { eval: evaluation, maxSteps: 6 }, 5);
  const resumed = await run('stopped', { eval: evaluation, maxSteps: 6, resume: true });
  expect(resumed.metrics).toBe(through.metrics);
  expect(weights(resumed.output)).toEqual(weights(through.output));
  remove();
});

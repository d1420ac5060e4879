import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { pairLogProbs } from '../../datasets/pairLogProbs';
import { batchSize, commonSize } from '../../datasets/padBatch';
import type { TokenizedPair } from '../../datasets/types';
import type { GraphRecorder } from '../../engine/engine';
import { startEngine } from '../../engine/startEngine';
import { disposeModel, loadModel } from '../../models/loadModel';
import { graphedGradients } from '../../trainer/graphedGradients';
import { createOptimizer } from '../../trainer/optimizer';
import { resolveRunConfig } from '../../trainer/runConfig';
import { runLoss } from '../../trainer/runLoss';
import { recordableStep, stepBatch, type RecordableStep } from '../../trainer/stepInputs';
import { trainStep } from '../../trainer/trainStep';
import { silent } from '../../util/progress';
import { randomStream } from '../../util/random';
import { goldenModels, relativeError } from '../models/goldens';
import { replayRecorder } from './replayRecorder';

beforeAll(() => startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' }));

const random = randomStream(5);
const upTo = (most: number): number => 1 + Math.floor(random() * most);
const ids = (length: number): Int32Array => Int32Array.from({ length }, () => Math.floor(random() * 40));
const pairs: TokenizedPair[] = Array.from({ length: 20 }, () => ({ prompt: ids(upTo(9)), chosen: ids(upTo(5)), rejected: ids(upTo(5)) }));
const steps = Array.from({ length: 10 }, (_, step) => [2 * step, 2 * step + 1]);
const size = commonSize(steps.slice(0, 9).map((indices) => batchSize(indices.map((i) => pairs[i]))));

interface Run {
  recorder?: GraphRecorder;
  loss?: string;
  ldAlpha?: number | undefined;
  useWeighting?: boolean;
  accumulated?: number;
  change?: (step: RecordableStep) => RecordableStep;
  sizes?: (typeof size)[];
}

/** Metrics and norm of each of ten steps, the weights after them, and what was said. */
async function train({ recorder, loss = 'sigmoid', ldAlpha, useWeighting, accumulated = 1, change = (step) => step, sizes = [size] }: Run) {
  // its attention goes by masks, whose shapes are the batch's alone
  const model = await loadModel(join(goldenModels, 'bloom'), { trainable: true });
  const config = await resolveRunConfig({
    model: 'x',
    train: 'x',
    output: 'x',
    loss,
    ldAlpha,
    useWeighting,
    optimizer: 'sgd',
    momentum: 0.9,
  });
  const reference = await pairLogProbs(model, pairs, 4, silent, '', { tailWeight: ldAlpha });
  const optimizer = await createOptimizer(config, model.weights);
  const source = { config, model, reference, loss: runLoss(config) };
  const said: string[] = [];
  const graphed = recorder && graphedGradients(change(recordableStep(source)), pairs, sizes, recorder, (line) => said.push(line));
  const context = { ...source, optimizer, ...(graphed && { gradients: graphed.gradients }) };
  const results = [];
  for (let step = 0; step < steps.length; step += accumulated) {
    const batches = steps.slice(step, step + accumulated).map((indices) => stepBatch(pairs, indices, ldAlpha !== undefined));
    results.push(trainStep(context, batches, 1e-2, step / accumulated + 1));
  }
  // read late, as on a GPU
  const figures = results.flatMap(({ metrics, norm }) => [...metrics.dataSync(), ...norm.dataSync()]);
  results.forEach(({ metrics, norm }) => tf.dispose([metrics, norm]));
  const weights = Object.values(model.weights).flatMap((weight) => [...weight.dataSync<'float32'>()]);
  graphed?.dispose();
  optimizer.dispose();
  disposeModel(model);
  return { figures, weights, said };
}

function expectSame(found: Awaited<ReturnType<typeof train>>, wanted: Awaited<ReturnType<typeof train>>): void {
  expect(relativeError(found.figures, wanted.figures)).toBeLessThan(1e-4);
  expect(relativeError(found.weights, wanted.weights)).toBeLessThan(1e-4);
}

test.each<Pick<Run, 'loss' | 'ldAlpha' | 'useWeighting'>>([
  { loss: 'sigmoid' },
  { loss: 'sigmoid_norm' },
  { loss: 'sft' },
  { loss: 'aot' },
  { loss: 'sigmoid', ldAlpha: 0.3 },
  { loss: 'sigmoid', useWeighting: true },
])('ten steps by recorded work, and as they are: %j', async (kind) => {
  const wanted = await train(kind);
  const { recorder, counts } = replayRecorder();
  const before = tf.memory().numTensors;
  const found = await train({ recorder, ...kind });
  expectSame(found, wanted);
  expect(found.said).toEqual([]);
  // the first batch as it is, one recorded and compared, the others launched
  expect(counts).toEqual({ recorded: 1, launched: 9, live: 0 });
  expect(tf.memory().numTensors).toBe(before);
});

test('gradients of several batches are summed before the next launch overwrites them', async () => {
  const { recorder, counts } = replayRecorder();
  expectSame(await train({ recorder, accumulated: 2 }), await train({ accumulated: 2 }));
  expect(counts.launched).toBe(9);
});

test('a batch that fits no bucket is computed as it is', async () => {
  const { recorder, counts } = replayRecorder();
  const small = commonSize(steps.slice(0, 4).map((indices) => batchSize(indices.map((i) => pairs[i]))));
  expectSame(await train({ recorder, sizes: [small] }), await train({}));
  expect(counts.recorded).toBe(1);
  expect(counts.launched).toBeLessThan(9);
});

test('work that cannot be recorded: a line says why, and training goes on', async () => {
  const { recorder } = replayRecorder();
  const failing = {
    ...recorder,
    record: () => {
      throw new Error('operation not permitted when stream is capturing\nmore');
    },
  };
  const found = await train({ recorder: failing });
  expectSame(found, await train({}));
  expect(found.said).toEqual(['CUDA graphs are not used: operation not permitted when stream is capturing']);
});

test('work that uploads what belongs to one batch is not recorded', async () => {
  const { recorder, counts } = replayRecorder();
  let calls = 0;
  const change = (step: RecordableStep): RecordableStep => ({
    ...step,
    compute: (inputs) => tf.tidy(() => (tf.tensor1d([calls++, 1]), { ...step.compute(inputs) }) as never),
  });
  const found = await train({ recorder, change });
  expectSame(found, await train({}));
  expect(found.said).toEqual(['CUDA graphs are not used: the model uploads other values for each batch']);
  expect(counts.recorded).toBe(0);
});

test.each<[string, number, string]>([
  ['the recorded batch', 1, 'gradients differ'],
  ['the next one', 2, 'gradients differ'],
])('launches that give something else, for %s: they are found before they are used', async (_which, bad, words) => {
  const { recorder, counts } = replayRecorder();
  const wrong: GraphRecorder = {
    ...recorder,
    record: (f) => {
      const work = recorder.record(f);
      const launch = (): void => {
        work.launch();
        if (counts.launched >= bad) tf.tidy(() => recorder.overwrite(work.results.grads[3], tf.mul(work.results.grads[3], 1.5)));
      };
      return { ...work, launch };
    },
  };
  const found = await train({ recorder: wrong });
  expectSame(found, await train({}));
  expect(found.said).toEqual([expect.stringMatching(new RegExp(`^CUDA graphs are not used: a recorded step's ${words}`))]);
  expect(counts.live).toBe(0);
});

import * as tf from '@tensorflow/tfjs-core';
import { randomGpt2 } from '../../bench/ours/randomGpt2';
import { batchSize } from '../../datasets/padBatch';
import { pairLogProbs } from '../../datasets/pairLogProbs';
import type { TokenizedPair } from '../../datasets/types';
import { currentEngine, type Precision } from '../../engine/engine';
import { startEngine } from '../../engine/startEngine';
import { findTorch } from '../../engine/torch/locate';
import { cudaDevices } from '../../engine/torch/torchEngine';
import { sigmoid } from '../../losses/sigmoid';
import { disposeModel } from '../../models/loadModel';
import { graphedGradients } from '../../trainer/graphedGradients';
import { lengthBuckets } from '../../trainer/lengthBuckets';
import { createOptimizer } from '../../trainer/optimizer';
import { resolveRunConfig } from '../../trainer/runConfig';
import { recordableStep, stepBatch } from '../../trainer/stepInputs';
import { trainStep } from '../../trainer/trainStep';
import { randomStream } from '../../util/random';
import { relativeError } from '../models/goldens';

const { torch } = findTorch();
// what no machine without a card can run; the same path is tested on CPUs by graphedGradients.test.ts, launches replayed
const onGpu = torch?.cuda && cudaDevices(torch) > 0 ? describe : describe.skip;

const random = randomStream(5);
const ids = (least: number, most: number): Int32Array =>
  Int32Array.from({ length: least + Math.floor(random() * (most - least)) }, () => Math.floor(random() * 500));
const pairs: TokenizedPair[] = Array.from({ length: 160 }, () => ({ prompt: ids(8, 40), chosen: ids(16, 64), rejected: ids(16, 64) }));
const steps = Array.from({ length: 40 }, (_, step) => [0, 1, 2, 3].map((i) => 4 * step + i));

/** Metrics and norm of forty steps. */
async function train(graphs: boolean): Promise<{ figures: number[]; said: string[] }> {
  const model = randomGpt2({ layers: 2, width: 64, heads: 2, vocabulary: 500, positions: 256 });
  const config = await resolveRunConfig({ model: 'x', train: 'x', output: 'x', optimizer: 'sgd', momentum: 0.9 });
  const reference = await pairLogProbs(model, pairs, 8);
  const optimizer = await createOptimizer(config, model.weights);
  const source = { config, model, reference, loss: sigmoid };
  const said: string[] = [];
  const sizes = steps.map((indices) => batchSize(indices.map((i) => pairs[i])));
  const recorder = graphs ? currentEngine().graphRecorder!() : undefined;
  if (typeof recorder === 'string') throw new Error(recorder);
  const graphed = recorder && graphedGradients(recordableStep(source), pairs, lengthBuckets(sizes, 3), recorder, (line) => said.push(line));
  const context = { ...source, optimizer, ...(graphed && { gradients: graphed.gradients }) };
  const results = steps.map((indices, step) => trainStep(context, [stepBatch(pairs, indices)], 1e-2, step + 1));
  const figures = results.flatMap(({ metrics, norm }) => [...metrics.dataSync(), ...norm.dataSync()]);
  results.forEach(({ metrics, norm }) => tf.dispose([metrics, norm]));
  graphed?.dispose();
  optimizer.dispose();
  disposeModel(model);
  return { figures, said };
}

onGpu('on a GPU', () => {
  // one process runs one engine: the other precision by DPO_TEST_PRECISION
  const precision = (process.env.DPO_TEST_PRECISION ?? 'bf16') as Precision;
  beforeAll(() => startEngine({ engine: 'torch', device: 'cuda', precision }));

  test('forty steps as CUDA graphs and as they are', async () => {
    const wanted = await train(false);
    const found = await train(true);
    expect(found.said).toEqual([]);
    expect(relativeError(found.figures, wanted.figures)).toBeLessThan(precision === 'bf16' ? 2e-2 : 1e-4);
  });
});

/*
 * Compares what dpo-estimate says with real training steps of a random GPT-2: memory at most, beside the process's own, and time a step.
 *
 *   node --expose-gc dist/bench/ours/estimate.js '{"layers": 6, "width": 512, "heads": 8, "vocabulary": 16000, "batch": 8}'
 *
 * Prints one line of JSON: estimated, real and their ratio. Memory on CPUs is read from /proc (Linux).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import type { TokenizedPair } from '../../datasets/types';
import { currentEngine } from '../../engine/engine';
import { sigmoid } from '../../losses/sigmoid';
import { resolveEstimateConfig } from '../../trainer/estimateConfig';
import { measureThroughput } from '../../trainer/measureThroughput';
import { disposeModel } from '../../models/loadModel';
import type { Model } from '../../models/types';
import { createOptimizer } from '../../trainer/optimizer';
import { resolveRunConfig } from '../../trainer/runConfig';
import { stepMemory } from '../../trainer/stepMemory';
import { stepShape } from '../../trainer/stepShape';
import { stepSeconds, stepWork } from '../../trainer/stepTime';
import { stepBatch } from '../../trainer/stepInputs';
import { trainStep } from '../../trainer/trainStep';
import { randomStream } from '../../util/random';
import { startProgram, timed, type Common } from './program';
import { randomGpt2 } from './randomGpt2';

const status = (field: string): number =>
  1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))![1]);

const defaults = {
  ...{ device: 'cpu', precision: 'float32' as Common['precision'], runs: 7, warmup: 3 },
  ...{ layers: 6, width: 512, heads: 8, vocabulary: 16000, positions: 256 },
  ...{ batch: 8, prompt: 24, completion: 40, optimizer: 'rmsprop' },
};
type Options = typeof defaults;

async function main(): Promise<void> {
  const options = await startProgram<Options>(defaults);
  const { batch, prompt, completion, precision, optimizer } = options;
  const onGpu = currentEngine().peakMemory !== undefined;
  // what the process takes itself shows once all of it has run
  await steps({ ...options, layers: 1, width: 64, heads: 2, vocabulary: 100, runs: 1, warmup: 1 });
  gc?.();
  const before = onGpu ? 0 : status('VmRSS');
  if (!onGpu) writeFileSync('/proc/self/clear_refs', '5');
  const { times, model } = await steps(options);
  const peak = onGpu ? currentEngine().peakMemory!() : status('VmHWM') - before;
  const wanted = {
    batchSize: batch,
    promptTokens: prompt,
    completionTokens: completion,
    precision,
    optimizer,
    device: options.device,
    measure: true,
  };
  const config = resolveEstimateConfig({ model: 'bench', ...wanted });
  const shape = stepShape(model.architecture, model.config, config);
  const memory = stepMemory(shape, config);
  const throughput = measureThroughput(shape);
  const real = [...times].sort((a, b) => a - b)[times.length >> 1] / 1000;
  const estimated = stepSeconds(stepWork(shape, memory, config), throughput);
  const compare = (guess: number, truth: number) => ({ estimated: guess, real: truth, ratio: guess / truth });
  process.stdout.write(`${JSON.stringify({ peak: compare(memory.peak, peak), seconds: compare(estimated, real), memory, throughput })}\n`);
}

/** Trains a random model on random pairs for some steps. */
async function steps(options: Options): Promise<{ times: number[]; model: Model }> {
  const { batch, prompt, completion, optimizer: name } = options;
  const model = randomGpt2(options);
  // the values that the weights were made from
  gc?.();
  const random = randomStream(0);
  const ids = (length: number): Int32Array => Int32Array.from({ length }, () => Math.floor(random() * options.vocabulary));
  const pairs: TokenizedPair[] = Array.from({ length: batch }, () => ({
    prompt: ids(prompt),
    chosen: ids(completion),
    rejected: ids(completion),
  }));
  const zeros = new Float32Array(batch);
  const run = await resolveRunConfig({ model: 'bench', train: 'bench', output: 'bench', optimizer: name });
  const optimizer = await createOptimizer(run, model.weights);
  const context = { config: run, model, reference: { chosen: zeros, rejected: zeros }, optimizer, loss: sigmoid };
  const step = stepBatch(pairs, [...pairs.keys()]);
  const times = await timed(options, (place) => {
    const { metrics, norm } = trainStep(context, [step], 1e-6, place + 1);
    norm.dataSync();
    tf.dispose([metrics, norm]);
  });
  optimizer.dispose();
  disposeModel(model);
  return { times, model };
}

void main();

/*
 * Real training steps of a model of random weights, to be held against what dpo-estimate says of them: their times, and the memory that they
 * take beside the process's own. `given` are dpo-estimate's options, `clock` may be `processor`.
 *
 *   node dist/bench/ours/realStep.js '{"model": "config.json", "given": {"batchSize": 4}}'
 *
 * Memory on CPUs is read from /proc (Linux).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setTimeout } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { sigmoid } from '../../losses/sigmoid';
import { trainedWeights } from '../../models/adapters/attachAdapter';
import { createAdapter } from '../../models/adapters/createAdapter';
import { disposeModel } from '../../models/loadModel';
import { randomModel } from '../../models/randomModel';
import { architectureFor } from '../../models/registry';
import type { Architecture, BaseConfig } from '../../models/types';
import type { EstimateConfig } from '../../trainer/estimateConfig';
import { loraOptions, quantizationOf } from '../../trainer/loraOptions';
import { runOf } from '../../trainer/measureStep';
import { createOptimizer } from '../../trainer/optimizer';
import { stepBatch, type StepBatch } from '../../trainer/stepInputs';
import { trainStep } from '../../trainer/trainStep';
import { randomStream } from '../../util/random';
import { startEstimated, type EstimatedOptions } from './estimated';
import { printResult, timed } from './program';

const status = (field: string): number =>
  1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))![1]);

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

async function main(): Promise<void> {
  const { options, architecture, config, estimate } = await startEstimated();
  const tiny = architectureFor('gpt2', 'bench');
  const tinyConfig = tiny.parseConfig(
    { model_type: 'gpt2', n_embd: 64, n_layer: 1, n_head: 2, vocab_size: 100, n_positions: 2048 },
    'bench',
  );
  // what the process takes itself shows once all of it has run
  await steps(tiny, tinyConfig, estimate, { ...options, runs: 1, warmup: 1 });
  collect();
  const onGpu = currentEngine().peakMemory !== undefined;
  const before = onGpu ? 0 : status('VmRSS');
  const times = await steps(architecture, config, estimate, options);
  const peak = onGpu ? currentEngine().peakMemory!() : status('VmHWM') - before;
  printResult(times, { growth: peak });
}

/** Trains a random model on random pairs of the estimate's lengths. @returns milliseconds a step */
async function steps(
  architecture: Architecture,
  config: BaseConfig,
  estimate: EstimateConfig,
  { runs, warmup, clock }: EstimatedOptions,
): Promise<number[]> {
  const run = await runOf(estimate);
  const lora = loraOptions(run);
  const base = randomModel(architecture, config, { name: 'bench', trainable: !lora, quantization: quantizationOf(run) });
  const model = lora ? createAdapter(base, lora, 'bench') : base;
  const optimizer = await createOptimizer(run, trainedWeights(model));
  // the values that the weights were made from are given back by a thread of its own
  collect();
  await setTimeout(200);
  if (currentEngine().device === 'cpu') writeFileSync('/proc/self/clear_refs', '5');
  const random = randomStream(0);
  const ids = (length: number): Int32Array => Int32Array.from({ length }, () => Math.floor(random() * config.vocabulary));
  const { batchSize, promptTokens, completionTokens, gradientAccumulationSteps } = estimate;
  const batch = (): StepBatch => {
    const pairs = Array.from({ length: batchSize }, () => ({
      prompt: ids(promptTokens),
      chosen: ids(completionTokens),
      rejected: ids(completionTokens),
    }));
    return stepBatch(pairs, [...pairs.keys()]);
  };
  const zeros = new Float32Array(batchSize);
  const context = { config: run, model, reference: { chosen: zeros, rejected: zeros }, optimizer, loss: sigmoid };
  const times = await timed({ runs, warmup, clock }, (place) => {
    const { metrics, norm } = trainStep(context, Array.from({ length: gradientAccumulationSteps }, batch), 1e-6, place + 1);
    norm.dataSync();
    tf.dispose([metrics, norm]);
  });
  optimizer.dispose();
  disposeModel(model);
  return times;
}

void main();

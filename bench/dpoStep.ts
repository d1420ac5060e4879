/*
 * Times our DPO step on the pairs and the random-weight GPT-2 shape that bench/peers/trlStep.py gives TRL, and prints one line of JSON
 * of the same form. With `precompute` false the reference's forward pass is part of every step, as TRL has it by default.
 *
 *   python3 bench/peers/makePairs.py 1024 pairs.json
 *   node dist/bench/dpoStep.js '{"layers": 6, "width": 256, "heads": 4, "vocabulary": 16000, "steps": 30}'
 */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { completionLengths, packPairs } from '../datasets/pack';
import { pairLogProbs } from '../datasets/pairLogProbs';
import type { TokenizedPair } from '../datasets/types';
import { currentEngine } from '../engine/engine';
import { startEngine } from '../engine/startEngine';
import { sigmoid } from '../losses/sigmoid';
import { completionLogProbs } from '../models/packedForward';
import { architectureFor } from '../models/registry';
import type { Model } from '../models/types';
import { createOptimizer } from '../trainer/optimizer';
import { resolveRunConfig } from '../trainer/runConfig';
import { trainStep } from '../trainer/trainStep';
import { randomStream } from '../util/random';

const defaults = {
  device: 'cpu',
  precision: 'float32' as 'float32' | 'bf16',
  layers: 24,
  width: 2048,
  heads: 16,
  vocabulary: 100000,
  positions: 2048,
  batch: 4,
  steps: 20,
  warmup: 3,
  precompute: false,
  pairs: 'pairs.json',
};

type BenchConfig = typeof defaults;

/** A GPT-2 of the given shape; weights uniform in ±0.035, the spread of transformers' normal(0, 0.02). */
function randomModel(config: BenchConfig): Model {
  const rawConfig = {
    model_type: 'gpt2',
    n_embd: config.width,
    n_layer: config.layers,
    n_head: config.heads,
    n_positions: config.positions,
    vocab_size: config.vocabulary,
  };
  const architecture = architectureFor('gpt2', 'bench');
  const parsed = architecture.parseConfig(rawConfig, 'bench');
  const random = randomStream(0);
  const weights = Object.fromEntries(
    Object.entries(architecture.weightShapes(parsed)).map(([name, shape]) => {
      const isScale = /ln_[12f]\.weight$/.test(name);
      const values = Float32Array.from({ length: tf.util.sizeFromShape([...shape]) }, () => (isScale ? 1 : (random() - 0.5) * 0.07));
      return [name, currentEngine().parameter(values, shape, true)];
    }),
  );
  return { architecture, config: parsed, weights, rawConfig, folder: 'bench', contentHash: 'bench' };
}

function readBenchPairs({ pairs, vocabulary }: BenchConfig): TokenizedPair[] {
  const triples = JSON.parse(readFileSync(pairs, 'utf8')) as [number[], number[], number[]][];
  const ids = (list: number[], ...end: number[]): Int32Array => Int32Array.from([...list.map((id) => id % (vocabulary - 2)), ...end]);
  const eos = vocabulary - 1;
  return triples.map(([prompt, chosen, rejected]) => ({ prompt: ids(prompt), chosen: ids(chosen, eos), rejected: ids(rejected, eos) }));
}

async function main(): Promise<void> {
  const config: BenchConfig = { ...defaults, ...(JSON.parse(process.argv[2] ?? '{}') as Partial<BenchConfig>) };
  await startEngine({ engine: 'torch', device: config.device, precision: config.precision });
  const model = randomModel(config);
  const count = (config.steps + config.warmup) * config.batch;
  const pairs = readBenchPairs(config).slice(0, count);
  const reference = await pairLogProbs(model, pairs, config.batch);
  const run = await resolveRunConfig({ model: 'bench', train: 'bench', output: 'bench', optimizer: 'rmsprop', beta: 0.1, maxGradNorm: 10 });
  const optimizer = await createOptimizer(run, model.weights);
  const times: number[] = [];
  for (let step = 0; step < config.steps + config.warmup; step++) {
    const indices = Array.from({ length: config.batch }, (_, i) => step * config.batch + i);
    const began = performance.now();
    const members = indices.map((i) => pairs[i]);
    const batch = { indices, packed: packPairs(members), lengths: completionLengths(members) };
    if (!config.precompute) tf.tidy(() => completionLogProbs(model, batch.packed).chosen.dataSync());
    const { metrics, norm } = trainStep({ config: run, model, reference, optimizer, loss: sigmoid }, [batch], 1e-6, step + 1);
    // the step is over when its values are here
    norm.dataSync();
    tf.dispose([metrics, norm]);
    times.push(performance.now() - began);
  }
  const measured = times.slice(config.warmup);
  const mean = measured.reduce((sum, time) => sum + time, 0) / measured.length;
  const rounded = (value: number): number => Math.round(value * 10) / 10;
  const line = {
    ms_per_step: rounded(mean),
    min_ms: rounded(Math.min(...measured)),
    pairs_per_second: rounded((config.batch * 1000) / mean),
    config,
  };
  process.stdout.write(`${JSON.stringify({ ours: 'dpo-trainer', ...line })}\n`);
}

void main();

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../engine/startEngine';
import { resolveRunConfig } from '../../trainer/runConfig';
import { runTraining } from '../../trainer/runTraining';
import { goldenModels } from '../models/goldens';
import { startTestEngine } from '../models/testEngine';
import { goldenPairs, trainingGoldens } from './trainingGolden';

const root = mkdtempSync(join(tmpdir(), 'qlora-run-'));
const train = join(root, 'train.jsonl');
const base = { train, batchSize: 4, maxSteps: 4, learningRate: 1e-2, seed: 11, cache: join(root, 'cache') };

beforeAll(() => {
  writeFileSync(train, goldenPairs.train.map((pair) => `${JSON.stringify(pair)}\n`).join(''));
  for (const name of ['gpt2', 'llama']) {
    cpSync(join(goldenModels, name), join(root, name), { recursive: true });
    for (const file of ['tokenizer.json', 'tokenizer_config.json']) cpSync(join(trainingGoldens, file), join(root, name, file));
  }
});
beforeEach(() => startTestEngine());
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function run(name: string, options: Record<string, unknown>, stopAfter = Infinity) {
  const output = join(root, name);
  let done = 0;
  await runTraining(await resolveRunConfig({ ...base, output, ...options }), {
    progress: (event) => {
      if (event.stage === 'training') done = event.done;
    },
    say: () => undefined,
    shouldStop: () => done >= stopAfter,
  });
  const lines = readFileSync(join(output, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const losses = lines.map((line) => (JSON.parse(line) as { loss: number }).loss);
  return { losses, adapter: () => readFileSync(join(output, 'model', 'adapter_model.safetensors')) };
}

test.each([
  ['gpt2', 'nf4', true],
  ['llama', 'fp4', false],
])('%s in %s, double quantisation %s: trains, and stopped and resumed leaves the same adapter', async (name, quantization, double) => {
  const tensors = tf.memory().numTensors;
  const options = { model: join(root, name), loraRank: 2, quantization, doubleQuantization: double };
  const whole = await run(`${name}-whole`, options);
  expect(Math.abs(whole.losses[0] - Math.LN2)).toBeLessThan(1e-5);
  await run(`${name}-stopped`, options, 2);
  const resumed = await run(`${name}-stopped`, { ...options, resume: true });
  expect(resumed.losses).toEqual(whole.losses);
  expect(resumed.adapter().equals(whole.adapter())).toBe(true);
  // the weights are others than without
  const plain = await run(`${name}-plain`, { model: join(root, name), loraRank: 2 });
  // with reference log-probabilities of its own, though all share a cache
  expect(Math.abs(plain.losses[0] - Math.LN2)).toBeLessThan(1e-5);
  expect(plain.losses[3]).not.toBe(whole.losses[3]);
  expect(tf.memory().numTensors).toBe(tensors);
});

test.each([
  [{ quantization: 'nf4' }, '--quantization nf4: weights in 4 bits cannot be trained themselves; give --lora-rank or --adapter'],
  [{ doubleQuantization: true, loraRank: 2 }, '--double-quantization is for QLoRA: give --quantization nf4 or fp4'],
])('refused: %j', async (options, message) => {
  await expect(run('refused', { model: join(root, 'gpt2'), ...options })).rejects.toThrow(message);
});

test('an engine without 4 bits says so', async () => {
  await startEngine({ engine: 'tfjs', device: 'cpu', precision: 'float32' });
  const options = { model: join(root, 'gpt2'), loraRank: 2, quantization: 'nf4' };
  await expect(run('elsewhere', options)).rejects.toThrow('--quantization nf4 needs the torch engine; this is tfjs');
});

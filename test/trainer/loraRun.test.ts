import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { resolveRunConfig } from '../../trainer/runConfig';
import { runTraining } from '../../trainer/runTraining';
import { goldenModels } from '../models/goldens';
import { startTestEngine } from '../models/testEngine';
import { goldenPairs, trainingGoldens } from './trainingGolden';

const root = mkdtempSync(join(tmpdir(), 'lora-run-'));
const model = join(root, 'base');
const trainFile = join(root, 'train.jsonl');
const base = { model, train: trainFile, batchSize: 4, maxSteps: 5, learningRate: 1e-2, seed: 11, loraRank: 2, cache: join(root, 'cache') };

beforeAll(async () => {
  await startTestEngine();
  cpSync(join(goldenModels, 'gpt2'), model, { recursive: true });
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) cpSync(join(trainingGoldens, name), join(model, name));
  writeFileSync(trainFile, goldenPairs.train.map((pair) => `${JSON.stringify(pair)}\n`).join(''));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function run(name: string, options: Record<string, unknown> = {}, stopAfter = Infinity) {
  const output = join(root, name);
  const config = await resolveRunConfig({ ...base, output, ...options });
  let done = 0;
  const computed: number[] = [];
  const outcome = await runTraining(config, {
    progress: (event) => {
      if (event.stage === 'training') done = event.done;
      if (event.stage === 'reference log-probabilities') computed.push(event.total);
    },
    say: () => undefined,
    shouldStop: () => done >= stopAfter,
  });
  const lines = readFileSync(join(output, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number>);
  return { output, outcome, lines, computed, weights: () => readFileSync(join(output, 'model', 'adapter_model.safetensors')) };
}

test('a run leaves an adapter in the format of PEFT, beside its tokenizer; stopped and resumed it leaves the same', async () => {
  const tensors = tf.memory().numTensors;
  const whole = await run('whole');
  expect(readdirSync(join(whole.output, 'model')).sort()).toEqual([
    'adapter_config.json',
    'adapter_model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  const config = JSON.parse(readFileSync(join(whole.output, 'model', 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  expect(config).toMatchObject({
    ...{ peft_type: 'LORA', r: 2, lora_alpha: 4, base_model_name_or_path: model, target_modules: ['c_attn', 'c_fc', 'c_proj'] },
    ...{ fan_in_fan_out: true, use_rslora: false, bias: 'none' },
  });
  expect(Math.abs(whole.lines[0].loss - Math.LN2)).toBeLessThan(1e-6);
  expect(whole.lines[4].loss).toBeLessThan(0.65);

  const stopped = await run('stopped', { saveEverySteps: 2 }, 3);
  expect(stopped.outcome.checkpointFolder).toBe(join(stopped.output, 'checkpoints', 'step-3'));
  const resumed = await run('stopped', { saveEverySteps: 2, resume: true });
  expect(resumed.lines).toEqual(whole.lines);
  expect(resumed.weights()).toEqual(whole.weights());
  expect(tf.memory().numTensors).toBe(tensors);
});

test('an adapter named as the model is trained on: it is its own reference', async () => {
  const started = await run('started', { model: join(root, 'whole', 'model'), loraRank: undefined });
  expect(Math.abs(started.lines[0].loss - Math.LN2)).toBeLessThan(1e-6);
  expect(started.lines[0]['logps/chosen']).not.toBeCloseTo((await run('fresh')).lines[0]['logps/chosen'], 2);
  expect(started.weights()).not.toEqual(readFileSync(join(root, 'whole', 'model', 'adapter_model.safetensors')));
});

test('the reference is the base model: a run over all weights has computed it already', async () => {
  await run('all', { loraRank: undefined, cache: join(root, 'shared'), saveEverySteps: 0 });
  const { computed } = await run('after', { cache: join(root, 'shared') });
  expect(computed).toEqual([]);
});

test('wrong options are refused before anything is computed', async () => {
  await expect(run('bad', { loraTargets: 'c_atn' })).rejects.toThrow('did you mean c_attn?');
  await expect(run('bad', { loraRank: undefined, loraAlpha: 3 })).rejects.toThrow('--lora-alpha is for LoRA: give --lora-rank');
  await expect(run('bad', { loraRank: 0 })).rejects.toThrow('--lora-rank is 0: must be at least 1');
  await expect(run('bad', { model: join(root, 'whole', 'model') })).rejects.toThrow('is one already');
});

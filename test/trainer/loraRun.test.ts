import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { transposed } from '../../models/floats';
import { readSafetensors } from '../../models/safetensors';
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

async function run(name: string, options: Record<string, unknown> = {}, stopAfter = Infinity, said: string[] = []) {
  const output = join(root, name);
  const config = await resolveRunConfig({ ...base, output, ...options });
  let done = 0;
  const computed: number[] = [];
  const outcome = await runTraining(config, {
    progress: (event) => {
      if (event.stage === 'training') done = event.done;
      if (event.stage === 'reference log-probabilities') computed.push(event.total);
    },
    say: (line) => said.push(line),
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

test('embedding and head by LoRA, norms whole: says that it unties them; stopped and resumed it leaves the same', async () => {
  const tensors = tf.memory().numTensors;
  const options = { loraTargets: 'wte,lm_head,c_attn', loraModulesToSave: 'ln_f', loraDropout: 0.1, learningRate: 2e-3 };
  const said: string[] = [];
  const whole = await run('embedding', options, Infinity, said);
  expect(said.filter((line) => line.includes('ties its head'))).toEqual([
    'the model ties its head to its embedding, and the adapter makes different things of them: dpo-import --merge writes both',
  ]);
  expect(Math.abs(whole.lines[0].loss - Math.LN2)).toBeLessThan(1e-6);
  expect(whole.lines[4].loss).toBeLessThan(Math.LN2);
  const config = JSON.parse(readFileSync(join(whole.output, 'model', 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  expect(config).toMatchObject({ target_modules: ['c_attn', 'lm_head', 'wte'], modules_to_save: ['transformer.ln_f'] });
  const file = await readSafetensors(join(whole.output, 'model', 'adapter_model.safetensors'));
  const names = [...file.entries.keys()].filter((name) => !name.includes('c_attn')).sort();
  const trained = await Promise.all(names.map((name) => file.read(name)));
  await file.close();
  expect(names.map((name) => name.replace('base_model.model.', ''))).toEqual([
    ...['lm_head.lora_A.weight', 'lm_head.lora_B.weight', 'transformer.ln_f.bias', 'transformer.ln_f.weight'],
    ...['transformer.wte.lora_embedding_A', 'transformer.wte.lora_embedding_B'],
  ]);
  // what starts at zero has moved, and so has the copy
  for (const i of [1, 4]) expect(Math.max(...trained[i].map(Math.abs))).toBeGreaterThan(0);
  const own = await readSafetensors(join(model, 'model.safetensors'));
  expect(await own.read('transformer.ln_f.weight')).not.toEqual(trained[3]);
  await own.close();

  await run('embedding-stopped', { ...options, saveEverySteps: 2 }, 3);
  const resumed = await run('embedding-stopped', { ...options, saveEverySteps: 2, resume: true });
  expect(resumed.lines).toEqual(whole.lines);
  expect(resumed.weights()).toEqual(whole.weights());
  expect(tf.memory().numTensors).toBe(tensors);
});

test('--lora-ensure-weight-tying: embedding and head stay one, and nothing is said; stopped and resumed it leaves the same', async () => {
  const options = { loraTargets: 'lm_head,c_attn', loraEnsureWeightTying: true, loraDropout: 0.1, learningRate: 2e-3, maxSteps: 10 };
  const said: string[] = [];
  const whole = await run('tied', options, Infinity, said);
  expect(said.filter((line) => line.includes('ties its head'))).toEqual([]);
  expect(Math.abs(whole.lines[0].loss - Math.LN2)).toBeLessThan(1e-6);
  expect(whole.lines[9].loss).toBeLessThan(Math.LN2);
  const folder = join(whole.output, 'model');
  const config = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  expect(config).toMatchObject({ target_modules: ['c_attn', 'lm_head', 'wte'], ensure_weight_tying: true });
  const file = await readSafetensors(join(folder, 'adapter_model.safetensors'));
  const read = (name: string) => file.read(`base_model.model.${name}`);
  const [a, headB] = [await read('transformer.wte.lora_embedding_A'), await read('lm_head.lora_B.weight')];
  await file.close();
  expect(Math.max(...a.map(Math.abs))).toBeGreaterThan(0);
  expect(headB).toEqual(transposed(a, 2, a.length / 2));
  await run('tied-stopped', { ...options, saveEverySteps: 2 }, 3);
  const resumed = await run('tied-stopped', { ...options, saveEverySteps: 2, resume: true });
  expect(resumed.lines).toEqual(whole.lines);
  expect(resumed.weights()).toEqual(whole.weights());
});

test('an adapter named as the model is trained on: it is its own reference', async () => {
  const started = await run('started', { model: join(root, 'whole', 'model'), loraRank: undefined });
  expect(Math.abs(started.lines[0].loss - Math.LN2)).toBeLessThan(1e-6);
  expect(started.lines[0]['logps/chosen']).not.toBeCloseTo((await run('fresh')).lines[0]['logps/chosen'], 2);
  expect(started.weights()).not.toEqual(readFileSync(join(root, 'whole', 'model', 'adapter_model.safetensors')));
});

test('--adapter starts from an adapter on the model that is named; the reference is the adapter as it was', async () => {
  const adapter = join(root, 'elsewhere');
  cpSync(join(root, 'whole', 'model'), adapter, { recursive: true });
  const file = join(adapter, 'adapter_config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify({ ...config, base_model_name_or_path: 'not/here' }));
  const named = await run('named', { adapter, loraRank: undefined });
  const started = await run('started again', { model: join(root, 'whole', 'model'), loraRank: undefined });
  expect(named.lines).toEqual(started.lines);
  expect(Math.abs(named.lines[0].loss - Math.LN2)).toBeLessThan(1e-6);
  expect(named.weights()).toEqual(started.weights());
  const saved = JSON.parse(readFileSync(join(named.output, 'model', 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  expect(saved).toEqual({ ...config, base_model_name_or_path: model });
  const stopped = await run('named and stopped', { adapter, loraRank: undefined }, 2);
  expect(stopped.outcome.step).toBe(2);
  const resumed = await run('named and stopped', { adapter, loraRank: undefined, resume: true });
  expect(resumed.lines).toEqual(named.lines);
  expect(resumed.weights()).toEqual(named.weights());
});

test('dropout: the same for one seed and when resumed, off in evaluation and reference, absent at 0', async () => {
  const evaluated = { eval: trainFile, evalEverySteps: 1 };
  const plain = await run('no dropout', evaluated);
  expect((await run('dropout 0', { loraDropout: 0, ...evaluated })).weights()).toEqual(plain.weights());
  const first = await run('dropout', { loraDropout: 0.3, ...evaluated });
  expect(first.weights()).not.toEqual(plain.weights());
  expect((await run('dropout again', { loraDropout: 0.3, ...evaluated })).weights()).toEqual(first.weights());
  const config = JSON.parse(readFileSync(join(first.output, 'model', 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  expect(config.lora_dropout).toBe(0.3);
  await run('dropout stopped', { loraDropout: 0.3, ...evaluated }, 2);
  expect((await run('dropout stopped', { loraDropout: 0.3, ...evaluated, resume: true })).weights()).toEqual(first.weights());
  // the adapter's own dropout, kept; with a rate too small to change it the evaluation stays what it is
  const [own, off] = [
    { model: join(first.output, 'model'), loraRank: undefined, maxSteps: 1, learningRate: 1e-12, ...evaluated },
    { loraDropout: 0 },
  ];
  const on = await run('dropout kept', own);
  const without = await run('dropout off', { ...own, ...off });
  expect(Math.abs(without.lines[0].loss - Math.LN2)).toBeLessThan(1e-6);
  expect(Math.abs(on.lines[0].loss - Math.LN2)).toBeGreaterThan(1e-4);
  expect(Math.abs(on.lines[1].eval_loss - Math.LN2)).toBeLessThan(1e-5);
});

test('DoRA: trained, stopped, resumed', async () => {
  const whole = await run('dora', { loraDora: true });
  expect(Math.abs(whole.lines[0].loss - Math.LN2)).toBeLessThan(1e-6);
  await run('dora stopped', { loraDora: true }, 2);
  expect((await run('dora stopped', { loraDora: true, resume: true })).weights()).toEqual(whole.weights());
});

test('the reference is the base model: a run over all weights has computed it already', async () => {
  await run('all', { loraRank: undefined, cache: join(root, 'shared'), saveEverySteps: 0 });
  const { computed } = await run('after', { cache: join(root, 'shared') });
  expect(computed).toEqual([]);
});

test('wrong options are refused before anything is computed', async () => {
  await expect(run('bad', { loraTargets: 'c_atn' })).rejects.toThrow('did you mean c_attn?');
  await expect(run('bad', { loraRank: undefined, loraAlpha: 3 })).rejects.toThrow('--lora-alpha is for LoRA: give --lora-rank');
  await expect(run('bad', { loraRank: undefined, loraDora: true })).rejects.toThrow('--lora-dora is for LoRA: give --lora-rank');
  await expect(run('bad', { loraRank: 0 })).rejects.toThrow('--lora-rank is 0: must be at least 1');
  await expect(run('bad', { model: join(root, 'whole', 'model') })).rejects.toThrow('is one already');
  const adapter = join(root, 'whole', 'model');
  await expect(run('bad', { adapter })).rejects.toThrow(`--lora-rank makes a new adapter and --adapter ${adapter} is one already`);
  await expect(run('bad', { adapter, model: adapter, loraRank: undefined })).rejects.toThrow('is an adapter itself');
  await expect(run('bad', { adapter: root, loraRank: undefined })).rejects.toThrow('holds no adapter');
  const llama = join(root, 'llama');
  cpSync(join(goldenModels, 'llama'), llama, { recursive: true });
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) cpSync(join(trainingGoldens, name), join(llama, name));
  await expect(run('bad', { adapter, model: llama, loraRank: undefined })).rejects.toThrow('trained on another model than');
  await expect(run('bad', { loraRank: undefined, loraDropout: 0.1 })).rejects.toThrow(
    '--lora-dropout is for LoRA: give --lora-rank or --adapter',
  );
  await expect(run('bad', { loraDropout: 1 })).rejects.toThrow('--lora-dropout is 1: must be');
  await expect(run('whole', { adapter, loraRank: undefined, overwrite: true })).rejects.toThrow(`--adapter ${adapter} lies in --output`);
});

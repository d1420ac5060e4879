import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { setAdapterBase } from '../../../models/adapters/adapterFolder';
import { trainedWeights } from '../../../models/adapters/attachAdapter';
import { createAdapter } from '../../../models/adapters/createAdapter';
import { mergeAdapter } from '../../../models/adapters/mergeAdapter';
import type { LoraOptions } from '../../../models/adapters/types';
import { disposeModel, loadModel } from '../../../models/loadModel';
import { readSafetensors, writeSafetensors } from '../../../models/safetensors';
import { saveModel } from '../../../models/saveModel';
import { goldenModels, packedLogits, relativeError } from '../goldens';
import { startTestEngine } from '../testEngine';
import { adapterGoldens, readAdapterGolden } from './goldens';

const root = mkdtempSync(join(tmpdir(), 'weight-tying-'));
const cacheFolder = join(root, 'cache');
const load = (folder: string) => loadModel(folder, { trainable: true, cacheFolder });
const lora: LoraOptions = { rank: 2, alpha: 3, rslora: false, seed: 3, ensureWeightTying: true, targets: ['c_attn'] };
const ids = [3, 1, 4, 1, 5];

beforeAll(() => startTestEngine());
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface File {
  config: Record<string, unknown>;
  tensors: string[];
}

async function readSaved(folder: string): Promise<File> {
  const file = await readSafetensors(join(folder, 'adapter_model.safetensors'));
  await file.close();
  const config = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  return { config, tensors: [...file.entries.keys()].map((name) => name.replace('base_model.model.', '')) };
}

test.each([
  ['the head', { targets: ['c_attn', 'lm_head'] }],
  ['the embedding', { targets: ['c_attn', 'wte'] }],
  ['DoRA', { targets: ['c_attn', 'wte'], dora: true }],
  ['whole', { modulesToSave: ['lm_head'] }],
])('%s is named: a new adapter changes nothing, is saved for both and merged as one', async (name, options) => {
  const before = tf.memory().numTensors;
  const base = await load(join(goldenModels, 'gpt2'));
  const plain = packedLogits(base, [ids]);
  const model = createAdapter(base, { ...lora, ...options }, 'base');
  expect(relativeError(packedLogits(model, [ids]), plain)).toBeLessThan(1e-6);
  const trained = Object.keys(trainedWeights(model)).filter((key) => !key.includes('magnitude'));
  expect(trained.filter((key) => key.includes('lm_head'))).toEqual([]);
  // as if it had been trained
  for (const weight of Object.values(trainedWeights(model)))
    tf.tidy(() => weight.assign(tf.add(weight, tf.randomNormal(weight.shape, 0, 0.1, 'float32', 7))));
  const logits = packedLogits(model, [ids]);
  expect(relativeError(logits, plain)).toBeGreaterThan(1e-2);

  const [saved, output] = [join(root, name), join(root, `${name} merged`)];
  await saveModel(model, saved);
  disposeModel(model);
  const { config, tensors } = await readSaved(saved);
  const field = name === 'whole' ? 'modules_to_save' : 'target_modules';
  const whole = { modules_to_save: ['transformer.wte', 'lm_head'], target_modules: ['c_attn', 'lm_head', 'wte'] };
  expect(config).toMatchObject({ ensure_weight_tying: true, [field]: whole[field] });
  const expected = name === 'whole' ? ['lm_head.weight'] : ['lm_head.lora_A.weight', 'lm_head.lora_B.weight'];
  if (name === 'DoRA') expected.unshift('lm_head.lora_magnitude_vector');
  expect(tensors.filter((tensor) => tensor.startsWith('lm_head'))).toEqual(expected);
  setAdapterBase(saved, join(goldenModels, 'gpt2'));
  const again = await load(saved);
  expect(packedLogits(again, [ids])).toEqual(logits);
  disposeModel(again);

  await mergeAdapter(join(goldenModels, 'gpt2'), saved, { dtype: 'float32', overwrite: false, cacheFolder, output });
  // DoRA's magnitudes are lengths of rows in the one and of columns in the other
  const written = JSON.parse(readFileSync(join(output, 'config.json'), 'utf8')) as Record<string, unknown>;
  expect(written.tie_word_embeddings ?? true).toBe(name !== 'DoRA');
  const merged = await load(output);
  expect('lm_head.weight' in merged.weights).toBe(name === 'DoRA');
  expect(relativeError(packedLogits(merged, [ids]), logits)).toBeLessThan(1e-5);
  disposeModel(merged);
  expect(tf.memory().numTensors).toBe(before);
});

test("first values are PEFT's, which starts the head last: the embedding's A zero, B uniform as a linear layer's A", async () => {
  const model = createAdapter(await load(join(goldenModels, 'gpt2')), { ...lora, rank: 64, targets: ['wte'] }, 'base');
  const [a, b] = Object.values(trainedWeights(model));
  const [zeros, values] = [a.dataSync(), b.dataSync()];
  expect(zeros.every((value) => value === 0)).toBe(true);
  const limit = 1 / Math.sqrt(b.shape[0]);
  const largest = Math.max(...values.map(Math.abs));
  expect(largest).toBeLessThanOrEqual(limit);
  expect(largest).toBeGreaterThan(0.95 * limit);
  disposeModel(model);
});

test.each([
  ['mistral', { targets: ['lm_head'] }, 'the head of this mistral is a weight of its own, tied to nothing; leave the option out'],
  ['llama', { targets: ['q_proj'] }, 'names one of model.embed_tokens and lm_head; name one, or leave the option out'],
  ['llama', { targets: ['lm_head'], modulesToSave: ['embed_tokens'] }, 'in --lora-targets or in --lora-modules-to-save, not one in each'],
])('%s with %j is refused', async (name, options, message) => {
  const model = await load(join(goldenModels, name));
  expect(() => createAdapter(model, { ...lora, ...options }, 'base')).toThrow(message);
  disposeModel(model);
});

/** A golden adapter of llama with its file changed. */
async function changed(golden: string, name: string, change: (tensors: Map<string, Float32Array>) => void): Promise<string> {
  const folder = join(root, name);
  cpSync(join(adapterGoldens, golden), folder, { recursive: true });
  const path = join(folder, 'adapter_model.safetensors');
  const file = await readSafetensors(path);
  const shapes = new Map([...file.entries].map(([key, { shape }]) => [key, shape]));
  const tensors = new Map<string, Float32Array>();
  for (const key of shapes.keys()) tensors.set(key, await file.read(key));
  await file.close();
  change(tensors);
  await writeSafetensors(
    path,
    [...tensors].map(([key, values]) => ({ name: key, shape: shapes.get(key)!, values })),
  );
  setAdapterBase(folder, join(goldenModels, 'llama'));
  return folder;
}

const prefix = 'base_model.model.';

test.each([
  ['tied-llama', 'lm_head.lora_A.weight'],
  ['tied-llama', 'model.embed_tokens.lora_embedding_A'],
  ['tied-saved-llama', 'lm_head.weight'],
])('%s whose %s is another: refused, and read where the tie is not asked for', async (golden, name) => {
  const folder = await changed(golden, `other-${name}`, (tensors) => {
    tensors.get(prefix + name)![1] += 0.5;
  });
  await expect(load(folder)).rejects.toThrow(
    `${join(folder, 'adapter_model.safetensors')}: ensure_weight_tying is true in adapter_config.json, but model.embed_tokens and lm_head differ; set it to false`,
  );
  const file = join(folder, 'adapter_config.json');
  writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ensure_weight_tying: false }));
  const model = await load(folder);
  const { tensors } = await readAdapterGolden(golden);
  expect(relativeError(packedLogits(model, [ids]), tensors.get('logits')!.subarray(0, packedLogits(model, [ids]).length))).toBeGreaterThan(
    1e-4,
  );
  disposeModel(model);
});

test.each([
  ['lm_head', 'model.embed_tokens and no lm_head'],
  ['model.embed_tokens', 'lm_head and no model.embed_tokens'],
])('an adapter that lacks %s is refused', async (name, message) => {
  const folder = await changed('tied-llama', `no-${name}`, (tensors) => {
    for (const key of [...tensors.keys()]) if (key.startsWith(prefix + name)) tensors.delete(key);
  });
  await expect(load(folder)).rejects.toThrow(`there is ${message}; set it to false`);
});

test.each([
  ['tied-gpt2', 'target_modules', 'transformer.wte'],
  ['tied-saved-bloom', 'modules_to_save', 'transformer.word_embeddings'],
])('%s names the embedding alone in %s, as PEFT wrote it; saved again it names both, so that PEFT ties them', async (name, field, own) => {
  const folder = join(adapterGoldens, name);
  const { model: base } = await readAdapterGolden(name);
  setAdapterBase(folder, join(goldenModels, base));
  const model = await load(folder);
  const before = model.adapter!.config[field] as string[];
  expect(before).toContain(own);
  expect(before).not.toContain('lm_head');
  const saved = join(root, `${name}-again`);
  await saveModel(model, saved);
  disposeModel(model);
  expect((await readSaved(saved)).config[field]).toEqual([...before, 'lm_head']);
});

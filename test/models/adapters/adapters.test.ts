import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { setAdapterBase } from '../../../models/adapters/adapterFolder';
import { trainedWeights } from '../../../models/adapters/attachAdapter';
import { createAdapter } from '../../../models/adapters/createAdapter';
import { disposeModel, loadModel } from '../../../models/loadModel';
import { modelHash } from '../../../models/modelHash';
import { readSafetensors, writeSafetensors } from '../../../models/safetensors';
import { saveModel } from '../../../models/saveModel';
import type { Model } from '../../../models/types';
import { UserError } from '../../../util/errors';
import { expectLine } from '../../trainer/expectLine';
import { goldenRun } from '../../trainer/goldenRun';
import { goldenModels, packedLogits, relativeError } from '../goldens';
import { startTestEngine } from '../testEngine';
import { loraCases, loraGoldens } from './goldens';

const root = mkdtempSync(join(tmpdir(), 'adapters-'));
const load = (folder: string, trainable = false): Promise<Model> => loadModel(folder, { trainable, cacheFolder: join(root, 'cache') });
const golden = (name: string, stage: string): string => join(loraGoldens, name, stage);
const problem = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: unknown) => (error instanceof UserError ? error.message : `no UserError: ${(error as Error).stack}`),
  );

beforeAll(async () => {
  await startTestEngine();
  for (const { name, model } of loraCases)
    for (const stage of ['initial', 'trained']) setAdapterBase(golden(name, stage), join(goldenModels, model));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test.each(loraCases)("every figure of every step equals TRL's with PEFT: $name", async (item) => {
  const { lines, evaluation, weights, leaked } = await goldenRun(item, item.steps.length, { model: golden(item.name, 'initial') });
  expect(lines.length).toBe(item.steps.length);
  lines.forEach((line, i) => expectLine(line, item.steps[i]));
  expectLine(evaluation, item.evaluation);
  const file = await readSafetensors(join(golden(item.name, 'trained'), 'adapter_model.safetensors'));
  // a tied head is stored beside the embedding's copy, which is what is trained
  const trained = [...file.entries.keys()].filter((name) => !item.name.includes('tied') || !name.includes('lm_head'));
  expect(trained.sort()).toEqual(Object.keys(weights).sort());
  for (const [name, values] of Object.entries(weights)) expect(relativeError(values, await file.read(name))).toBeLessThan(1e-3);
  await file.close();
  expect(leaked).toBe(0);
});

test.each(loraCases)("an adapter that PEFT saved gives PEFT's logits, and after saving and loading again the same: $name", async (item) => {
  const model = await load(golden(item.name, 'trained'));
  const logits = packedLogits(model, [item.ids]);
  expect(relativeError(logits, item.logits)).toBeLessThan(1e-5);
  expect(model.contentHash).toBe(await modelHash(golden(item.name, 'trained'), join(root, 'cache')));
  const saved = join(root, item.name);
  await saveModel(model, saved);
  setAdapterBase(saved, model.folder);
  const again = await load(saved);
  expect(packedLogits(again, [item.ids])).toEqual(logits);
  disposeModel(model);
  disposeModel(again);
  const base = await load(join(goldenModels, item.model));
  expect(relativeError(packedLogits(base, [item.ids]), item.logits)).toBeGreaterThan(1e-3);
  disposeModel(base);
});

test('a new adapter adds nothing at first, is the same for the same seed, and leaves nothing behind', async () => {
  const before = tf.memory().numTensors;
  const ids = loraCases[0].ids;
  const values = async (seed: number): Promise<Float32Array> => {
    const base = await load(join(goldenModels, 'gpt2'));
    const plain = packedLogits(base, [ids]);
    const model = createAdapter(base, { rank: 3, alpha: 6, rslora: false, targets: ['c_attn', 'h.1.mlp.c_fc'], seed }, 'base');
    expect(Object.keys(trainedWeights(model)).length).toBe(2 * 4);
    expect(packedLogits(model, [ids])).toEqual(plain);
    const first = Object.values(trainedWeights(model))[0].dataSync<'float32'>().slice();
    disposeModel(model);
    return first;
  };
  const first = await values(1);
  expect(await values(1)).toEqual(first);
  expect(await values(2)).not.toEqual(first);
  const limit = 1 / Math.sqrt(first.length / 3);
  expect(Math.max(...first.map(Math.abs))).toBeLessThanOrEqual(limit);
  expect(Math.max(...first.map(Math.abs))).toBeGreaterThan(limit / 2);
  expect(tf.memory().numTensors).toBe(before);
});

test('targets: names, expressions, all linear layers; unknown ones are refused', async () => {
  const base = await load(join(goldenModels, 'gpt2'));
  const config = (targets: string[]): Record<string, unknown> => {
    const model = createAdapter(base, { rank: 1, alpha: 1, rslora: false, targets, seed: 0 }, 'base');
    Object.values(model.adapter!.weights).forEach((weight) => weight.dispose());
    return { names: model.adapter!.modules.map(({ name }) => name), targets: model.adapter!.config.target_modules };
  };
  const all = config(['all-linear']);
  expect(all.targets).toEqual(['c_attn', 'c_fc', 'c_proj']);
  expect(config(['c_attn', 'c_fc', 'c_proj'])).toEqual(all);
  const attention = ['transformer.h.0.attn.c_attn', 'transformer.h.0.attn.c_proj'];
  expect(config([String.raw`.*\.0\.attn\.c_.*`])).toEqual({ names: attention, targets: attention });
  expect(() => config(['c_atn'])).toThrow(
    '--lora-targets: "c_atn" names no module of a gpt2; did you mean c_attn?; there are wte, wpe, c_attn, c_proj, c_fc, lm_head, and all-linear for every linear layer but the head',
  );
  expect(() => config(['c_attn('])).toThrow('no regular expression');
  disposeModel(base);
});

describe('refused, in one line', () => {
  const changed = (name: string, change: Record<string, unknown>, base = 'gpt2'): string => {
    const folder = join(root, 'refused', name);
    mkdirSync(folder, { recursive: true });
    cpSync(golden('gpt2-all-linear', 'trained'), folder, { recursive: true });
    const file = join(folder, 'adapter_config.json');
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...change }));
    setAdapterBase(folder, join(goldenModels, base));
    return folder;
  };

  test.each([
    [{ peft_type: 'IA3' }, 'peft_type is "IA3"; it must be LORA'],
    [{ bias: 'all' }, 'bias is "all"; it must be none'],
    [{ init_lora_weights: 'pissa' }, 'init_lora_weights is "pissa"; it must be true, false'],
    [{ layer_replication: [[0, 2]] }, 'layer_replication is [[0,2]]; it must be absent'],
    [{ invented_later: true }, 'invented_later is true; it must be absent'],
    [{ modules_to_save: 'lm_head' }, 'modules_to_save is "lm_head"; it must be a list of module names'],
    [{ r: 0 }, 'r is 0; it must be a whole number above 0'],
    [{ rank_pattern: { c_attn: 'x' } }, 'rank_pattern is {"c_attn":"x"}; it must be an object of numbers'],
    [{ r: 5 }, 'must be [5, '],
  ])('%j', async (change, message) => {
    expect(await problem(load(changed('config', change)))).toContain(message);
  });

  test('an adapter for another model', async () => {
    expect(await problem(load(changed('another', {}, 'gemma3-text')))).toContain('it is an adapter for another model');
    const own = join(root, 'own');
    const model = await load(golden('gpt2-all-linear', 'trained'));
    await saveModel(model, own);
    disposeModel(model);
    setAdapterBase(own, join(goldenModels, 'gpt2-old-names'));
    expect(await problem(load(own))).toContain('was trained on another model than');
  });

  test('weights missing or of another kind; a base that is not there', async () => {
    const folder = changed('weights', { base_model_name_or_path: join(root, 'nowhere') });
    const file = join(folder, 'adapter_model.safetensors');
    await writeSafetensors(file, [
      { name: 'base_model.model.transformer.h.0.attn.c_attn.lora_A.weight', shape: [4, 32], values: new Float32Array(128) },
    ]);
    expect(await problem(load(folder))).toMatch(/c_attn\.lora_[AB]\.weight (is missing|has shape)/);
    await writeSafetensors(file, [{ name: 'base_model.model.transformer.h.0.ln_1.ia3_l', shape: [1], values: new Float32Array(1) }]);
    expect(await problem(load(folder))).toContain('ia3_l fits no module');
    const moved = join(root, 'moved');
    cpSync(folder, moved, { recursive: true });
    expect(await problem(load(moved))).toContain(`base_model_name_or_path is "${join(root, 'nowhere')}", which is not there`);
  });
});

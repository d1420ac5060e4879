import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { isAdapterFolder, setAdapterBase } from '../../../models/adapters/adapterFolder';
import { mergeAdapter } from '../../../models/adapters/mergeAdapter';
import { disposeModel, loadModel } from '../../../models/loadModel';
import { readSafetensors } from '../../../models/safetensors';
import { goldenModels, packedLogits, relativeError } from '../goldens';
import { startTestEngine } from '../testEngine';
import { adapterCases, adapterGoldens, readAdapterGolden } from './goldens';

const root = mkdtempSync(join(tmpdir(), 'merge-'));
const cacheFolder = join(root, 'cache');
const options = { dtype: 'float32', overwrite: false, cacheFolder } as const;

beforeAll(() => startTestEngine());
afterAll(() => rmSync(root, { recursive: true, force: true }));

test.each(adapterCases)("the merged folder has PEFT's merged weights and the logits of base and adapter: %s", async (name) => {
  const { model, ids, tensors } = await readAdapterGolden(name);
  const [base, adapter, output] = [join(goldenModels, model), join(adapterGoldens, name), join(root, name)];
  const before = tf.memory().numTensors;
  await mergeAdapter(base, adapter, { ...options, output });
  expect(isAdapterFolder(output)).toBe(false);
  expect(JSON.parse(readFileSync(join(output, 'config.json'), 'utf8'))).toMatchObject({ dtype: 'float32' });
  const file = await readSafetensors(join(output, 'model.safetensors'));
  for (const [key, expected] of tensors)
    if (/^merged\..*weight$/.test(key)) expect(relativeError(await file.read(key.slice('merged.'.length)), expected)).toBeLessThan(1e-6);
  await file.close();

  const merged = await loadModel(output, { trainable: false, cacheFolder });
  expect(relativeError(packedLogits(merged, [ids]), tensors.get('merged.logits')!)).toBeLessThan(1e-5);
  disposeModel(merged);
  setAdapterBase(adapter, base);
  const apart = await loadModel(adapter, { trainable: false, cacheFolder });
  expect(relativeError(packedLogits(apart, [ids]), tensors.get('logits')!)).toBeLessThan(1e-5);
  disposeModel(apart);
  expect(tf.memory().numTensors).toBe(before);
});

test('bf16: half the bytes, values rounded', async () => {
  const { model, ids, tensors } = await readAdapterGolden('lora-llama');
  const output = join(root, 'bf16');
  await mergeAdapter(join(goldenModels, model), join(adapterGoldens, 'lora-llama'), { ...options, output, dtype: 'bf16' });
  const file = await readSafetensors(join(output, 'model.safetensors'));
  expect(new Set([...file.entries.values()].map(({ dtype }) => dtype))).toEqual(new Set(['BF16']));
  await file.close();
  expect(JSON.parse(readFileSync(join(output, 'config.json'), 'utf8'))).toMatchObject({ dtype: 'bfloat16' });
  const merged = await loadModel(output, { trainable: false, cacheFolder });
  const error = relativeError(packedLogits(merged, [ids]), tensors.get('logits')!);
  expect(error).toBeLessThan(0.05);
  expect(error).toBeGreaterThan(1e-5);
  disposeModel(merged);
});

test('refused in one line, and nothing is left behind', async () => {
  const [base, adapter] = [join(goldenModels, 'gpt2'), join(adapterGoldens, 'lora-patterns')];
  const output = join(root, 'refused');
  await expect(mergeAdapter(join(goldenModels, 'llama'), adapter, { ...options, output })).rejects.toThrow(
    'it is an adapter for another model',
  );
  await expect(mergeAdapter(base, base, { ...options, output })).rejects.toThrow('holds no adapter');
  await expect(mergeAdapter(base, adapter, { ...options, output: base, overwrite: true })).rejects.toThrow('is what is merged');
  expect(existsSync(output)).toBe(false);
  writeFileSync(output, '');
  await expect(mergeAdapter(base, adapter, { ...options, output })).rejects.toThrow(output);
  expect(readdirSync(root).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  await mergeAdapter(base, adapter, { ...options, output: join(root, 'twice') });
  await expect(mergeAdapter(base, adapter, { ...options, output: join(root, 'twice') })).rejects.toThrow('add --overwrite');
  await mergeAdapter(base, adapter, { ...options, output: join(root, 'twice'), overwrite: true });
});

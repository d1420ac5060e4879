import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { createAdapter } from '../../../models/adapters/createAdapter';
import { mergeAdapter } from '../../../models/adapters/mergeAdapter';
import { disposeModel, loadModel } from '../../../models/loadModel';
import { readSafetensors } from '../../../models/safetensors';
import { saveModel } from '../../../models/saveModel';
import { UserError } from '../../../util/errors';
import { goldenModels, packedLogits, relativeError } from '../goldens';
import { startTestEngine } from '../testEngine';
import { adapterGoldens } from './goldens';

const root = mkdtempSync(join(tmpdir(), 'merge-files-'));
const cacheFolder = join(root, 'cache');
const options = { dtype: 'float32', overwrite: false, cacheFolder } as const;
const [llama, adapter] = [join(goldenModels, 'llama'), join(adapterGoldens, 'lora-llama')];
const config = (folder: string) => JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
const weights = async (folder: string): Promise<string[]> => {
  const file = await readSafetensors(join(folder, 'model.safetensors'));
  await file.close();
  return [...file.entries.keys()];
};

beforeAll(() => startTestEngine());
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('a head stays tied where the adapter leaves it and the embedding alone; every weight is reported, files are closed', async () => {
  const [output, fresh] = [join(root, 'deep', 'er'), join(root, 'fresh-cache')];
  const reported: number[] = [];
  const open = (): number => (existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0);
  await mergeAdapter(llama, adapter, { ...options, output: join(root, 'first') });
  const before = open();
  await mergeAdapter(llama, adapter, { ...options, output, cacheFolder: fresh }, ({ stage, done, total }) => {
    expect([stage, total]).toEqual(['weights', 20]);
    reported.push(done);
  });
  expect(open()).toBe(before);
  expect(readdirSync(fresh)).not.toEqual([]);
  expect(reported).toEqual(Array.from({ length: 21 }, (_, i) => i));
  expect(config(output).tie_word_embeddings).toBe(true);
  expect(await weights(output)).not.toContain('lm_head.weight');
});

test('an image and text model whose head is untied says so in the text model that is left of it', async () => {
  const base = join(goldenModels, 'gemma3-multimodal');
  const [saved, output] = [join(root, 'adapter'), join(root, 'untied')];
  const loaded = await loadModel(base, { trainable: false, cacheFolder });
  const lora = { rank: 2, alpha: 4, rslora: false, seed: 3, targets: ['q_proj'], modulesToSave: ['lm_head'] };
  const model = createAdapter(loaded, lora, base);
  const head = model.weights['lm_head.weight'];
  head.assign(tf.mul(head, 1.5));
  const logits = packedLogits(model, [[3, 1, 4, 1, 5]]);
  await saveModel(model, saved);
  disposeModel(model);
  await mergeAdapter(base, saved, { ...options, output });
  expect(config(output)).toMatchObject({ model_type: 'gemma3_text', tie_word_embeddings: false });
  const merged = await loadModel(output, { trainable: false, cacheFolder });
  expect(relativeError(packedLogits(merged, [[3, 1, 4, 1, 5]]), logits)).toBeLessThan(1e-6);
  disposeModel(merged);
});

test('a folder that cannot be written is named, and nothing is left', async () => {
  const file = join(root, 'file');
  writeFileSync(file, '');
  const output = join(file, 'inside');
  await expect(mergeAdapter(llama, adapter, { ...options, output })).rejects.toThrow(/^cannot .*file/);
  expect(readdirSync(root).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test('a folder that another run made meanwhile is left to it, and said so; nothing of this one is left', async () => {
  const output = join(root, 'meanwhile');
  const merging = mergeAdapter(llama, adapter, { ...options, output }, ({ done }) => {
    if (done < 19) return;
    mkdirSync(output, { recursive: true });
    writeFileSync(join(output, 'config.json'), 'theirs');
  });
  await expect(merging).rejects.toThrow(new UserError(`cannot write ${output}: the folder is not empty`));
  expect(readFileSync(join(output, 'config.json'), 'utf8')).toBe('theirs');
  expect(readdirSync(root).filter((name) => name.startsWith('meanwhile'))).toEqual(['meanwhile']);
});

test('a model that is replaced is there until the new one is whole', async () => {
  const output = join(root, 'replaced');
  await mergeAdapter(llama, adapter, { ...options, output });
  writeFileSync(join(output, 'notes.txt'), 'old');
  const seen: boolean[] = [];
  await mergeAdapter(llama, adapter, { ...options, output, overwrite: true, dtype: 'bf16' }, ({ done, total }) => {
    if (done < total) seen.push(existsSync(join(output, 'notes.txt')));
  });
  expect(seen).toEqual(Array.from({ length: 20 }, () => true));
  expect(config(output).dtype).toBe('bfloat16');
  expect(readdirSync(output).sort()).toEqual(['config.json', 'model.safetensors']);
  expect(readdirSync(root).filter((name) => name.startsWith('replaced'))).toEqual(['replaced']);
});

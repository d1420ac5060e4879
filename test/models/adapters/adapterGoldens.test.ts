import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../../engine/engine';
import { setAdapterBase } from '../../../models/adapters/adapterFolder';
import { trainedWeights } from '../../../models/adapters/attachAdapter';
import { createAdapter } from '../../../models/adapters/createAdapter';
import { disposeModel, loadModel } from '../../../models/loadModel';
import { saveModel } from '../../../models/saveModel';
import { goldenModels, meanNll, packedLogits, relativeError } from '../goldens';
import { startTestEngine } from '../testEngine';
import { adapterCases, adapterGoldens, readAdapterGolden } from './goldens';

const root = mkdtempSync(join(tmpdir(), 'adapter-goldens-'));
const load = (folder: string) => loadModel(folder, { trainable: true, cacheFolder: join(root, 'cache') });

beforeAll(() => startTestEngine());
afterAll(() => rmSync(root, { recursive: true, force: true }));

test.each(adapterCases)("PEFT's logits, loss and gradients, and the same after saving: %s", async (name) => {
  const { model: base, ids, loss, modules, tensors } = await readAdapterGolden(name);
  const before = tf.memory().numTensors;
  const folder = join(adapterGoldens, name);
  setAdapterBase(folder, join(goldenModels, base));
  const model = await load(folder);
  expect(model.adapter!.modules.map((module) => module.name).sort()).toEqual(modules);
  expect(relativeError(packedLogits(model, [ids]), tensors.get('logits')!)).toBeLessThan(1e-5);

  const weights = trainedWeights(model);
  const expected = [...tensors.keys()].filter((key) => key.startsWith('grad.')).map((key) => key.slice('grad.'.length));
  expect(Object.keys(weights).sort()).toEqual(expected.sort());
  const result = currentEngine().valueAndGrads(() => ({ loss: meanNll(model, [ids]) }), Object.values(weights));
  expect(Math.abs(result.loss.dataSync()[0] - loss)).toBeLessThan(1e-5);
  Object.keys(weights).forEach((key, i) => {
    const error = relativeError(result.grads[i].dataSync(), tensors.get(`grad.${key}`)!);
    if (!(error < 1e-4)) throw new Error(`gradient of ${key}: ${error}`);
  });
  tf.dispose([result.loss, result.grads]);

  const saved = join(root, name);
  await saveModel(model, saved);
  setAdapterBase(saved, model.folder);
  const again = await load(saved);
  expect(packedLogits(again, [ids])).toEqual(packedLogits(model, [ids]));
  disposeModel(model);
  disposeModel(again);
  expect(tf.memory().numTensors).toBe(before);
});

test.each(['gpt2', 'llama'])('a new DoRA adapter changes nothing of %s: its magnitudes are the norms', async (name) => {
  const before = tf.memory().numTensors;
  const base = await load(join(goldenModels, name));
  const ids = [3, 1, 4, 1, 5];
  const plain = packedLogits(base, [ids]);
  const model = createAdapter(base, { rank: 2, alpha: 4, rslora: false, dora: true, targets: ['all-linear'], seed: 3 }, 'base');
  expect(packedLogits(model, [ids])).toEqual(plain);
  expect(model.adapter!.config).toMatchObject({ use_dora: true });
  const { name: first, magnitude } = model.adapter!.modules[0];
  const weight = model.weights[`${first}.weight`];
  const norms = tf.tidy(() => tf.norm(weight, 'euclidean', model.architecture.inputFirst ? 0 : 1).dataSync());
  expect(relativeError(magnitude!.dataSync(), norms)).toBeLessThan(1e-6);
  disposeModel(model);
  expect(tf.memory().numTensors).toBe(before);
});

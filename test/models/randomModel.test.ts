import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import type { TorchBackend } from '../../engine/torch/backend';
import { disposeModel } from '../../models/loadModel';
import { randomModel, randomValues } from '../../models/randomModel';
import { readConfig } from '../../models/readConfig';
import { goldenModels } from './goldens';
import { startTestEngine } from './testEngine';

beforeAll(() => startTestEngine());

test('values spread evenly in ±0.035, the drawn ones again and again', () => {
  const values = randomValues(200_001);
  expect(values.length).toBe(200_001);
  expect(values.every((value) => Math.abs(value) < 0.0351)).toBe(true);
  expect(new Set(values.subarray(0, 65536)).size).toBeGreaterThan(60_000);
  expect(values.subarray(65536, 131072)).toEqual(values.subarray(0, 65536));
  expect(values.subarray(131072)).toEqual(values.subarray(0, 200_001 - 131072));
  expect(randomValues(5)).toEqual(values.subarray(0, 5));
});

test.each(['gpt2', 'llama'])('%s: every weight of the config, norms of 1, and none left', async (name) => {
  const { architecture, config } = await readConfig(join(goldenModels, name));
  const before = tf.memory().numTensors;
  const model = randomModel(architecture, { ...config, layers: 1 }, { name: 'm', trainable: true });
  const shapes = Object.fromEntries(Object.entries(model.weights).map(([weight, { shape }]) => [weight, shape]));
  expect(shapes).toEqual(architecture.weightShapes({ ...config, layers: 1 }));
  const norm = Object.keys(shapes).find((weight) => /(ln_1|input_layernorm)\.weight$/.test(weight))!;
  expect([...currentEngine().readParameter(model.weights[norm])]).toEqual(new Array(12).fill(1));
  disposeModel(model);
  expect(tf.memory().numTensors).toBe(before);
});

test('4 bits: linear weights alone', async () => {
  const { architecture, config } = await readConfig(join(goldenModels, 'llama'));
  const model = randomModel(architecture, config, { name: 'm', trainable: false, quantization: { type: 'nf4', double: false } });
  const backend = tf.backend() as TorchBackend;
  const packed = Object.keys(model.weights).filter((name) => backend.quantizedOf(model.weights[name]));
  expect(packed).toEqual(Object.keys(model.weights).filter((name) => /_proj\.weight$/.test(name)));
  disposeModel(model);
});

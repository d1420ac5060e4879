import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { disposeModel, loadModel } from '../../models/loadModel';
import { goldenModels, joined, meanNll, packedLogits, readGolden, relativeError } from './goldens';
import { startTestEngine } from './testEngine';

const cacheFolder = mkdtempSync(join(tmpdir(), 'cache-'));
beforeAll(() => startTestEngine('tfjs'));
afterAll(() => rmSync(cacheFolder, { recursive: true }));

test.each(['gpt2-old-names', 'bloom', 'llama', 'qwen2', 'gemma2', 'cohere'])(
  '%s on plain tfjs: logits and gradients of transformers',
  async (name) => {
    const golden = await readGolden(name);
    const model = await loadModel(join(goldenModels, name), { trainable: true, cacheFolder });
    expect(
      relativeError(
        packedLogits(model, golden.sequences),
        joined(golden, (s) => `logits.${s}`),
      ),
    ).toBeLessThan(1e-4);
    const names = Object.keys(model.weights);
    const { loss, grads } = currentEngine().valueAndGrads(
      () => ({ loss: meanNll(model, golden.sequences) }),
      names.map((key) => model.weights[key]),
    );
    expect(loss.dataSync()[0]).toBeCloseTo(golden.loss, 4);
    const errors = names.map((key, i) => [key, relativeError(grads[i].dataSync(), golden.tensors.get(`grad.${key}`)!)] as const);
    expect(errors.filter(([, error]) => !(error < 1e-4))).toEqual([]);
    tf.dispose([loss, grads]);
    disposeModel(model);
  },
);

test('gemma3 on plain tfjs: logits of transformers', async () => {
  const golden = await readGolden('gemma3-multimodal');
  const model = await loadModel(join(goldenModels, 'gemma3-multimodal'), { trainable: false, cacheFolder });
  expect(
    relativeError(
      packedLogits(model, golden.sequences),
      joined(golden, (s) => `logits.${s}`),
    ),
  ).toBeLessThan(1e-4);
  disposeModel(model);
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../../engine/engine';
import { tokenLogProbs } from '../../../engine/ops/tokenLogProbs';
import { setAdapterBase } from '../../../models/adapters/adapterFolder';
import { detachAdapter, trainedWeights } from '../../../models/adapters/attachAdapter';
import { createAdapter } from '../../../models/adapters/createAdapter';
import { disposeModel, loadModel } from '../../../models/loadModel';
import { packedHidden, sequenceLayout } from '../../../models/packedForward';
import type { Model } from '../../../models/types';
import { goldenModels, packedLogits, relativeError } from '../goldens';
import { startTestEngine } from '../testEngine';
import { adapterGoldens, readAdapterGolden } from './goldens';

const root = mkdtempSync(join(tmpdir(), 'adapted-head-'));
const load = (folder: string) => loadModel(folder, { trainable: true, cacheFolder: join(root, 'cache') });
const lora = { rank: 2, alpha: 4, rslora: false, seed: 3 };

beforeAll(() => startTestEngine());
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** The mean negative log-likelihood of each next token, as training computes it: in chunks, logits never kept. */
function chunkedNll(model: Model, ids: readonly number[], chunkRows: number): tf.Scalar {
  const tokens = Int32Array.from(ids.slice(0, -1));
  const hidden = packedHidden(model, { tokens, ...sequenceLayout([tokens.length]) });
  const { weight, options } = model.architecture.head(model.weights, model.config);
  return tf.neg(tf.mean<tf.Scalar>(tokenLogProbs(hidden, weight, tf.tensor1d(ids.slice(1), 'int32'), options, chunkRows)));
}

test.each([
  'lora-head-mistral',
  'lora-embedding-gemma3',
  'lora-embedding-gpt2',
  'dora-embedding-bloom',
  'saved-head-cohere',
  'saved-llama',
  'tied-llama',
  'tied-dora-gemma3',
  'tied-saved-bloom',
  'lora-embedding-neox',
])("%s: log-probabilities in one chunk and in several have PEFT's loss and gradients", async (name) => {
  const { model: base, ids, loss, tensors } = await readAdapterGolden(name);
  const folder = join(adapterGoldens, name);
  setAdapterBase(folder, join(goldenModels, base));
  const before = tf.memory().numTensors;
  const model = await load(folder);
  const weights = trainedWeights(model);
  for (const chunkRows of [100, 4]) {
    const result = currentEngine().valueAndGrads(() => ({ loss: chunkedNll(model, ids, chunkRows) }), Object.values(weights));
    expect(Math.abs(result.loss.dataSync()[0] - loss)).toBeLessThan(1e-5);
    Object.keys(weights).forEach((key, i) => {
      const error = relativeError(result.grads[i].dataSync(), tensors.get(`grad.${key}`)!);
      if (!(error < 1e-4)) throw new Error(`${chunkRows} rows a chunk: gradient of ${key}: ${error}`);
    });
    tf.dispose([result.loss, result.grads]);
  }
  disposeModel(model);
  expect(tf.memory().numTensors).toBe(before);
});

test('only the head is trained whole: nothing before it is differentiated', async () => {
  const base = await load(join(goldenModels, 'mistral'));
  const model = createAdapter(base, { ...lora, targets: ['lm_head'] }, 'base');
  const whole = createAdapter(base, { ...lora, targets: ['q_proj'], modulesToSave: ['lm_head'] }, 'base');
  for (const adapted of [model, whole]) {
    const weights = Object.values(trainedWeights(adapted));
    const losses = [100, 3].map((chunkRows) => {
      const { loss, grads } = currentEngine().valueAndGrads(() => ({ loss: chunkedNll(adapted, [3, 1, 4, 1, 5, 9], chunkRows) }), weights);
      const norms = grads.map((grad) => tf.tidy(() => tf.norm(grad).dataSync()[0]));
      expect(Math.max(...norms)).toBeGreaterThan(0);
      tf.dispose([loss, grads]);
      return norms;
    });
    losses[0].forEach((norm, i) => expect(losses[1][i]).toBeCloseTo(norm, 5));
  }
  detachAdapter(whole);
  disposeModel(model);
});

test.each(['gpt2', 'llama', 'mistral', 'bloom', 'cohere'])(
  '%s: a new adapter of embedding and head changes nothing, nor does a copy',
  async (name) => {
    const before = tf.memory().numTensors;
    const base = await load(join(goldenModels, name));
    const ids = [3, 1, 4, 1, 5];
    const plain = packedLogits(base, [ids]);
    const [embedding] = Object.keys(base.weights).map((weight) => weight.replace(/\.weight$/, ''));
    for (const options of [
      { targets: [embedding, 'lm_head'] },
      { targets: [embedding, 'lm_head'], dora: true },
      { targets: ['all-linear'], modulesToSave: [embedding, 'lm_head'] },
      { targets: ['lm_head'], modulesToSave: [embedding] },
    ]) {
      const loaded = await load(join(goldenModels, name));
      const model = createAdapter(loaded, { ...lora, ...options }, 'base');
      expect(relativeError(packedLogits(model, [ids]), plain)).toBeLessThan(1e-6);
      expect(model.adapter!.config).toMatchObject({ modules_to_save: options.modulesToSave ?? null });
      disposeModel(model);
    }
    disposeModel(base);
    expect(tf.memory().numTensors).toBe(before);
  },
);

test("an embedding's first values are PEFT's: A zero, B normal", async () => {
  const model = createAdapter(await load(join(goldenModels, 'gpt2')), { ...lora, rank: 64, targets: ['wte'] }, 'base');
  const weights = trainedWeights(model);
  expect(Object.keys(weights)).toEqual(['A', 'B'].map((matrix) => `base_model.model.transformer.wte.lora_embedding_${matrix}`));
  const [a, b] = Object.values(weights).map((weight) => weight.dataSync<'float32'>());
  expect(a.every((value) => value === 0)).toBe(true);
  const mean = b.reduce((sum, value) => sum + value, 0) / b.length;
  const variance = b.reduce((sum, value) => sum + (value - mean) ** 2, 0) / b.length;
  expect(Math.abs(mean)).toBeLessThan(0.15);
  expect(Math.abs(variance - 1)).toBeLessThan(0.15);
  disposeModel(model);
});

test.each([
  [
    { targets: ['q_proj'], modulesToSave: ['lm_heads'] },
    /--lora-modules-to-save: "lm_heads" names no module of a llama; did you mean lm_head\?/,
  ],
  [{ targets: ['q_proj', 'lm_head'], modulesToSave: ['lm_head'] }, /--lora-modules-to-save and --lora-targets both name lm_head/],
  [{ targets: ['embed_token'] }, /--lora-targets: "embed_token" names no module of a llama; did you mean embed_tokens\?/],
])('%j is refused', async (options, message) => {
  const model = await load(join(goldenModels, 'llama'));
  expect(() => createAdapter(model, { ...lora, ...options }, 'base')).toThrow(message);
  disposeModel(model);
});

test('a module in 4 bits cannot be trained whole', async () => {
  const quantization = { type: 'nf4', double: false } as const;
  const model = await loadModel(join(goldenModels, 'llama'), { trainable: false, quantization, cacheFolder: join(root, 'cache') });
  const create = (modulesToSave: string[]) => createAdapter(model, { ...lora, targets: ['v_proj'], modulesToSave }, 'base');
  expect(() => create(['down_proj'])).toThrow(/--lora-modules-to-save: model.layers.0.mlp.down_proj is kept in 4 bits/);
  disposeModel(create(['lm_head']));
});

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { conditionalLogLikelihoods } from '../../eval/conditionalFluency';
import { createScorer } from '../../eval/scorers/createScorer';
import { disposeEncoderDecoder, loadEncoderDecoder } from '../../models/encoderDecoders/loadEncoderDecoder';
import { disposeModel, loadModel } from '../../models/loadModel';
import { silent } from '../../util/progress';
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

test('bert and t5 on plain tfjs: scores of transformers', async () => {
  const folder = join(goldenModels, '..', 'classifiers', 'bert');
  const classifier = await createScorer(`classifier:${folder}`, { candidates: [], cacheFolder, hub: { progress: silent, say: () => {} } });
  const { texts, scores } = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as {
    texts: string[];
    scores: { toxic: number }[];
  };
  const found = await classifier.score(texts.map((text) => ({ language: 'en', text })));
  found.forEach((score, i) => expect(score).toBeCloseTo(scores[i].toxic, 5));

  const t5 = join(goldenModels, '..', 'encoderDecoders', 't5');
  const pairs = JSON.parse(readFileSync(join(t5, 'expected.json'), 'utf8')) as {
    read: number[];
    written: number[];
    logLikelihood: number;
  }[];
  const model = await loadEncoderDecoder(t5, { cacheFolder });
  const [read, written] = [pairs.map((pair) => Int32Array.from(pair.read)), pairs.map((pair) => Int32Array.from(pair.written))];
  const values = await conditionalLogLikelihoods(model, read, written);
  values.forEach((value, i) => expect(value).toBeCloseTo(pairs[i].logLikelihood, 4));
  disposeEncoderDecoder(model);
});

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

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { disposeModel, loadModel } from '../../models/loadModel';
import { packedHidden } from '../../models/packedForward';
import type { Model } from '../../models/types';
import { goldenModels, joined, meanNll, pack, packedLogits, readGolden, relativeError, type Golden } from './goldens';
import { startTestEngine } from './testEngine';

const NAMES = readdirSync(goldenModels);

/** Of the largest value. */
const TOLERANCE = 1e-4;

const cacheFolder = mkdtempSync(join(tmpdir(), 'cache-'));
beforeAll(() => startTestEngine());
afterAll(() => rmSync(cacheFolder, { recursive: true }));

describe.each(NAMES)('%s as transformers computes it', (name) => {
  let golden: Golden;
  let model: Model;
  beforeAll(async () => {
    golden = await readGolden(name);
    model = await loadModel(join(goldenModels, name), { trainable: true, cacheFolder });
  });
  afterAll(() => disposeModel(model));

  test('logits, sequences of different lengths packed', () => {
    expect(
      relativeError(
        packedLogits(model, golden.sequences),
        joined(golden, (s) => `logits.${s}`),
      ),
    ).toBeLessThan(TOLERANCE);
  });

  test('logits, one sequence at a time', () => {
    golden.sequences.forEach((ids, s) => {
      expect(relativeError(packedLogits(model, [ids]), golden.tensors.get(`logits.${s}`)!)).toBeLessThan(TOLERANCE);
    });
  });

  test('hidden states, through the tap', () => {
    const seen = new Map<string, Float32Array>();
    tf.tidy(() =>
      packedHidden(model, pack(golden.sequences), (tapName, value) => {
        seen.set(tapName, value.dataSync<'float32'>().slice());
        return value;
      }),
    );
    const { layers } = model.config;
    for (let n = 0; n <= layers; n++) {
      const tapName = n === 0 ? 'embed' : n === layers ? 'norm' : `blocks.${n - 1}.out`;
      expect([
        tapName,
        relativeError(
          seen.get(tapName)!,
          joined(golden, (s) => `hidden.${s}.${n}`),
        ) < TOLERANCE,
      ]).toEqual([tapName, true]);
    }
    if (model.rawConfig.apply_residual_connection_post_layernorm) return;
    // the residual stream is the sum of what the blocks add
    const after = seen.get('blocks.0.out')!;
    const sum = seen.get('embed')!.map((value, i) => value + seen.get('blocks.0.attn.out')![i] + seen.get('blocks.0.mlp.out')![i]);
    expect(relativeError(sum, after)).toBeLessThan(1e-6);
  });

  test('loss and the gradient of every weight', () => {
    const names = Object.keys(model.weights);
    const { loss, grads } = currentEngine().valueAndGrads(
      () => ({ loss: meanNll(model, golden.sequences) }),
      names.map((key) => model.weights[key]),
    );
    expect(loss.dataSync()[0]).toBeCloseTo(golden.loss, 4);
    // the bias of keys that do not turn moves all scores of a row alike: its gradient is rounding alone
    const largest = Math.max(...grads.map((grad) => tf.tidy(() => tf.max(tf.abs(grad)).dataSync()[0])));
    const errors = names.map(
      (key, i) => [key, relativeError(grads[i].dataSync(), golden.tensors.get(`grad.${key}`)!, 1e-3 * largest)] as const,
    );
    expect(errors.filter(([, error]) => !(error < TOLERANCE))).toEqual([]);
    tf.dispose([loss, grads]);
  });

  test('frees what it makes', () => {
    const before = tf.memory().numTensors;
    packedHidden(model, pack(golden.sequences)).dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('a tap changes what the model goes on with', async () => {
  const model = await loadModel(join(goldenModels, 'gemma3-text'), { trainable: false, cacheFolder });
  const batch = pack([[1, 2, 3]]);
  const ablated = tf.tidy(() =>
    packedHidden(model, batch, (name, value) =>
      name.endsWith('.attn.out') || name.endsWith('.mlp.out') ? tf.zerosLike(value) : value,
    ).dataSync(),
  );
  // without any block the norm sees the embeddings alone, and equal tokens give equal rows wherever they stand
  const other = tf.tidy(() =>
    packedHidden(model, pack([[3]]), (name, value) =>
      name.endsWith('.out') && !/\d\.out$/.test(name) ? tf.zerosLike(value) : value,
    ).dataSync(),
  );
  const width = model.config.width;
  expect(relativeError(ablated.slice(2 * width), other)).toBeLessThan(1e-6);
  disposeModel(model);
});

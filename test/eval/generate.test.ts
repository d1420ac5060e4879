import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { decodeStep, disposeCache, keepRows, prefill } from '../../eval/decoder';
import { generate, type GenerateOptions } from '../../eval/generate';
import { disposeModel, loadModel } from '../../models/loadModel';
import type { Model } from '../../models/types';
import { packedHidden } from '../../models/packedForward';
import { goldenModels, pack, readGolden, relativeError } from '../models/goldens';
import { startTestEngine } from '../models/testEngine';

interface Golden {
  stop: number;
  cases: { prompt: number[]; greedy: number[]; stopped: number[] }[];
}

const goldens = JSON.parse(readFileSync(join(__dirname, '../goldens/generate.json'), 'utf8')) as Record<string, Golden>;

const greedy: GenerateOptions = {
  samples: 1,
  maxNewTokens: 16,
  temperature: 0,
  topP: 1,
  batchSize: 8,
  stopIds: [],
  seed: 0,
  streamKey: (prompt, sample) => ['xx', prompt, sample],
};
const sampled: GenerateOptions = { ...greedy, samples: 5, temperature: 0.9, topP: 0.8, batchSize: 64, seed: 7 };

const lists = (results: Int32Array[][]): number[][][] => results.map((samples) => samples.map((tokens) => [...tokens]));

beforeAll(() => startTestEngine());

/** Sampling does not depend on the architecture: two of them are enough. */
const SAMPLED = ['gemma3-text', 'gpt2'];

describe.each(Object.keys(goldens))('%s', (name) => {
  const { stop, cases } = goldens[name];
  const prompts = cases.map(({ prompt }) => Int32Array.from(prompt));
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(join(goldenModels, name), { trainable: false });
  });
  afterAll(() => disposeModel(model));

  // windows of 5 are shorter than the sequences of the gemma and cohere2 models
  test.each([1, 3, 8])('greedy: as transformers, prompts of mixed lengths, %p at once', async (batchSize) => {
    const results = await generate(model, prompts, { ...greedy, batchSize });
    expect(lists(results)).toEqual(cases.map(({ greedy: tokens }) => [tokens]));
  });

  test('greedy with an end of sequence: finished rows leave the batch', async () => {
    expect(lists(await generate(model, prompts, { ...greedy, stopIds: [stop] }))).toEqual(cases.map(({ stopped }) => [stopped]));
  });

  const testSampled = SAMPLED.includes(name) ? test : test.skip;

  testSampled('sampling: the batch changes nothing, the seed and the stream do', async () => {
    const results = lists(await generate(model, prompts, sampled));
    for (const batchSize of [4, 7]) expect(lists(await generate(model, prompts, { ...sampled, batchSize }))).toEqual(results);
    expect(lists(await generate(model, prompts.slice(2, 3), { ...sampled, streamKey: (_, sample) => ['xx', 2, sample] }))).toEqual([
      results[2],
    ]);
    expect(lists(await generate(model, prompts, { ...sampled, seed: 8 }))).not.toEqual(results);
    expect(new Set(results[0].map(String)).size).toBeGreaterThan(1);
  });

  testSampled('a very small nucleus is greedy', async () => {
    const results = await generate(model, prompts, { ...sampled, topP: 1e-6 });
    expect(lists(results)).toEqual(cases.map(({ greedy: tokens }) => Array(5).fill(tokens)));
  });

  test('no tensor is left over', async () => {
    const before = tf.memory().numTensors;
    await generate(model, prompts, { ...sampled, stopIds: [stop] });
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a prompt that does not fit and one without tokens are refused', async () => {
    await expect(generate(model, [new Int32Array(0)], greedy)).rejects.toThrow(/prompt 0 has no tokens/);
    const { maxPositions } = model.config;
    if (maxPositions === Infinity) return;
    const fits = new Int32Array(maxPositions - 16).fill(1);
    expect((await generate(model, [fits], greedy))[0][0].length).toBe(16);
    await expect(generate(model, [new Int32Array(maxPositions - 15)], greedy)).rejects.toThrow(/prompt 0 .* longer than the context/);
  });
});

test('skips what is there, and hands over each batch', async () => {
  const model = await loadModel(join(goldenModels, 'gpt2'), { trainable: false });
  const prompts = [Int32Array.of(3, 4), Int32Array.of(5)];
  const whole = lists(await generate(model, prompts, sampled));
  const seen: string[] = [];
  const rest = await generate(model, prompts, {
    ...sampled,
    batchSize: 3,
    skip: (prompt, sample) => prompt === 0 && sample > 0,
    onBatch: async (batch) => batch.forEach(({ prompt, sample }) => seen.push(`${prompt}/${sample}`)),
  });
  disposeModel(model);
  expect(seen.sort()).toEqual(['0/0', '1/0', '1/1', '1/2', '1/3', '1/4']);
  expect(rest[0][1]).toBeUndefined();
  expect([...rest[0][0]]).toEqual(whole[0][0]);
  expect(lists(rest.slice(1))).toEqual(whole.slice(1));
});

test('each token with a cache has the hidden state that the whole sequence has', async () => {
  const error = async (name: string): Promise<number> => {
    const model = await loadModel(join(goldenModels, name), { trainable: false });
    const { sequences } = await readGolden(name);
    const prompts = [sequences[0].slice(0, 6), sequences[0].slice(0, 1), sequences[3].slice(0, 2)].map((ids) => Int32Array.from(ids));
    const rest = [sequences[0].slice(6), sequences[0].slice(1), sequences[3].slice(2)];
    const rows = [0, 1, 2, 1];
    const { hidden, cache } = prefill(model, prompts, rows, 7);
    hidden.dispose();
    let worst = 0;
    for (let step = 0; step < 7; step++) {
      const live = rows.length;
      const out = decodeStep(
        model,
        cache,
        rows.map((p) => rest[p][step]),
      );
      const whole = tf.tidy(() => {
        const full = rows.map((p) => [...prompts[p], ...rest[p].slice(0, step + 1)]);
        const last = full.reduce<number[]>((ends, ids) => [...ends, (ends.at(-1) ?? -1) + ids.length], []);
        return tf.gather(packedHidden(model, pack(full)), tf.tensor1d(last, 'int32'));
      });
      worst = Math.max(worst, relativeError(out.dataSync(), whole.dataSync()));
      tf.dispose([out, whole]);
      // the batch shrinks on the way
      if (step === 3) {
        keepRows(cache, [0, 2, 3]);
        rows.splice(1, 1);
      }
      expect(rows.length).toBeLessThanOrEqual(live);
    }
    disposeCache(cache);
    disposeModel(model);
    return worst;
  };
  const before = tf.memory().numTensors;
  // dynamic scaling turns cached keys as the sequence stood then, in transformers too
  const whole = Object.keys(goldens).filter((name) => name !== 'llama-dynamic');
  for (const name of whole) expect(await error(name)).toBeLessThan(1e-4);
  expect(tf.memory().numTensors).toBe(before);
});

test('progress ends at the total', async () => {
  const model = await loadModel(join(goldenModels, 'gpt2'), { trainable: false });
  const seen: number[] = [];
  await generate(model, [Int32Array.of(3, 4), Int32Array.of(5)], { ...sampled, batchSize: 4 }, ({ done, total }) => {
    expect(total).toBe(10);
    seen.push(done);
  });
  disposeModel(model);
  expect(seen.at(-1)).toBe(10);
  expect([...seen].sort((a, b) => a - b)).toEqual(seen);
});

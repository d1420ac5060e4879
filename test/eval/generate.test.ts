import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { generate, type GenerateOptions } from '../../eval/generate';
import { disposeModel, loadModel } from '../../models/loadModel';
import type { Model } from '../../models/types';
import { goldenModels } from '../models/goldens';
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

describe.each(Object.keys(goldens))('%s', (name) => {
  const { stop, cases } = goldens[name];
  const prompts = cases.map(({ prompt }) => Int32Array.from(prompt));
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(join(goldenModels, name), { trainable: false });
  });
  afterAll(() => disposeModel(model));

  // windows of 5 are shorter than the sequences of the gemma3 models
  test.each([1, 3, 8])('greedy: as transformers, prompts of mixed lengths, %p at once', (batchSize) => {
    const results = generate(model, prompts, { ...greedy, batchSize });
    expect(lists(results)).toEqual(cases.map(({ greedy: tokens }) => [tokens]));
  });

  test('greedy with an end of sequence: finished rows leave the batch', () => {
    expect(lists(generate(model, prompts, { ...greedy, stopIds: [stop] }))).toEqual(cases.map(({ stopped }) => [stopped]));
  });

  test('sampling: the batch changes nothing, the seed and the stream do', () => {
    const results = lists(generate(model, prompts, sampled));
    for (const batchSize of [1, 7]) expect(lists(generate(model, prompts, { ...sampled, batchSize }))).toEqual(results);
    expect(lists(generate(model, prompts.slice(2, 3), { ...sampled, streamKey: (_, sample) => ['xx', 2, sample] }))).toEqual([results[2]]);
    expect(lists(generate(model, prompts, { ...sampled, seed: 8 }))).not.toEqual(results);
    expect(new Set(results[0].map(String)).size).toBeGreaterThan(1);
  });

  test('a very small nucleus is greedy', () => {
    const results = generate(model, prompts, { ...sampled, topP: 1e-6 });
    expect(lists(results)).toEqual(cases.map(({ greedy: tokens }) => Array(5).fill(tokens)));
  });

  test('no tensor is left over', () => {
    const before = tf.memory().numTensors;
    generate(model, prompts, { ...sampled, stopIds: [stop] });
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a prompt that does not fit and one without tokens are refused', () => {
    const { maxPositions } = model.config;
    const fits = new Int32Array(maxPositions - 16).fill(1);
    expect(generate(model, [fits], greedy)[0][0].length).toBe(16);
    expect(() => generate(model, [new Int32Array(maxPositions - 15)], greedy)).toThrow(/prompt 0 .* longer than the context/);
    expect(() => generate(model, [new Int32Array(0)], greedy)).toThrow(/prompt 0 has no tokens/);
  });
});

test('progress ends at the total', async () => {
  const model = await loadModel(join(goldenModels, 'gpt2'), { trainable: false });
  const seen: number[] = [];
  generate(model, [Int32Array.of(3, 4), Int32Array.of(5)], { ...sampled, batchSize: 4 }, ({ done, total }) => {
    expect(total).toBe(10);
    seen.push(done);
  });
  disposeModel(model);
  expect(seen.at(-1)).toBe(10);
  expect([...seen].sort((a, b) => a - b)).toEqual(seen);
});

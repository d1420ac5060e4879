import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { disposeModel, loadModel } from '../../models/loadModel';
import { completionLogProbs, sequenceLayout, type CompletionTargets } from '../../models/packedForward';
import type { Model } from '../../models/types';
import { goldenModels, packedLogits } from './goldens';
import { startTestEngine } from './testEngine';

const cacheFolder = mkdtempSync(join(tmpdir(), 'cache-'));
beforeAll(() => startTestEngine());
afterAll(() => rmSync(cacheFolder, { recursive: true }));

test('the layout of independent sequences', () => {
  const { positions, layout } = sequenceLayout([3, 1, 2]);
  expect([...positions]).toEqual([0, 1, 2, 0, 0, 1]);
  expect([...layout.queryLengths]).toEqual([3, 1, 2]);
  expect([...layout.keyRows]).toEqual([0, 1, 2, 3, 4, 5]);
  expect(layout.rows).toBe(6);
});

/** Two pairs by hand: prompt once, chosen, rejected. The second pair is longer than the window of 5. */
const pairs = [
  { prompt: [2, 5, 9], chosen: [7, 1], rejected: [11, 3, 8, 1] },
  { prompt: [2, 30, 31, 4, 5, 6], chosen: [20, 21, 22, 23, 1], rejected: [1] },
];

function packPairsByHand(): CompletionTargets {
  const [tokens, positions, predictors, targets, sequences] = [[], [], [], [], []] as number[][];
  const [queryRows, queryLengths, keyRows, keyLengths] = [[], [], [], []] as number[][];
  const sides: { predictors: number[]; ids: number[] }[][] = [[], []];
  for (const { prompt, chosen, rejected } of pairs) {
    const start = tokens.length;
    const promptRows = prompt.map((_, i) => start + i);
    prompt.forEach((id, i) => (tokens.push(id), positions.push(i)));
    queryRows.push(...promptRows);
    keyRows.push(...promptRows);
    queryLengths.push(prompt.length);
    keyLengths.push(prompt.length);
    [chosen, rejected].forEach((ids, side) => {
      const rows = ids.map((_, i) => tokens.length + i);
      ids.forEach((id, i) => (tokens.push(id), positions.push(prompt.length + i)));
      queryRows.push(...rows);
      keyRows.push(...promptRows, ...rows);
      queryLengths.push(ids.length);
      keyLengths.push(prompt.length + ids.length);
      sides[side].push({ predictors: [promptRows.at(-1)!, ...rows.slice(0, -1)], ids });
    });
  }
  sides.flat().forEach(({ predictors: rows, ids }, sequence) => {
    predictors.push(...rows);
    targets.push(...ids);
    sequences.push(...ids.map(() => sequence));
  });
  const int = (values: number[]) => Int32Array.from(values);
  return {
    pairs: pairs.length,
    tokens: int(tokens),
    positions: int(positions),
    layout: {
      rows: tokens.length,
      queryRows: int(queryRows),
      queryLengths: int(queryLengths),
      keyRows: int(keyRows),
      keyLengths: int(keyLengths),
    },
    predictors: int(predictors),
    targets: int(targets),
    sequences: int(sequences),
  };
}

/** log p(completion | prompt) from the logits of the whole sequence alone. */
function plainLogProbs(model: Model, prompt: number[], completion: number[]): number[] {
  const values = packedLogits(model, [[...prompt, ...completion]]);
  const vocabulary = model.config.vocabulary;
  return completion.map((id, i) => {
    const row = values.subarray((prompt.length + i - 1) * vocabulary, (prompt.length + i) * vocabulary);
    return row[id] - Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
  });
}

test.each(['gemma3-text', 'gemma3-old-config', 'gpt2', 'gpt2-switched'])(
  '%s: completions that share a prompt, as each alone',
  async (name) => {
    const model = await loadModel(join(goldenModels, name), { trainable: false, cacheFolder });
    const before = tf.memory().numTensors;
    const { chosen, rejected, perToken } = completionLogProbs(model, packPairsByHand());
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    const each = (side: 'chosen' | 'rejected') => pairs.map((pair) => plainLogProbs(model, pair.prompt, pair[side]));
    chosen.dataSync().forEach((value, b) => expect(value).toBeCloseTo(sum(each('chosen')[b]), 4));
    rejected.dataSync().forEach((value, b) => expect(value).toBeCloseTo(sum(each('rejected')[b]), 4));
    const expected = [...each('chosen'), ...each('rejected')].flat();
    perToken.dataSync().forEach((value, n) => expect(value).toBeCloseTo(expected[n], 4));
    expect(tf.memory().numTensors).toBe(before + 3);
    tf.dispose([chosen, rejected, perToken]);
    disposeModel(model);
  },
);

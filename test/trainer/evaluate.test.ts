import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TokenizedPair } from '../../datasets/types';
import { lossByName } from '../../losses/registry';
import { disposeModel, loadModel } from '../../models/loadModel';
import type { Model } from '../../models/types';
import { evaluate } from '../../trainer/evaluate';
import { goldenModels } from '../models/goldens';
import { startTestEngine } from '../models/testEngine';
import { goldenPairs, tokenizedGolden } from './trainingGolden';

let model: Model;
let pairs: TokenizedPair[];
beforeAll(async () => {
  await startTestEngine();
  model = await loadModel(join(goldenModels, 'gpt2'), { trainable: false, cacheFolder: mkdtempSync(join(tmpdir(), 'evaluate-')) });
  pairs = await tokenizedGolden(goldenPairs.evaluation);
});
afterAll(() => disposeModel(model));

const figures = (some: readonly TokenizedPair[], loss: string) => {
  const zeros = new Float32Array(some.length);
  return evaluate(model, some, { chosen: zeros, rejected: zeros }, lossByName(loss), { batchSize: 4, beta: 0.1, labelSmoothing: 0 });
};

test.each(['sft', 'aot', 'sigmoid'])("%s: every pair weighs the same, whether its loss is its own or its batch's", async (loss) => {
  const [all, first, last] = [await figures(pairs, loss), await figures(pairs.slice(0, 4), loss), await figures(pairs.slice(4), loss)];
  expect(pairs.length).toBe(6);
  expect(Object.keys(all).length).toBe(7);
  for (const [name, value] of Object.entries(all)) expect(value).toBeCloseTo((4 * first[name] + 2 * last[name]) / 6, 5);
});

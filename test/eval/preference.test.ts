import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEngine } from '../../engine/startEngine';
import { preferenceFigures, preferenceTask } from '../../eval/preference';
import { continuationLogLikelihoods } from '../../eval/fluency';
import { tinyModel } from './tinyModel';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'preference-'));
  await startEngine({ engine: 'tfjs', device: 'cpu', precision: 'float32' });
});
afterAll(() => rm(folder, { recursive: true }));

test('worked by hand', () => {
  const policy = { chosen: Float32Array.of(-1, -5), rejected: Float32Array.of(-3, -4) };
  const reference = { chosen: Float32Array.of(-2, -4), rejected: Float32Array.of(-2, -4) };
  // beta .5: margins .5 · (1 + 1) = 1 and .5 · (-1 - 0) = -.5
  const figures = preferenceFigures(policy, reference, 0.5);
  expect(figures.pairs).toBe(2);
  expect(figures.accuracy).toBe(0.5);
  expect(figures.margin).toBeCloseTo(0.25, 6);
  expect(figures.loss).toBeCloseTo((Math.log1p(Math.exp(-1)) + Math.log1p(Math.exp(0.5))) / 2, 6);
});

test('a policy that equals its reference: ln 2, no margin, no accuracy', () => {
  const sums = { chosen: Float32Array.of(-1, -5), rejected: Float32Array.of(-3, -4) };
  expect(preferenceFigures(sums, sums, 0.1)).toEqual({ pairs: 2, accuracy: 0, margin: 0, loss: expect.closeTo(Math.LN2, 6) });
});

const pairs = [
  { prompt: Int32Array.of(1, 5, 6), chosen: Int32Array.of(7, 2), rejected: Int32Array.of(8, 9, 2) },
  { prompt: Int32Array.of(1, 9), chosen: Int32Array.of(2), rejected: Int32Array.of(4, 4, 4, 2) },
  { prompt: Int32Array.of(1, 9, 9, 9, 9), chosen: Int32Array.of(20, 21, 2), rejected: Int32Array.of(2) },
];

test('preference.jsonl: summed log-probabilities, in the order of the pairs', async () => {
  const [policy, reference] = [tinyModel('gpt2', 1), tinyModel('gpt2', 2)];
  const file = join(folder, 'preference.jsonl');
  const figures = await preferenceTask(policy, reference, pairs, { batchSize: 2, beta: 0.1, file });
  const lines = (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ index }) => index)).toEqual([0, 1, 2]);
  for (const [field, model, side] of [
    ['policyChosenLogp', policy, 'chosen'],
    ['policyRejectedLogp', policy, 'rejected'],
    ['referenceChosenLogp', reference, 'chosen'],
    ['referenceRejectedLogp', reference, 'rejected'],
  ] as const) {
    const means = await continuationLogLikelihoods(
      model,
      pairs.map(({ prompt }) => prompt),
      pairs.map((pair) => pair[side]),
    );
    lines.forEach((line, i) => expect(line[field]).toBeCloseTo(means[i]! * pairs[i][side].length, 4));
  }
  const margins = lines.map(
    (line) => 0.1 * (line.policyChosenLogp - line.referenceChosenLogp - line.policyRejectedLogp + line.referenceRejectedLogp),
  );
  expect(figures.margin).toBeCloseTo(margins.reduce((sum, margin) => sum + margin) / 3, 5);
  expect(figures.accuracy).toBeCloseTo(margins.filter((margin) => margin > 0).length / 3, 12);
});

test('without a reference: its log-probabilities and all figures are null', async () => {
  const file = join(folder, 'alone.jsonl');
  const figures = await preferenceTask(tinyModel('gpt2'), null, pairs, { batchSize: 8, beta: 0.1, file });
  expect(figures).toEqual({ pairs: 3, accuracy: null, margin: null, loss: null });
  const [first] = (await readFile(file, 'utf8')).split('\n').map((line) => line && JSON.parse(line));
  expect(Object.keys(first)).toEqual(['index', 'policyChosenLogp', 'policyRejectedLogp', 'referenceChosenLogp', 'referenceRejectedLogp']);
  expect([first.referenceChosenLogp, first.referenceRejectedLogp]).toEqual([null, null]);
  expect(first.policyChosenLogp).toBeLessThan(0);
});

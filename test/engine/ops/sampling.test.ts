import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { listNucleus } from '../../../engine/ops/nucleus';
import { eachNucleus, type SamplingOptions } from '../../../engine/ops/nucleusSearch';
import { sampleTopP } from '../../../engine/ops/sampling';
import { tfjsEngine } from '../../../engine/tfjsEngine';
import { randomStream } from '../../../util/random';

interface Case {
  rows: number;
  vocabulary: number;
  spread: number;
  temperature: number;
  topP: number;
  kept: { count: number; sum: number; first: number[]; best: number }[];
}

const cases = JSON.parse(readFileSync(join(__dirname, '../../goldens/sampling.json'), 'utf8')) as Case[];

/** As test/goldens/sampling.py makes them. */
function logits({ rows, vocabulary, spread }: Pick<Case, 'rows' | 'vocabulary' | 'spread'>): tf.Tensor2D {
  const values = Float32Array.from({ length: rows * vocabulary }, (_, i) => {
    const noise = ((BigInt(i) * 2654435761n + 12345n) % 4294967296n) / 65536n;
    return (Number(noise) / 65536) * spread;
  });
  return tf.tensor2d(values, [rows, vocabulary]);
}

function nuclei(x: tf.Tensor2D, options: SamplingOptions): ReturnType<typeof listNucleus>[] {
  const result: ReturnType<typeof listNucleus>[] = [];
  eachNucleus(x, options, (row, nucleus) => (result[row] = listNucleus(nucleus)));
  return result;
}

beforeAll(async () => {
  tfjsEngine('cpu');
  await tf.setBackend('cpu');
});

test.each(cases)('keeps what transformers keeps: $rows x $vocabulary, T $temperature, p $topP', (c) => {
  const x = logits(c);
  const before = tf.memory().numTensors;
  const kept = nuclei(x, c);
  expect(tf.memory().numTensors).toBe(before);
  kept.forEach(({ tokens, cumulative }, row) => {
    expect(tokens.length).toBe(c.kept[row].count);
    expect(tokens.reduce((sum, token) => sum + token, 0)).toBe(c.kept[row].sum);
    expect([...tokens].sort((a, b) => a - b).slice(0, 5)).toEqual(c.kept[row].first);
    expect(tokens[0]).toBe(c.kept[row].best);
    // the token that crosses the threshold is in, and it alone is beyond
    expect(cumulative[cumulative.length - 1]).toBeGreaterThanOrEqual(c.topP - 1e-6);
    if (cumulative.length > 1) expect(cumulative[cumulative.length - 2]).toBeLessThan(c.topP);
  });
});

test('draws follow the kept probabilities: the inverse distribution function, by hand', () => {
  const x = tf.log(tf.tensor2d([[0.1, 0.5, 0.05, 0.35]])) as tf.Tensor2D;
  // kept: token 1 (0.5), token 3 (0.35), in all 0.85
  const draws = [0, 0.58, 0.59, 0.999999];
  expect([...sampleTopP(x, draws, { temperature: 1, topP: 0.8 }, [0, 0, 0, 0])]).toEqual([1, 1, 3, 3]);
  expect([...sampleTopP(x, [0.99], { temperature: 1, topP: 0.45 })]).toEqual([1]);
  expect([...sampleTopP(x, [0.99], { temperature: 0, topP: 0.8 })]).toEqual([1]);
});

test('temperature sharpens: squared probabilities at 0.5', () => {
  const x = tf.log(tf.tensor2d([[0.5, 0.3, 0.2]])) as tf.Tensor2D;
  const [{ tokens, cumulative }] = nuclei(x, { temperature: 0.5, topP: 0.9 });
  expect([...tokens]).toEqual([0, 1, 2]);
  expect(cumulative[0]).toBeCloseTo(0.25 / 0.38, 6);
  expect(cumulative[1]).toBeCloseTo(0.34 / 0.38, 6);
});

test.each([0.6, 1])('frequencies of many draws, top-p %p', (topP) => {
  const probabilities = [0.02, 0.4, 0.08, 0.3, 0.2];
  const x = tf.log(tf.tensor2d([[1, 0, 0, 0, 0], probabilities])) as tf.Tensor2D;
  const random = randomStream(5);
  const n = topP === 1 ? 4000 : 40000;
  const uniforms = Float64Array.from({ length: n }, () => random());
  const counts = new Float64Array(5);
  for (const token of sampleTopP(x, uniforms, { temperature: 1, topP }, new Int32Array(n).fill(1))) counts[token] += 1 / n;
  const expected = topP === 1 ? probabilities : [0, 4 / 7, 0, 3 / 7, 0];
  counts.forEach((share, token) => expect(Math.abs(share - expected[token])).toBeLessThan(3 * Math.sqrt(0.25 / n)));
});

test('top-p 1 reaches every token of a large vocabulary, in its order', () => {
  const x = tf.zeros<tf.Rank.R2>([2, 8999]);
  const uniforms = [0, 0.5, 1 - 1e-9];
  expect([...sampleTopP(x, uniforms, { temperature: 1, topP: 1 }, [0, 1, 1])]).toEqual([0, 4499, 8998]);
});

test('equal logits are kept by id, however few blocks are looked at', () => {
  const [{ tokens }] = nuclei(tf.zeros<tf.Rank.R2>([1, 8192]), { temperature: 1, topP: 0.25 });
  expect(tokens.length).toBe(2048);
  expect(tokens[2047]).toBe(2047);
});

test('masked tokens are never drawn and broken logits are refused', () => {
  const x = tf.tensor2d([[-Infinity, 1, -Infinity]]);
  for (const topP of [0.9, 1]) expect([...sampleTopP(x, [0.999], { temperature: 1, topP })]).toEqual([1]);
  for (const topP of [0.9, 1]) expect(() => sampleTopP(tf.tensor2d([[NaN, 1]]), [0.5], { temperature: 1, topP })).toThrow(/not finite/);
});

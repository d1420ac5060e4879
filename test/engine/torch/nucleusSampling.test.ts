import * as tf from '@tensorflow/tfjs-core';
import { nucleusTokens, sampleTopP } from '../../../engine/ops/sampling';
import { startEngine } from '../../../engine/startEngine';
import { torch } from '../../../engine/torch/binding';
import { randomStream } from '../../../util/random';

beforeAll(() => startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' }));

/** Logits from -spread / 2 to spread / 2, in steps of `step`, so that many are equal. */
function logits(rows: number, words: number, spread: number, step = 0): tf.Tensor2D {
  const random = randomStream(7);
  const value = (): number => spread * (random() - 0.5);
  return tf.tensor2d(
    Float32Array.from({ length: rows * words }, () => (step > 0 ? Math.round(value() / step) * step : value())),
    [rows, words],
  );
}

test.each([
  ['flat', 3, 5000, 0.1, 0],
  ['peaked', 3, 5000, 40, 0],
  ['many equal', 3, 700, 6, 0.5],
  ['all equal', 2, 300, 0, 0],
  ['one word', 2, 1, 1, 0],
])('%s: the tokens that the definition draws, at any temperature and mass', (_name, rows, words, spread, step) => {
  const x = logits(rows, words, spread, step);
  const random = randomStream(1);
  const draws = 60;
  const uniforms = Float64Array.from({ length: draws }, (_, n) => (n === 0 ? 0 : n === 1 ? 1 - 2 ** -53 : random()));
  const rowOf = Int32Array.from({ length: draws }, (_, n) => (n * 2) % rows);
  const kernel = jest.spyOn(torch(), 'sampleNucleus');
  for (const temperature of [0.3, 1, 1.7])
    for (const topP of [0.01, 0.5, 0.8, 0.999]) {
      const [found, wanted] = [nucleusTokens, nucleusTokens.plain].map((f) => [...f(x, uniforms, rowOf, { temperature, topP })!]);
      // rounding may move a draw at a border to the next token: few of many
      const differing = found.filter((token, n) => token !== wanted[n]).length;
      expect(differing).toBeLessThanOrEqual(words > 1000 ? 3 : 1);
      expect(found.every((token) => token >= 0 && token < words)).toBe(true);
    }
  expect(kernel).toHaveBeenCalledTimes(12);
  kernel.mockRestore();
  x.dispose();
});

test('rows that nobody draws from may be anything; words of minus infinity are never drawn; what is not finite is refused', () => {
  const x = tf.tensor2d([
    [NaN, 1, 2],
    [-Infinity, 0, -Infinity],
    [0, 3, Infinity],
  ]);
  expect([...sampleTopP(x, [0, 0.5, 0.999], { temperature: 1, topP: 0.9 }, [1, 1, 1])]).toEqual([1, 1, 1]);
  for (const row of [0, 2])
    expect(() => sampleTopP(x, [0.5], { temperature: 1, topP: 0.9 }, [row])).toThrow('the model gives logits that are not finite');
  x.dispose();
});

import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../engine/startEngine';
import { divergenceScore, type Divergence } from '../../losses/divergence';

beforeAll(() => startEngine({ engine: 'tfjs', device: 'cpu', precision: 'float32' }));

const ratios = [-3, -0.2, 0, 0.5, 4];

// f' of each divergence f and its derivative, by hand
test.each<[Divergence, (x: number) => number, (x: number) => number]>([
  [{ type: 'reverse_kl', alpha: 0.5 }, (x) => x, () => 1],
  [{ type: 'forward_kl', alpha: 0.5 }, (x) => 1 - Math.exp(-x), (x) => Math.exp(-x)],
  [{ type: 'js_divergence', alpha: 0.5 }, (x) => Math.log((2 * Math.exp(x)) / (Math.exp(x) + 1)), (x) => 1 / (1 + Math.exp(x))],
  [{ type: 'alpha_divergence', alpha: 0.5 }, (x) => (Math.exp(-0.5 * x) - 1) / -0.5, (x) => Math.exp(-0.5 * x)],
  [{ type: 'alpha_divergence', alpha: 3 }, (x) => (Math.exp(2 * x) - 1) / 2, (x) => Math.exp(2 * x)],
  [{ type: 'alpha_divergence', alpha: 1 }, (x) => x, () => 1],
])('%j: values and gradients', (divergence, value, gradient) => {
  const x = tf.tensor1d(ratios);
  const score = (at: tf.Tensor): tf.Tensor1D => divergenceScore(at as tf.Tensor1D, divergence);
  const slopes = tf
    .grad((at) => tf.sum(score(at)))(x)
    .dataSync();
  score(x)
    .dataSync()
    .forEach((actual, i) => {
      expect(actual).toBeCloseTo(value(ratios[i]), value(ratios[i]) > 100 ? 2 : 5);
      expect(slopes[i]).toBeCloseTo(gradient(ratios[i]), gradient(ratios[i]) > 100 ? 2 : 5);
    });
});

test('an exponential stays finite and stops pulling where TRL stops it', () => {
  const x = tf.tensor1d([-500, -100]);
  const score = (at: tf.Tensor): tf.Tensor1D => divergenceScore(at as tf.Tensor1D, { type: 'alpha_divergence', alpha: 0.5 });
  expect([...score(x).dataSync()].every(Number.isFinite)).toBe(true);
  expect(
    tf
      .grad((at) => tf.sum(score(at)))(x)
      .dataSync()[0],
  ).toBe(0);
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../engine/startEngine';
import { METRIC_NAMES, namedMetrics, pairMetrics } from '../../losses/metrics';
import { lossByName } from '../../losses/registry';
import type { PairLogProbs } from '../../losses/types';
import { UserError } from '../../util/errors';

interface Golden {
  loss: string;
  beta: number;
  margins: number[];
  losses: number[];
  gradients: number[];
}
const goldens = JSON.parse(readFileSync(join(__dirname, '../goldens/training/losses.json'), 'utf8')) as Golden[];

beforeAll(() => startEngine({ engine: 'tfjs', device: 'cpu', precision: 'float32' }));

const sums = (chosen: number[], rejected: number[]): PairLogProbs => ({ chosen: tf.tensor1d(chosen), rejected: tf.tensor1d(rejected) });

test('the sigmoid loss of a hand-worked pair', () => {
  // margin 0.5 · ((-10 + 12) - (-20 + 19)) = 1.5; -log sigmoid(1.5) = log(1 + e^-1.5)
  const result = lossByName('sigmoid').compute(sums([-10], [-20]), sums([-12], [-19]), { beta: 0.5 });
  expect(result.chosenRewards.dataSync()[0]).toBeCloseTo(1, 6);
  expect(result.rejectedRewards.dataSync()[0]).toBeCloseTo(-0.5, 6);
  expect(result.losses.dataSync()[0]).toBeCloseTo(0.2014132779827524, 6);
});

test('a policy that equals its reference gives ln 2, and 1 for the hinge loss', () => {
  const same = sums([-3.25, -700], [-8, -0.001]);
  expect([...lossByName('sigmoid').compute(same, same, { beta: 0.1 }).losses.dataSync()]).toEqual([
    Math.fround(Math.LN2),
    Math.fround(Math.LN2),
  ]);
  expect([...lossByName('hinge').compute(same, same, { beta: 0.1 }).losses.dataSync()]).toEqual([1, 1]);
});

test.each(goldens)(
  "$loss with beta $beta equals TRL's formula, values and gradients",
  ({ loss: name, beta, margins, losses, gradients }) => {
    const conservative = name === 'conservative';
    const [loss, options] = [conservative ? 'sigmoid' : name, { beta, labelSmoothing: conservative ? 0.1 : 0 }];
    const zero = tf.zeros([margins.length]) as tf.Tensor1D;
    const values = (chosen: tf.Tensor1D) =>
      lossByName(loss).compute({ chosen, rejected: zero }, { chosen: zero, rejected: zero }, options).losses;
    const chosen = tf.tensor1d(margins);
    const close = (actual: ArrayLike<number>, expected: number[]) =>
      expected.forEach((value, i) => expect(Math.abs(actual[i] - value)).toBeLessThanOrEqual(1e-6 + 1e-5 * Math.abs(value)));
    close(values(chosen).dataSync(), losses);
    close(
      tf
        .grad((x) => tf.sum(values(x as tf.Tensor1D)))(chosen)
        .dataSync(),
      gradients,
    );
  },
);

test.each(['sigmoid', 'hinge'])('extreme margins keep loss and gradient of %s finite', (name) => {
  const zero = tf.zeros([4]) as tf.Tensor1D;
  const extreme = tf.tensor1d([-1e30, -1e6, 1e6, 1e30]);
  const values = (chosen: tf.Tensor1D) =>
    lossByName(name).compute({ chosen, rejected: zero }, { chosen: zero, rejected: zero }, { beta: 1 }).losses;
  expect([...values(extreme).dataSync()].every(Number.isFinite)).toBe(true);
  const gradient = [
    ...tf
      .grad((x) => tf.sum(values(x as tf.Tensor1D)))(extreme)
      .dataSync(),
  ];
  expect(gradient.map(Math.abs)).toEqual([1, 1, 0, 0]);
});

test('accuracy, margin and the other figures are batch means', () => {
  const policy = sums([-10, -4], [-20, -6]);
  const result = lossByName('hinge').compute(policy, sums([-12, -3], [-19, -6]), { beta: 0.5 });
  const named = namedMetrics([pairMetrics(result, policy).dataSync()]);
  // rewards 1 and -0.5 against -0.5 and 0: margins 1.5 and -0.5, losses 0 and 1.5
  expect(named).toEqual({
    loss: 0.75,
    'rewards/chosen': 0.25,
    'rewards/rejected': -0.25,
    'rewards/accuracies': 0.5,
    'rewards/margins': 0.5,
    'logps/chosen': -7,
    'logps/rejected': -13,
  });
  const doubled = namedMetrics([METRIC_NAMES.map(() => 1), METRIC_NAMES.map(() => 4)]);
  expect(doubled.loss).toBe(2.5);
});

test('a tie counts as wrong', () => {
  const same = sums([-1], [-1]);
  const result = lossByName('sigmoid').compute(same, same, { beta: 1 });
  expect(namedMetrics([pairMetrics(result, same).dataSync()])['rewards/accuracies']).toBe(0);
});

test('an unknown loss names the nearest and all', () => {
  expect(() => lossByName('sigmiod')).toThrow(UserError);
  expect(() => lossByName('sigmiod')).toThrow('unknown loss "sigmiod"; did you mean "sigmoid"?; known: sigmoid, hinge');
});

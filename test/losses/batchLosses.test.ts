import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../engine/startEngine';
import { alignedOrder } from '../../losses/alignedOrder';
import { combined } from '../../losses/combined';
import { lossByName } from '../../losses/registry';
import type { PairLogProbs } from '../../losses/types';

beforeAll(() => startEngine({ engine: 'tfjs', device: 'cpu', precision: 'float32' }));

const sums = (chosen: number[], rejected: number[]): PairLogProbs => ({ chosen: tf.tensor1d(chosen), rejected: tf.tensor1d(rejected) });

test("the k-th smallest of the others stands beside one's own k-th smallest, ties in the order of the list", () => {
  const values = tf.tensor1d([3, -1, 3, 7]);
  const others = tf.tensor1d([5, 5, 9, -2]);
  expect([...alignedOrder(values, others).dataSync()]).toEqual([5, -2, 5, 9]);
  // of equal values the first has the smaller place
  expect([...alignedOrder(values, tf.tensor1d([4, 3, 2, 1])).dataSync()]).toEqual([2, 1, 3, 4]);
  const weights = tf.tensor1d([10, 20, 30, 40]);
  const gradient = tf.grad((x) => tf.sum(tf.mul(alignedOrder(values, x as tf.Tensor1D), weights)))(others);
  expect([...gradient.dataSync()]).toEqual([10, 30, 40, 20]);
});

test('a loss of a batch changes with its other pairs, and its mean is that of the sorted values', () => {
  const policy = sums([-1, -4, -2], [-3, -3.5, -2]);
  const reference = sums([-1, -2, -3], [-2, -2, -2]);
  // log ratios 2, -0.5, 0 and 1, 0, -1; sorted -0.5, 0, 2 and -1, 0, 1
  const expected = [0.5, 0, 1].map((d) => Math.log1p(Math.exp(-0.1 * d))).reduce((sum, loss) => sum + loss / 3, 0);
  const { losses } = lossByName('aot').compute(policy, reference, { beta: 0.1 });
  expect(tf.mean(losses).dataSync()[0]).toBeCloseTo(expected, 6);
  const unpaired = lossByName('aot_unpaired').compute(policy, reference, { beta: 1 }).losses;
  // rewards 0, -2, 1 and -1, -1.5, 0; sorted -2, 0, 1 and -1.5, -1, 0
  const margins = [-0.5, 1, 1].map((d) => Math.log1p(Math.exp(-d))).reduce((sum, loss) => sum + loss / 3, 0);
  expect(tf.mean(unpaired).dataSync()[0]).toBeCloseTo(margins, 6);
});

test('supervised finetuning is the mean over all chosen tokens', () => {
  const lengths = { chosen: tf.tensor1d([1, 4]), rejected: tf.tensor1d([2, 2]) };
  const { losses } = lossByName('sft').compute(sums([-1, -9], [-1, -1]), sums([0, 0], [0, 0]), { beta: 0.1, lengths });
  expect([...losses.dataSync()]).toEqual([2, 2]);
});

test('several losses are summed by their weights; the rewards are those of one', () => {
  const [policy, reference] = [sums([-1, -2], [-2, -1]), sums([-2, -2], [-2, -2])];
  const options = { beta: 0.5 };
  const both = combined([lossByName('sigmoid'), lossByName('hinge')], [1, -0.25]);
  const result = both.compute(policy, reference, options);
  const [one, two] = ['sigmoid', 'hinge'].map((name) => lossByName(name).compute(policy, reference, options));
  const [a, b] = [one, two].map(({ losses }) => losses.dataSync());
  [...result.losses.dataSync()].forEach((loss, i) => expect(loss).toBeCloseTo(a[i] - 0.25 * b[i], 6));
  expect([...result.chosenRewards.dataSync()]).toEqual([...one.chosenRewards.dataSync()]);
  expect(both.ofBatch).toBe(false);
  expect(combined([lossByName('sigmoid'), lossByName('sft')], [1, 1]).ofBatch).toBe(true);
});

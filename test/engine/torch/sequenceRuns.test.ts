import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../../engine/engine';
import { type AttentionOptions, packedAttention } from '../../../engine/ops/attention';
import { type AttentionLayout, attentionIndex, disposeAttentionIndex } from '../../../engine/ops/attentionIndex';
import { startEngine } from '../../../engine/startEngine';
import { torch } from '../../../engine/torch/binding';
import { runsOf } from '../../../engine/torch/sequenceRuns';
import { packPairs } from '../../../datasets/pack';
import { sequenceLayout } from '../../../models/packedForward';
import { randomStream } from '../../../util/random';

beforeAll(() => startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' }));

const tokens = (length: number): Int32Array => new Int32Array(length).fill(1);
/** Pairs long enough for several blocks of queries, one with a completion of a single token. */
const pairs = packPairs(
  [
    [5, 40, 71],
    [33, 1, 3],
    [2, 9, 1],
    [40, 20, 66],
  ].map(([prompt, chosen, rejected]) => ({ prompt: tokens(prompt), chosen: tokens(chosen), rejected: tokens(rejected) })),
).layout;
const sequences = sequenceLayout([1, 50, 3, 34]).layout;
/** Keys that are rows out of order, and rows that no segment has for a key. */
const odd: AttentionLayout = {
  rows: 6,
  queryRows: Int32Array.of(0, 1, 2, 3, 4, 5),
  queryLengths: Int32Array.of(2, 1, 3),
  keyRows: Int32Array.of(4, 0, 1, 3, 1, 0, 3, 4, 5),
  keyLengths: Int32Array.of(4, 1, 4),
};

/** Attention's value and the gradients of a weighted sum of it, by runs or by the plain definition. */
function attend(byRuns: boolean, layout: AttentionLayout, heads: [number, number], options: AttentionOptions): Float32Array[] {
  const [count, width] = [layout.rows, 8];
  const random = randomStream(3);
  const draw = (...shape: number[]) => Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => 4 * random() - 2);
  // one weight, split: the kernel reads rows that lie apart
  const weight = currentEngine().parameter(draw(count, heads[0] + 2 * heads[1], width), [count, heads[0] + 2 * heads[1], width], true);
  const kernel = jest.spyOn(torch(), 'runsAttention');
  const values = tf.tidy(() => {
    const index = attentionIndex(layout, options.window ? { windows: [options.window] } : {});
    const factors = tf.tensor(draw(count, heads[0], width), [count, heads[0], width]);
    const { aux, grads } = currentEngine().valueAndGrads(() => {
      const [q, k, v] = tf.split(weight as tf.Tensor as tf.Tensor3D, [heads[0], heads[1], heads[1]], 1) as tf.Tensor3D[];
      const out = (byRuns ? packedAttention : packedAttention.plain)(q, k, v, index, options);
      return { loss: tf.sum(tf.mul(out, factors)), aux: { out } };
    }, [weight]);
    disposeAttentionIndex(index);
    return [aux.out, ...grads].map((tensor) => tensor.dataSync<'float32'>());
  });
  expect(kernel).toHaveBeenCalledTimes(byRuns ? 1 : 0);
  kernel.mockRestore();
  weight.dispose();
  return values;
}

const furthest = (a: Float32Array, b: Float32Array): number => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

describe.each<[string, AttentionLayout]>([
  ['pairs', pairs],
  ['sequences', sequences],
  ['sequences seen whole', { ...sequences, bidirectional: true }],
  ['rows in any order', odd],
])('attention by runs of rows, %s', (_name, layout) => {
  test.each<[string, [number, number], AttentionOptions]>([
    ['full', [2, 2], { scale: 0.3 }],
    ['grouped queries', [4, 2], { scale: 0.3 }],
    ['one key head', [3, 1], { scale: 2 }],
    ['a soft cap', [2, 1], { scale: 0.7, softcap: 1.5 }],
    ...(layout.bidirectional
      ? []
      : [['a sliding window', [2, 1], { scale: 0.5, window: 3 }] as [string, [number, number], AttentionOptions]]),
  ])('%s: values and gradients are those of the definition', (_case, heads, options) => {
    const [wanted, found] = [false, true].map((byRuns) => attend(byRuns, layout, heads, options));
    found.forEach((values, i) => expect(furthest(values, wanted[i])).toBeLessThan(5e-5));
  });
});

test.each([1, 3])('with %i threads, which share out heads or key heads, gradients are the same', (threads) => {
  const before = torch().threads();
  torch().threads(threads);
  try {
    const [wanted, found] = [false, true].map((byRuns) => attend(byRuns, pairs, [4, 1], { scale: 0.4 }));
    found.forEach((values, i) => expect(furthest(values, wanted[i])).toBeLessThan(5e-5));
  } finally {
    torch().threads(before);
  }
});

test('runs: a prompt and its own rows; pairs are groups, and rows in any order one group', () => {
  const layout = packPairs([0, 1].map(() => ({ prompt: tokens(2), chosen: tokens(3), rejected: tokens(2) }))).layout;
  expect(runsOf(layout)).toEqual({
    segments: [0, 4, 4, 0, 1, 4, 1, 3, 1, 2, 5, 4, 4, 3, 1, 9, 1, 3, 4, 2],
    runs: [0, 4, 0, 2, 4, 1, 5, 4, 5, 2, 9, 1],
    groups: [0, 2, 4],
  });
  expect(runsOf(odd)).toMatchObject({ runs: [4, 1, 0, 2, 3, 1, 1, 1, 0, 1, 3, 3], groups: [0, 3] });
  expect(runsOf({ ...sequences, queryRows: Int32Array.from([...sequences.queryRows].reverse()) })).toBeUndefined();
});

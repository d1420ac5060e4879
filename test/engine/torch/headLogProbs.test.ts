import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../../engine/engine';
import { chunkedLogProbs } from '../../../engine/ops/tokenLogProbs';
import { startEngine } from '../../../engine/startEngine';
import { torch } from '../../../engine/torch/binding';
import { randomStream } from '../../../util/random';

beforeAll(() => startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' }));

const [rows, width, words] = [7, 24, 5003];

interface Found {
  values: Float32Array;
  grads: Float32Array[];
}

/** Log-probabilities of targets and the gradients of a weighted sum of them. */
function found(f: typeof chunkedLogProbs.plain, size: number, scale: number, chunkRows: number, trainHead = true): Found {
  const random = randomStream(5);
  const draw = (count: number): Float32Array => Float32Array.from({ length: count }, () => size * (random() - 0.5));
  const hidden = currentEngine().parameter(draw(rows * width), [rows, width], true);
  const head = currentEngine().parameter(draw(words * width), [words, width], trainHead);
  // the first and last word, and the last of a piece and the first of the next
  const targets = [0, words - 1, 1023, 1024, 4095, 2047, 3000];
  const result = tf.tidy(() => {
    const factors = tf.tensor1d(draw(rows));
    const { aux, grads } = currentEngine().valueAndGrads(
      () => {
        const out = f(
          hidden as tf.Tensor as tf.Tensor2D,
          head as tf.Tensor as tf.Tensor2D,
          tf.tensor1d(targets, 'int32'),
          { scale },
          chunkRows,
        );
        return { loss: tf.sum(tf.mul(out, factors)), aux: { out } };
      },
      trainHead ? [hidden, head] : [hidden],
    );
    const [values, ...others] = [aux.out, ...grads].map((tensor) => tensor.dataSync<'float32'>());
    return { values, grads: others };
  });
  tf.dispose([hidden, head]);
  return result;
}

const furthest = (a: Float32Array, b: Float32Array): number => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

test.each([
  ['one chunk', 1, 1, 100, true],
  ['chunks of rows, a scale', 1, 0.25, 3, true],
  // differences of some hundred, whose exponentials would overflow
  ['large logits', 40, 1, 100, true],
  ['a head that is not trained', 1, 1, 3, false],
])('log-probabilities in one pass, %s: values and gradients are those of the definition', (_name, size, scale, chunkRows, trainHead) => {
  const kernel = jest.spyOn(torch(), 'headBackward');
  const live = torch().liveSlots();
  const own = found(chunkedLogProbs, size, scale, chunkRows, trainHead);
  expect(kernel).toHaveBeenCalledTimes(Math.ceil(rows / chunkRows));
  expect(torch().liveSlots()).toBe(live);
  kernel.mockRestore();
  const plain = found(chunkedLogProbs.plain, size, scale, 100, trainHead);
  const tolerance = 2e-6 * size * size * width;
  expect(own.values.every(Number.isFinite)).toBe(true);
  expect(furthest(own.values, plain.values)).toBeLessThan(tolerance);
  expect(own.grads.length).toBe(trainHead ? 2 : 1);
  own.grads.forEach((grad, i) => expect(furthest(grad, plain.grads[i])).toBeLessThan(tolerance));
});

test('without a BLAS to call, libtorch’s operators give the same', () => {
  const own = found(chunkedLogProbs, 1, 0.5, 4);
  const blas = jest.spyOn(torch(), 'hasBlas').mockReturnValue(false);
  const other = found(chunkedLogProbs, 1, 0.5, 4);
  blas.mockRestore();
  expect(furthest(own.values, other.values)).toBeLessThan(2e-5);
  own.grads.forEach((grad, i) => expect(furthest(grad, other.grads[i])).toBeLessThan(2e-5));
});

test('a target beyond the vocabulary is refused before memory beyond it is read', () => {
  const [hidden, head] = [tf.ones<tf.Rank.R2>([1, 4]), tf.ones<tf.Rank.R2>([3, 4])];
  expect(() => tf.tidy(() => chunkedLogProbs(hidden, head, tf.tensor1d([3], 'int32'), {}, 10))).toThrow('target 3 beyond 3 words');
  tf.dispose([hidden, head]);
});

import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../../engine/startEngine';
import { type Slot, aten, scalarType, scoped, torch, track } from '../../../engine/torch/binding';
import { type OnePassUpdate, onePassUpdate } from '../../../engine/torch/onePassUpdate';

beforeAll(() => startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' }));

const slice = aten('slice.Tensor');

/** Three weights: more than a block of the kernel with a remainder, a handful, and one element. */
const SIZES = [5003, 6, 1];
const MAX_NORM = 0.5;

function random(size: number, seed: number): Float32Array {
  return tf.randomNormal([size], 0, 1, 'float32', seed).dataSync<'float32'>();
}

/** Values in a slot; one float further into its memory where `shifted`: too badly aligned for four at a time. */
function upload(values: Float32Array, type: number = scalarType.float32, shifted = false): Slot {
  const given = shifted ? Float32Array.of(0, ...values) : values;
  const whole = track(torch().fromBytes(given, scalarType.float32, [given.length], type, 'cpu'));
  return shifted ? slice(whole, 0, 1, given.length) : whole;
}

function read(slot: Slot, size: number): Float32Array {
  const values = new Float32Array(size);
  torch().toBytes(slot, values, scalarType.float32);
  return values;
}

interface Rates {
  rule: OnePassUpdate['rule'];
  momentum: boolean;
}

const constants = { maxNorm: MAX_NORM, learningRate: 0.1, weightDecay: 0.02, beta1: 0.8, beta2: 0.9, epsilon: 1e-6 };

/** One element's update as torch.optim documents it, in double precision. */
function expected(
  { rule, momentum }: Rates,
  weight: number,
  gradient: number,
  state: { first: number; second: number },
  step: number,
): number {
  const { learningRate, weightDecay, beta1, beta2, epsilon } = constants;
  const g = rule === 'adamw' ? gradient : gradient + weightDecay * weight;
  if (rule !== 'sgd') state.second = beta2 * state.second + (1 - beta2) * g * g;
  if (rule === 'adam' || rule === 'adamw') {
    state.first = beta1 * state.first + (1 - beta1) * g;
    const decayed = rule === 'adamw' ? weight * (1 - learningRate * weightDecay) : weight;
    const [first, second] = [state.first / (1 - beta1 ** step), state.second / (1 - beta2 ** step)];
    return decayed - (learningRate * first) / (Math.sqrt(second) + epsilon);
  }
  const direction = rule === 'rmsprop' ? g / (Math.sqrt(state.second) + epsilon) : g;
  state.first = momentum ? beta1 * state.first + direction : direction;
  return weight - learningRate * state.first;
}

describe.each([false, true])('in one pass, shifted in memory: %s', (shifted) => {
  test.each<[string, Rates, 'float32' | 'bfloat16']>([
    ['Adam', { rule: 'adam', momentum: true }, 'float32'],
    ['AdamW, bf16 gradients', { rule: 'adamw', momentum: true }, 'bfloat16'],
    ['RMSProp, bf16 gradients', { rule: 'rmsprop', momentum: false }, 'bfloat16'],
    ['RMSProp with momentum', { rule: 'rmsprop', momentum: true }, 'float32'],
    ['SGD', { rule: 'sgd', momentum: false }, 'float32'],
    ['SGD with momentum, bf16 gradients', { rule: 'sgd', momentum: true }, 'bfloat16'],
  ])('%s: masters and state as torch.optim, copies rounded from the masters', (_name, rates, type) => {
    scoped(() => {
      const zeros = (): Slot[] => SIZES.map((size) => upload(new Float32Array(size), scalarType.float32, shifted));
      const start = SIZES.map((size, i) => random(size, i + 1));
      const masters = start.map((values) => upload(values, scalarType.float32, shifted));
      const firsts = rates.momentum ? zeros() : [];
      const seconds = rates.rule === 'sgd' ? [] : zeros();
      // the second weight has no working copy
      const copies = SIZES.map((size, i) => (i === 1 ? undefined : upload(new Float32Array(size), scalarType.bfloat16, shifted)));
      const wanted = start.map((values) => [...values]);
      const state = SIZES.map((size) => Array.from({ length: size }, () => ({ first: 0, second: 0 })));
      for (let step = 1; step <= 3; step++) {
        const gradients = SIZES.map((size, i) => upload(random(size, 10 * step + i), scalarType[type], shifted));
        const norm = 0.4 * step;
        onePassUpdate({ ...rates, ...constants, masters, gradients, firsts, seconds, copies, norm: upload(Float32Array.of(norm)), step });
        const divisor = Math.max(1, (norm + 1e-6) / MAX_NORM);
        gradients.forEach((gradient, i) =>
          read(gradient, SIZES[i]).forEach((g, j) => {
            wanted[i][j] = expected(rates, wanted[i][j], g / divisor, state[i][j], step);
          }),
        );
      }
      const largest = (a: ArrayLike<number>, b: readonly number[]): number =>
        b.reduce((most, x, j) => Math.max(most, Math.abs(x - a[j])), 0);
      SIZES.forEach((size, i) => {
        const master = read(masters[i], size);
        expect(largest(master, wanted[i])).toBeLessThan(1e-5);
        const kept = rates.momentum ? read(firsts[i], size) : undefined;
        if (kept)
          expect(
            largest(
              kept,
              state[i].map(({ first }) => first),
            ),
          ).toBeLessThan(1e-5);
        if (seconds.length > 0)
          expect(
            largest(
              read(seconds[i], size),
              state[i].map(({ second }) => second),
            ),
          ).toBeLessThan(1e-5);
        const copy = copies[i];
        if (copy !== undefined) expect(read(copy, size)).toEqual(read(upload(master, scalarType.bfloat16), size));
      });
    });
  });
});

test.each([NaN, Infinity])('a norm of %s changes nothing', (norm) => {
  scoped(() => {
    const values = random(8, 1);
    const [masters, firsts, seconds] = [1, 2, 3].map(() => [upload(values)]);
    const update = { masters, gradients: [upload(values)], firsts, seconds, copies: [], norm: upload(Float32Array.of(norm)), step: 1 };
    onePassUpdate({ rule: 'adam', ...constants, ...update });
    for (const [slot] of [masters, firsts, seconds]) expect(read(slot, 8)).toEqual(values);
  });
});

test('tensors that do not fit their weights are refused', () => {
  scoped(() => {
    const [long, short] = [upload(random(8, 1)), upload(random(7, 1))];
    const update = { masters: [long], gradients: [short], firsts: [], seconds: [], copies: [], norm: upload(Float32Array.of(1)), step: 1 };
    expect(() => onePassUpdate({ rule: 'sgd', ...constants, ...update })).toThrow('does not fit its weight');
  });
});

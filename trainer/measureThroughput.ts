import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../engine/engine';
import { linear } from '../engine/ops/linear';
import { randomStream } from '../util/random';
import type { StepShape } from './stepShape';
import type { Throughput } from './stepTime';

/** The largest weight that is made to be timed: 256 MB in float32. */
const LARGEST_WEIGHT = 2 ** 26;
/** Numbers that are copied: more than any cache holds. */
const COPIED = 2 ** 25;
/** Runs, of which the middle one counts, after one that warms up. */
const RUNS = 5;

/** Times products of the model's own shapes and the copy of a large tensor on the current engine, for some seconds. */
export function measureThroughput(shape: StepShape): Throughput {
  const { rows, width, innerWidth, vocabulary, targets } = shape;
  const flops = (count: number, inputs: number, outputs: number): number => {
    const kept = Math.max(1, Math.min(outputs, Math.floor(LARGEST_WEIGHT / inputs)));
    const [x, weight] = [parameter([count, inputs]), parameter([kept, inputs])];
    const seconds = timed(() => linear(x as tf.Tensor as tf.Tensor2D, weight), Math.ceil(1e9 / (2 * count * inputs * kept)));
    tf.dispose([x, weight]);
    return (2 * count * inputs * kept) / seconds;
  };
  const layerFlops = flops(rows, width, innerWidth);
  const headFlops = flops(targets, width, vocabulary);
  const long = tf.zeros([COPIED]);
  const seconds = timed(() => tf.neg(long), 1);
  long.dispose();
  return { layerFlops, headFlops, bandwidth: (2 * 4 * COPIED) / seconds };
}

/** Random numbers in the engine's precision: products of zeros may be faster. */
function parameter(shape: [number, number]): tf.Variable {
  const random = randomStream(0);
  return currentEngine().parameter(
    Float32Array.from({ length: shape[0] * shape[1] }, () => random() - 0.5),
    shape,
    false,
  );
}

/** Seconds of one call. */
function timed(f: () => tf.Tensor, repeats: number): number {
  const once = (): number => {
    const began = performance.now();
    tf.tidy(() => {
      let last = f();
      for (let i = 1; i < repeats; i++) {
        last.dispose();
        last = f();
      }
      // reading a value waits for all that is queued
      tf.slice(tf.reshape(last, [-1]), 0, 1).dataSync();
    });
    return (performance.now() - began) / 1000 / repeats;
  };
  once();
  return Array.from({ length: RUNS }, once).sort((a, b) => a - b)[RUNS >> 1];
}

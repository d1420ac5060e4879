/*
 * Measures what the device does at most through the torch engine: a large matrix product, and a copy of a large tensor (read and written).
 *
 *   node dist/bench/ours/peaks.js '{"device": "cuda", "precision": "bf16", "size": 8192}'
 */
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { randomStream } from '../../util/random';
import { printResult, startProgram, timed } from './program';

async function main(): Promise<void> {
  const options = await startProgram({ device: 'cpu', precision: 'float32' as const, runs: 5, warmup: 2, size: 2048, repeats: 4 });
  const { size, repeats } = options;
  const best = async (f: () => tf.Tensor): Promise<number> => {
    const times = await timed(options, () => {
      const results = Array.from({ length: repeats }, f);
      tf.tidy(() => tf.slice(tf.reshape(results.at(-1)!, [-1]), 0, 1).dataSync());
      tf.dispose(results);
    });
    return Math.min(...times) / 1000 / repeats;
  };
  // a parameter: in the engine's precision
  const random = randomStream(0);
  const a = currentEngine().parameter(
    Float32Array.from({ length: size * size }, () => random() - 0.5),
    [size, size],
    false,
  ) as tf.Tensor as tf.Tensor2D;
  const seconds = await best(() => tf.matMul(a, a));
  // larger than any cache
  const long = tf.zeros([Math.max(size * size, 2 ** 26)]);
  const copying = await best(() => tf.neg(long));
  const bytes = 2 * 4 * long.size;
  printResult([], { flopsPerSecond: (2 * size ** 3) / seconds, bytesPerSecond: bytes / copying });
}

void main();

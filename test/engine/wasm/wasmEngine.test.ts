import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../../engine/startEngine';
import { UserError } from '../../../util/errors';

beforeAll(() => startEngine({ engine: 'wasm', device: 'auto', precision: 'float32' }));

test('a long sum keeps its digits', () => {
  const ones = tf.fill([2, 2 ** 25], 1);
  expect(tf.tidy(() => [...tf.sum(ones, 1).dataSync()])).toEqual([2 ** 25, 2 ** 25]);
  expect(tf.tidy(() => tf.mean(ones).dataSync()[0])).toBe(1);
  ones.dispose();
});

test('a full memory is one line, and what fits goes on', () => {
  const backend = tf.backend() as BackendWasm;
  for (const mebibytes of [4096, 4096 - 32])
    expect(() => backend.makeOutput([mebibytes, 2 ** 18], 'float32')).toThrow(
      new UserError(
        `the wasm engine's 4 GiB are full (${mebibytes} MiB more were asked for): take a smaller model or --batch-size, or --engine torch`,
      ),
    );
  expect(tf.tidy(() => tf.add(tf.ones([3]), 1).dataSync())).toEqual(Float32Array.of(2, 2, 2));
});

test.each([
  [{ device: 'cuda' }, '--device cuda: the wasm engine runs on the CPU alone; use --engine torch'],
  [{ precision: 'bf16' as const }, '--precision bf16: the wasm engine knows float32 alone; use --engine torch'],
])('what it cannot do is said: %j', async (options, message) => {
  await expect(startEngine({ engine: 'wasm', device: 'auto', precision: 'float32', ...options })).rejects.toThrow(new UserError(message));
});

test('starting it leaves no hooks of its own in the process', () => {
  expect(process.listeners('unhandledRejection').map(String)).toEqual([]);
});

import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../engine/startEngine';

const MEGABYTE = 2 ** 20;

beforeAll(() => startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' }));

test('a tensor takes the room that one of its size left', () => {
  const pins: tf.Tensor[] = [];
  const turn = (): void => {
    tf.dispose(tf.ones([40, MEGABYTE / 4]));
    // right after what was freed
    pins.push(tf.ones([1000]));
  };
  turn();
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 20; i++) turn();
  expect((process.memoryUsage().rss - before) / MEGABYTE).toBeLessThan(100);
  tf.dispose(pins);
});

test('batches of ever other sizes do not pile up holes in the heap', () => {
  const pins: tf.Tensor[] = [];
  const before = process.memoryUsage().rss;
  // each a little larger than every hole that the earlier ones left, and held apart from the next by a small tensor: 2.6 GB in all
  for (let i = 0; i < 28; i++) {
    tf.dispose(tf.ones([80 + i, MEGABYTE / 4]));
    pins.push(tf.ones([1000]));
    for (let j = 0; j < 160; j++) tf.dispose(tf.add(pins[0], 1));
  }
  // one gigabyte of slack, and a few tensors until the next look
  expect((process.memoryUsage().rss - before) / MEGABYTE).toBeLessThan(1024 + 500 + 200);
  tf.dispose(pins);
});

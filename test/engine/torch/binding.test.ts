import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../../engine/startEngine';
import type { TorchBackend } from '../../../engine/torch/backend';
import { aten, describe as shapeOf, scalarType, torch } from '../../../engine/torch/binding';

beforeAll(() => startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' }));

test('a slot that is used again is described as what it holds now', () => {
  const backend = tf.backend() as TorchBackend;
  const x = backend.upload(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
  const sum = aten('sum.dim_IntList')(x, [0]);
  expect(shapeOf(sum)).toEqual({ shape: [3], type: scalarType.float32 });
  torch().free(sum);
  // libtorch's last result was in the slot that this takes
  const again = torch().alias(x);
  expect(again).toBe(sum);
  expect(shapeOf(again)).toEqual({ shape: [2, 3], type: scalarType.float32 });
  const ids = torch().fromBytes(Int32Array.of(7), scalarType.int32, [1], scalarType.int64, 'cpu');
  expect(shapeOf(ids)).toEqual({ shape: [1], type: scalarType.int64 });
  expect(shapeOf(again)).toEqual({ shape: [2, 3], type: scalarType.float32 });
  [x, again, ids].forEach((slot) => torch().free(slot));
});

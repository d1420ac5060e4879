import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../../engine/startEngine';
import type { TorchBackend } from '../../../engine/torch/backend';
import { aten, describe as shapeOf, scalarType, torch, typeOf, type Slot } from '../../../engine/torch/binding';

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

test('every slot has its type, whoever made it', () => {
  const backend = tf.backend() as TorchBackend;
  const x = backend.upload(Float32Array.of(1, 2), [2]);
  const ids = torch().fromBytes(Int32Array.of(7), scalarType.int32, [1], scalarType.int64, 'cpu');
  const half = aten('to.dtype')(x, scalarType.bfloat16);
  const truth = aten('gt.Scalar')(x, 1);
  const slots = [x, ids, half, truth, torch().alias(ids), torch().detach(half, false)];
  const { float32, int64, bfloat16, bool } = scalarType;
  expect(slots.map(typeOf)).toEqual([float32, int64, bfloat16, bool, int64, bfloat16]);
  torch().free(x);
  const again = torch().alias(truth);
  expect(again).toBe(x);
  expect(typeOf(again)).toBe(bool);
  [...slots.slice(1), again].forEach((slot) => torch().free(slot));
});

test('a leaf that collects gradients no more keeps none', () => {
  const backend = tf.backend() as TorchBackend;
  const leaf = backend.upload(Float32Array.of(3), []);
  const backward = (): void => {
    torch().requiresGrad([leaf], true);
    torch().recording(true);
    const square = aten('mul.Tensor')(leaf, leaf);
    torch().recording(false);
    torch().backward([square], null, false);
    torch().free(square);
  };
  backward();
  torch().requiresGrad([leaf], false);
  expect(torch().needsGrad(leaf)).toBe(false);
  expect(torch().takeGrad(leaf)).toBe(-1);
  backward();
  const gradient = torch().takeGrad(leaf) as Slot;
  expect(backend.readFloats(gradient)).toEqual(Float32Array.of(6));
  torch().requiresGrad([leaf], false);
  [leaf, gradient].forEach((slot) => torch().free(slot));
});

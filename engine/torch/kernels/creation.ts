import type * as tf from '@tensorflow/tfjs-core';
import { type TorchBackend, defineKernel } from '../backend';
import { type Slot, aten, scalarType, torch, track } from '../binding';

const full = aten('full');
const zerosLike = aten('zeros_like');
const onesLike = aten('ones_like');
const arange = aten('arange.start_step');
const linspace = aten('linspace');
const toType = aten('to.dtype');
const notEqual = aten('ne.Scalar');
const equal = aten('eq.Tensor');
const unsqueeze = aten('unsqueeze');
const mulScalar = aten('mul.Scalar');
const addScalar = aten('add.Scalar');
const softmax = aten('softmax.int');
const multinomial = aten('multinomial');

/** libtorch's type for one of tfjs's; new floating tensors are float32 whatever the engine's precision. */
function storedType(dtype: tf.DataType): number {
  if (dtype === 'float32') return scalarType.float32;
  if (dtype === 'int32') return scalarType.int64;
  if (dtype === 'bool') return scalarType.bool;
  throw new Error(`internal: the torch engine holds no tensors of dtype ${dtype}`);
}

/** start, start + step, … up to but without stop; its length as tfjs counts it. */
function range(start: number, stop: number, step: number, dtype: tf.DataType, backend: TorchBackend): Slot {
  const type = storedType(dtype);
  // tfjs turns the default step round for a falling range
  const by = stop < start && step === 1 ? -1 : step;
  const count = Math.max(0, Math.ceil((stop - start) / by));
  const numbers = arange(0, count, 1, type, undefined, backend.device);
  return by === 1 && start === 0 ? numbers : addScalar(by === 1 ? numbers : mulScalar(numbers, by), start);
}

/** Casting, constants and random draws. */
export function defineCreationKernels(): void {
  // floating tensors stay as wide as they are; numbers become float32: a position beyond 256 has no exact bfloat16
  defineKernel<{ dtype: tf.DataType }>('Cast', ({ x }, { dtype }) => {
    if (x.dtype === dtype) return track(torch().alias(x.slot));
    return dtype === 'bool' ? notEqual(x.slot, 0) : toType(x.slot, storedType(dtype));
  });
  defineKernel<{ shape: number[]; value: number | boolean; dtype?: tf.DataType }>('Fill', (_, { shape, value, dtype }, backend) =>
    full(shape, value, storedType(dtype ?? (typeof value === 'boolean' ? 'bool' : 'float32')), undefined, backend.device),
  );
  defineKernel('ZerosLike', ({ x }) => zerosLike(x.slot));
  defineKernel('OnesLike', ({ x }) => onesLike(x.slot));
  defineKernel<{ start: number; stop: number; step: number; dtype: tf.DataType }>('Range', (_, { start, stop, step, dtype }, backend) =>
    range(start, stop, step, dtype, backend),
  );
  defineKernel<{ start: number; stop: number; num: number }>('LinSpace', (_, { start, stop, num }, backend) =>
    linspace(start, stop, num, scalarType.float32, undefined, backend.device),
  );
  // an index beyond the depth has no place: a row of offValue
  defineKernel<{ dtype: tf.DataType; depth: number; onValue: number; offValue: number }>(
    'OneHot',
    ({ indices }, { dtype, depth, onValue, offValue }, backend) => {
      const classes = arange(0, depth, 1, scalarType.int64, undefined, backend.device);
      const hot = toType(equal(unsqueeze(indices.slot, -1), classes), storedType(dtype));
      return onValue === 1 && offValue === 0 ? hot : addScalar(mulScalar(hot, onValue - offValue), offValue);
    },
  );
  defineKernel<{ numSamples: number; seed: number; normalized: boolean }>('Multinomial', ({ logits }, { numSamples, seed, normalized }) => {
    const probabilities = normalized ? logits.slot : softmax(logits.slot, -1, scalarType.float32);
    // tfjs draws a fraction where the caller gave no seed
    torch().seed(Number.isInteger(seed) ? Math.abs(seed) : Math.floor(Math.abs(seed) * 2 ** 32));
    return multinomial(probabilities, numSamples, true);
  });
}

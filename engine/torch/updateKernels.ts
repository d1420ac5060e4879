import type * as tf from '@tensorflow/tfjs-core';
import type { AdamWOptions, RmsPropOptions } from '../ops/updates';
import type { TorchBackend } from './backend';
import { type Slot, aten, atenMany, describe, scalarType, scoped } from './binding';

const op = {
  adam: aten('_fused_adam_'),
  adamW: aten('_fused_adamw_'),
  cast: aten('to.dtype'),
  copyInto: aten('_foreach_copy_'),
  full: aten('full'),
  norms: atenMany('_foreach_norm.Scalar'),
  norm: aten('linalg_vector_norm'),
  stack: aten('stack'),
};

/** A step count at which Adam's bias correction is 1 in float32, for every decay below 1 - 1e-7. */
const SETTLED = 1e9;

/** In-place optimizer updates on libtorch's fused operators, on the float32 master weights. */
export function updateKernels(backend: TorchBackend) {
  const slot = (tensor: tf.Tensor): Slot => backend.slotOf(tensor);
  const scalar = (value: number): Slot => op.full([], value, scalarType.float32, undefined, backend.device);
  /** The fused operators refuse bfloat16 gradients beside float32 weights. */
  const float32 = (grad: tf.Tensor): Slot => {
    const given = slot(grad);
    return describe(given).type === scalarType.float32 ? given : op.cast(given, scalarType.float32);
  };
  const refreshWorkingCopies = (weights: readonly tf.Variable[]): void => {
    const copies = weights.filter((weight) => backend.hasWorkingCopy(weight));
    if (copies.length > 0)
      op.copyInto(
        copies.map(slot),
        copies.map((weight) => backend.masterOf(weight)),
      );
  };

  return {
    /** Adam with beta1 = 0, the gradient itself as first moment and a bias correction of 1 is RMSProp. */
    rmsPropUpdate: (
      weights: readonly tf.Variable[],
      grads: readonly tf.Tensor[],
      squares: readonly tf.Variable[],
      options: RmsPropOptions,
    ): void =>
      scoped(() => {
        const { learningRate, decay, epsilon, gradientDivisor } = options;
        const masters = weights.map((weight) => backend.masterOf(weight));
        const gradients = grads.map(float32);
        const step = scalar(SETTLED);
        const divisor = gradientDivisor === 1 ? undefined : scalar(gradientDivisor);
        op.adam(
          masters,
          gradients,
          gradients,
          squares.map(slot),
          [],
          weights.map(() => step),
          learningRate,
          0,
          decay,
          0,
          epsilon,
          false,
          false,
          divisor,
        );
        refreshWorkingCopies(weights);
      }),

    adamWUpdate: (
      weights: readonly tf.Variable[],
      grads: readonly tf.Tensor[],
      firsts: readonly tf.Variable[],
      seconds: readonly tf.Variable[],
      options: AdamWOptions,
    ): void =>
      scoped(() => {
        const { learningRate, beta1, beta2, epsilon, weightDecay, gradientDivisor, step } = options;
        const masters = weights.map((weight) => backend.masterOf(weight));
        const count = scalar(step);
        const divisor = gradientDivisor === 1 ? undefined : scalar(gradientDivisor);
        const steps = weights.map(() => count);
        const moments = [firsts.map(slot), seconds.map(slot), []];
        op.adamW(masters, grads.map(float32), ...moments, steps, learningRate, beta1, beta2, weightDecay, epsilon, false, false, divisor);
        refreshWorkingCopies(weights);
      }),

    globalNorm: (grads: readonly tf.Tensor[]): tf.Scalar =>
      backend.tensor<tf.Scalar>(
        scoped(() => op.norm(op.stack(op.norms(grads.map(slot), 2, scalarType.float32), 0), 2, undefined, false, scalarType.float32)),
      ),
  };
}

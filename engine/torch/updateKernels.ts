import type * as tf from '@tensorflow/tfjs-core';
import { type AdamOptions, CLIP_EPSILON, type RmsPropOptions, type SgdOptions, type UpdateOptions } from '../ops/updates';
import type { TorchBackend } from './backend';
import { type Slot, aten, atenMany, scalarType, scoped, typeOf } from './binding';

const op = {
  adam: aten('_fused_adam_'),
  adamW: aten('_fused_adamw_'),
  addList: atenMany('_foreach_add.List'),
  addInto: aten('_foreach_add_.List'),
  addNumber: aten('add.Scalar'),
  cast: aten('to.dtype'),
  clampMin: aten('clamp_min'),
  copyInto: aten('_foreach_copy_'),
  divNumber: aten('div.Scalar'),
  full: aten('full'),
  isFinite: aten('isfinite'),
  mulNumber: aten('mul.Scalar'),
  mulTensor: atenMany('_foreach_mul.Tensor'),
  norms: atenMany('_foreach_norm.Scalar'),
  norm: aten('linalg_vector_norm'),
  not: aten('logical_not'),
  sgd: aten('_fused_sgd_'),
  stack: aten('stack'),
  zeros: aten('zeros_like'),
};

/** A step count at which Adam's bias correction is 1 in float32, for every decay below 1 - 1e-7. */
const SETTLED = 1e9;

/**
 * In-place optimizer updates on libtorch's fused operators, on the float32 master weights. Clipping is their `grad_scale`, the check of the
 * norm their `found_inf`: tensors on the device, so that no update waits for a value.
 */
export function updateKernels(backend: TorchBackend) {
  const slot = (tensor: tf.Tensor): Slot => backend.slotOf(tensor);
  const masters = (weights: readonly tf.Variable[]): Slot[] => weights.map((weight) => backend.masterOf(weight));
  const scalar = (value: number): Slot => op.full([], value, scalarType.float32, undefined, backend.device);
  /** The fused operators refuse bfloat16 gradients beside float32 weights. */
  const float32 = (grad: tf.Tensor): Slot => {
    const given = slot(grad);
    return typeOf(given) === scalarType.float32 ? given : op.cast(given, scalarType.float32);
  };
  /** What the gradients are divided by, and 1 where nothing is to be changed. */
  const clipping = ({ norm, maxNorm }: UpdateOptions): [divisor: Slot, skip: Slot] => [
    op.clampMin(op.divNumber(op.addNumber(slot(norm), CLIP_EPSILON), maxNorm), 1),
    op.cast(op.not(op.isFinite(slot(norm))), scalarType.float32),
  ];
  const refreshWorkingCopies = (weights: readonly tf.Variable[]): void => {
    const copies = weights.filter((weight) => backend.hasWorkingCopy(weight));
    if (copies.length > 0) op.copyInto(copies.map(slot), masters(copies));
  };

  return {
    rmsPropUpdate: (
      weights: readonly tf.Variable[],
      grads: readonly tf.Tensor[],
      squares: readonly tf.Variable[],
      momenta: readonly tf.Variable[],
      options: RmsPropOptions,
    ): void =>
      scoped(() => {
        const { learningRate, decay, epsilon, momentum, weightDecay } = options;
        const [divisor, skip] = clipping(options);
        const own = masters(weights);
        const steps = new Array<Slot>(weights.length).fill(scalar(SETTLED));
        const second = squares.map(slot);
        const gradients = grads.map(float32);
        if (momentum === 0) {
          // Adam with beta1 = 0, the gradient itself as first moment and a bias correction of 1 is RMSProp
          const rates = [learningRate, 0, decay, weightDecay, epsilon];
          op.adam(own, gradients, gradients, second, [], steps, ...rates, false, false, divisor, skip);
        } else {
          // b ← momentum b + g / (sqrt(s) + epsilon) is AdamW on b with a rate of -1, whose decay factor is 1 + (momentum - 1)
          const penalized = weightDecay === 0 ? gradients : op.addList(gradients, op.mulTensor(own, op.mulNumber(divisor, weightDecay)));
          const buffers = momenta.map(slot);
          op.adamW(buffers, penalized, penalized, second, [], steps, -1, 0, decay, momentum - 1, epsilon, false, false, divisor, skip);
          op.sgd(own, buffers, [], 0, 0, learningRate, 0, false, false, false, undefined, skip);
        }
        refreshWorkingCopies(weights);
      }),

    adamUpdate: (
      weights: readonly tf.Variable[],
      grads: readonly tf.Tensor[],
      firsts: readonly tf.Variable[],
      seconds: readonly tf.Variable[],
      options: AdamOptions,
    ): void =>
      scoped(() => {
        const { learningRate, beta1, beta2, epsilon, weightDecay, decoupled, step } = options;
        const steps = new Array<Slot>(weights.length).fill(scalar(step));
        const moments = [firsts.map(slot), seconds.map(slot), []];
        const rates = [learningRate, beta1, beta2, weightDecay, epsilon];
        const update = decoupled ? op.adamW : op.adam;
        update(masters(weights), grads.map(float32), ...moments, steps, ...rates, false, false, ...clipping(options));
        refreshWorkingCopies(weights);
      }),

    sgdUpdate: (weights: readonly tf.Variable[], grads: readonly tf.Tensor[], momenta: readonly tf.Variable[], options: SgdOptions): void =>
      scoped(() => {
        const { learningRate, momentum, weightDecay } = options;
        // a buffer of zeros makes the first step like every other: b ← momentum 0 + g
        const rates = [weightDecay, momentum, learningRate, 0];
        op.sgd(masters(weights), grads.map(float32), momenta.map(slot), ...rates, false, false, false, ...clipping(options));
        refreshWorkingCopies(weights);
      }),

    accumulateGradients: (sums: readonly tf.Tensor[] | undefined, grads: readonly tf.Tensor[], scale: number): tf.Tensor[] => {
      // sums are ours alone: added to in place
      const totals = sums ?? grads.map((grad) => backend.tensor(op.zeros(slot(grad), scalarType.float32)));
      op.addInto(totals.map(slot), grads.map(slot), scale);
      return [...totals];
    },

    globalNorm: (grads: readonly tf.Tensor[]): tf.Scalar =>
      backend.tensor<tf.Scalar>(
        scoped(() => op.norm(op.stack(op.norms(grads.map(slot), 2, scalarType.float32), 0), 2, undefined, false, scalarType.float32)),
      ),
  };
}

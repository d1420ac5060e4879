import type * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { packedAttention } from '../../engine/ops/attention';
import { type AttentionIndex } from '../../engine/ops/attentionIndex';
import { tensorsWithin } from '../../engine/ops/tensorsWithin';
import type { ForwardInput } from '../types';

/**
 * `ForwardInput.recompute` over packed segments. The index is freed when the forward pass ends: each block keeps its tensors, and attends by
 * an index over those when it runs again.
 */
export function recomputedBlocks(index: AttentionIndex): NonNullable<ForwardInput['recompute']> {
  const { tensors, over } = tensorsWithin(index);
  return (x, extras, run) =>
    currentEngine().recomputed(
      (...inputs: tf.Tensor[]) => {
        const own = over(inputs.slice(1 + extras.length));
        return run(inputs[0] as tf.Tensor2D, inputs.slice(1, 1 + extras.length) as unknown as typeof extras, {
          attend: (_layer, q, k, v, options) => packedAttention(q, k, v, own, options),
        });
      },
      [x, ...extras, ...tensors] as tf.Tensor[],
    );
}

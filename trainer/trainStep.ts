import * as tf from '@tensorflow/tfjs-core';
import { accumulateGradients, globalNorm } from '../engine/ops/updates';
import { withDropout } from '../models/adapters/adapterDropout';
import { seedFrom } from '../util/random';
import type { Optimizer } from './optimizer';
import { plainGradients, recordableStep, type BatchGradients, type StepBatch, type StepSource } from './stepInputs';

/** What every step of a run uses. */
export interface StepContext extends StepSource {
  optimizer: Optimizer;
  /** How loss and gradients of a batch come about; by default they are computed as they are. */
  gradients?: BatchGradients;
}

/** What a step leaves on the device; the caller reads and frees it. */
export interface StepResult {
  /** `pairMetrics` before the update, [7]: the mean over the step's batches. */
  metrics: tf.Tensor1D;
  /** The gradients' norm before clipping. */
  norm: tf.Scalar;
}

/**
 * One update: the mean loss over each batch, the mean of their gradients, clipping, the optimizer. Nothing is read back. No update is
 * made when the gradients' norm is not finite.
 * @param batches one, or several whose gradients are accumulated in float32
 * @param step 1 for the run's first
 */
export function trainStep(context: StepContext, batches: readonly StepBatch[], learningRate: number, step: number): StepResult {
  const { config, model, optimizer } = context;
  const gradients = context.gradients ?? plainGradients(recordableStep(context));
  return tf.tidy(() => {
    let grads: tf.Tensor[] | undefined;
    const rows = batches.map((batch, place) => {
      const [metrics, ...sums] = tf.tidy(() => {
        // a resumed run draws what it would have drawn
        const seed = seedFrom(config.seed, 'dropout', step, place);
        const result = withDropout(model, seed, () => gradients(batch));
        const sums = batches.length === 1 ? result.grads : accumulateGradients(grads, result.grads, 1 / batches.length);
        return [result.aux.metrics, ...sums];
      });
      grads = sums;
      return metrics;
    });
    const norm = globalNorm(grads!);
    optimizer.update(grads!, { learningRate, norm, maxNorm: config.maxGradNorm, step });
    const metrics = rows.length === 1 ? rows[0] : tf.mean(tf.stack(rows), 0);
    return { metrics: metrics as tf.Tensor1D, norm };
  });
}

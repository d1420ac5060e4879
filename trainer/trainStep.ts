import * as tf from '@tensorflow/tfjs-core';
import type { PackedBatch } from '../datasets/types';
import { currentEngine } from '../engine/engine';
import { globalNorm } from '../engine/ops/updates';
import { pairMetrics } from '../losses/metrics';
import type { PreferenceLoss } from '../losses/types';
import { completionLogProbs } from '../models/packedForward';
import type { Model } from '../models/types';
import type { Optimizer } from './optimizer';
import type { ReferenceLogProbs } from './referenceLogProbs';
import type { RunConfig } from './runConfig';

/** What every step of a run uses. */
export interface StepContext {
  config: RunConfig;
  model: Model;
  /** Log-probabilities of all training pairs that the run uses. */
  reference: ReferenceLogProbs;
  optimizer: Optimizer;
  loss: PreferenceLoss;
}

/** What a step leaves on the device; the caller reads and frees it. */
export interface StepResult {
  /** `pairMetrics` of the batch before the update, [7]. */
  metrics: tf.Tensor1D;
  /** The gradients' norm before clipping. */
  norm: tf.Scalar;
}

/**
 * One update: the mean loss over a batch, its gradients, clipping, the optimizer. Nothing is read back. No update is made when the
 * gradients' norm is not finite.
 * @param indices which pairs the batch holds
 * @param step 1 for the run's first
 */
export function trainStep(
  { config, model, loss, reference, optimizer }: StepContext,
  batch: PackedBatch,
  indices: readonly number[],
  learningRate: number,
  step: number,
): StepResult {
  const weights = Object.values(model.weights);
  const side = (values: Float32Array): tf.Tensor1D => tf.tensor1d(Float32Array.from(indices, (i) => values[i]));
  return tf.tidy(() => {
    const { aux, grads } = currentEngine().valueAndGrads(() => {
      const policy = completionLogProbs(model, batch);
      const result = loss.compute(policy, { chosen: side(reference.chosen), rejected: side(reference.rejected) }, { beta: config.beta });
      return { loss: tf.mean(result.losses), aux: { metrics: pairMetrics(result, policy) } };
    }, weights);
    const norm = globalNorm(grads);
    optimizer.update(grads, { learningRate, norm, maxNorm: config.maxGradNorm, step });
    return { metrics: aux.metrics as tf.Tensor1D, norm };
  });
}

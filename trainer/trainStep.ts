import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../engine/engine';
import { accumulateGradients, globalNorm } from '../engine/ops/updates';
import type { PreferenceLoss } from '../losses/types';
import { trainedWeights } from '../models/adapters/attachAdapter';
import { withDropout } from '../models/adapters/adapterDropout';
import type { Model } from '../models/types';
import { seedFrom } from '../util/random';
import type { Optimizer } from './optimizer';
import type { ReferenceLogProbs } from './referenceLogProbs';
import type { RunConfig } from './runConfig';
import { stepLoss, uploadStep, type StepBatch } from './stepInputs';

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
export function trainStep(
  { config, model, loss, reference, optimizer }: StepContext,
  batches: readonly StepBatch[],
  learningRate: number,
  step: number,
): StepResult {
  const weights = Object.values(trainedWeights(model));
  return tf.tidy(() => {
    let grads: tf.Tensor[] | undefined;
    const rows = batches.map((batch, place) => {
      const [metrics, ...sums] = tf.tidy(() => {
        const inputs = uploadStep(model, batch, reference);
        // a resumed run draws what it would have drawn
        const seed = seedFrom(config.seed, 'dropout', step, place);
        const result = withDropout(model, seed, () => currentEngine().valueAndGrads(() => stepLoss(model, loss, config, inputs), weights));
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

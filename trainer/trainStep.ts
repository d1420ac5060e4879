import * as tf from '@tensorflow/tfjs-core';
import type { PackedBatch } from '../datasets/types';
import { currentEngine } from '../engine/engine';
import { globalNorm } from '../engine/ops/updates';
import { pairMetrics } from '../losses/metrics';
import type { PreferenceLoss } from '../losses/types';
import { trainedWeights } from '../models/adapters/attachAdapter';
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

export interface StepResult {
  /** `pairMetrics` of the batch before the update, [7]; the caller frees it. */
  metrics: tf.Tensor1D;
  /** The gradients' norm before clipping. */
  gradNorm: number;
}

/** torch's `clip_grad_norm_` adds this to the norm. */
const CLIP_EPSILON = 1e-6;

/**
 * One update: the mean loss over a batch, its gradients, clipping, the optimizer. No update is made when the gradients are not finite.
 * @param indices which pairs the batch holds
 * @param step 1 for the run's first
 */
export async function trainStep(
  { config, model, loss, reference, optimizer }: StepContext,
  batch: PackedBatch,
  indices: readonly number[],
  learningRate: number,
  step: number,
): Promise<StepResult> {
  const weights = Object.values(trainedWeights(model));
  const side = (values: Float32Array): tf.Tensor1D => tf.tensor1d(Float32Array.from(indices, (i) => values[i]));
  const { metrics, grads, norm } = tf.tidy(() => {
    const { aux, grads } = currentEngine().valueAndGrads(() => {
      const policy = completionLogProbs(model, batch);
      const result = loss.compute(policy, { chosen: side(reference.chosen), rejected: side(reference.rejected) }, { beta: config.beta });
      return { loss: tf.mean(result.losses), aux: { metrics: pairMetrics(result, policy) } };
    }, weights);
    return { metrics: aux.metrics as tf.Tensor1D, grads, norm: globalNorm(grads) };
  });
  // the one value that every step waits for: clipping needs it, and so does the check that training has not broken down
  const [gradNorm] = await norm.data<'float32'>();
  if (Number.isFinite(gradNorm)) {
    optimizer.update(grads, { learningRate, gradientDivisor: Math.max(1, (gradNorm + CLIP_EPSILON) / config.maxGradNorm), step });
  }
  tf.dispose([norm, ...grads]);
  return { metrics, gradNorm };
}

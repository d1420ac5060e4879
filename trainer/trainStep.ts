import * as tf from '@tensorflow/tfjs-core';
import type { PackedBatch } from '../datasets/types';
import { currentEngine, type LossOutput } from '../engine/engine';
import { accumulateGradients, globalNorm } from '../engine/ops/updates';
import { pairMetrics } from '../losses/metrics';
import type { CompletionLengths, PreferenceLoss } from '../losses/types';
import { trainedWeights } from '../models/adapters/attachAdapter';
import { withDropout } from '../models/adapters/adapterDropout';
import { completionLogProbs } from '../models/packedForward';
import type { Model } from '../models/types';
import { seedFrom } from '../util/random';
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

/** A batch ready for the engine. */
export interface StepBatch {
  /** Which pairs it holds. */
  indices: readonly number[];
  packed: PackedBatch;
  lengths: CompletionLengths;
}

/** What a step leaves on the device; the caller reads and frees it. */
export interface StepResult {
  /** `pairMetrics` before the update, [7]: the mean over the step's batches. */
  metrics: tf.Tensor1D;
  /** The gradients' norm before clipping. */
  norm: tf.Scalar;
}

/**
 * The gradients of the mean loss over one batch, and its `pairMetrics`; the caller frees both.
 * @param seed of an adapter's dropout
 * @param chunkRows as `completionLogProbs` has it
 */
export function batchGradients(
  { config, model, loss, reference }: Omit<StepContext, 'optimizer'>,
  { indices, packed, lengths }: StepBatch,
  seed: number,
  chunkRows?: number,
): { metrics: tf.Tensor1D; grads: tf.Tensor[] } {
  const { beta, labelSmoothing } = config;
  const weights = Object.values(trainedWeights(model));
  const side = (values: Float32Array): tf.Tensor1D => tf.tensor1d(Float32Array.from(indices, (i) => values[i]));
  const compute = (): LossOutput => {
    const policy = completionLogProbs(model, packed, config.recompute === 'blocks', chunkRows);
    const sides = { chosen: side(reference.chosen), rejected: side(reference.rejected) };
    const result = loss.compute(policy, sides, { beta, labelSmoothing, lengths });
    return { loss: tf.mean(result.losses), aux: { metrics: pairMetrics(result, policy) } };
  };
  return tf.tidy(() => {
    const { aux, grads } = withDropout(model, seed, () => currentEngine().valueAndGrads(compute, weights));
    return { metrics: aux.metrics as tf.Tensor1D, grads };
  });
}

/** Clipping and the optimizer. @returns the gradients' norm */
export function applyGradients(
  { config, optimizer }: Pick<StepContext, 'config' | 'optimizer'>,
  grads: readonly tf.Tensor[],
  learningRate: number,
  step: number,
): tf.Scalar {
  const norm = globalNorm(grads);
  optimizer.update(grads, { learningRate, norm, maxNorm: config.maxGradNorm, step });
  return norm;
}

/**
 * One update: the mean loss over each batch, the mean of their gradients, clipping, the optimizer. Nothing is read back. No update is
 * made when the gradients' norm is not finite.
 * @param batches one, or several whose gradients are accumulated in float32
 * @param step 1 for the run's first
 */
export function trainStep(context: StepContext, batches: readonly StepBatch[], learningRate: number, step: number): StepResult {
  return tf.tidy(() => {
    let grads: tf.Tensor[] | undefined;
    const rows = batches.map((batch, place) => {
      const [metrics, ...sums] = tf.tidy(() => {
        // a resumed run draws what it would have drawn
        const result = batchGradients(context, batch, seedFrom(context.config.seed, 'dropout', step, place));
        const sums = batches.length === 1 ? result.grads : accumulateGradients(grads, result.grads, 1 / batches.length);
        return [result.metrics, ...sums];
      });
      grads = sums;
      return metrics;
    });
    const norm = applyGradients(context, grads!, learningRate, step);
    const metrics = rows.length === 1 ? rows[0] : tf.mean(tf.stack(rows), 0);
    return { metrics: metrics as tf.Tensor1D, norm };
  });
}

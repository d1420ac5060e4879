import * as tf from '@tensorflow/tfjs-core';
import { completionLengths, packPairs } from '../datasets/pack';
import type { PackedBatch, TokenizedPair } from '../datasets/types';
import type { LossOutput } from '../engine/engine';
import { pairMetrics } from '../losses/metrics';
import type { PairLogProbs, PreferenceLoss } from '../losses/types';
import { completionLogProbsOf, uploadCompletions, type CompletionInputs } from '../models/packedForward';
import type { Model } from '../models/types';
import type { ReferenceLogProbs } from './referenceLogProbs';
import type { RunConfig } from './runConfig';

/** A batch of B pairs ready for the engine. */
export interface StepBatch {
  /** Which pairs it holds. */
  indices: readonly number[];
  packed: PackedBatch;
  /** Tokens of the completions, [B] a side. */
  lengths: Sides;
}

/** A number a pair, [B] a side. */
interface Sides {
  chosen: Float32Array;
  rejected: Float32Array;
}

/** What a batch's loss is computed from, on the engine's device: no number that differs between batches of one shape is elsewhere. */
export interface StepInputs {
  completions: CompletionInputs;
  /** The reference's log-probabilities of the completions. */
  reference: PairLogProbs;
  lengths: PairLogProbs;
}

/** Packs pairs given by index. */
export function stepBatch(pairs: readonly TokenizedPair[], indices: readonly number[]): StepBatch {
  const members = indices.map((i) => pairs[i]);
  return { indices, packed: packPairs(members), lengths: completionLengths(members) };
}

/** float32 [B] a side. */
export function uploadSides({ chosen, rejected }: Sides): PairLogProbs {
  return { chosen: tf.tensor1d(chosen), rejected: tf.tensor1d(rejected) };
}

/**
 * Uploads a batch; the surrounding `tidy` frees it.
 * @param reference log-probabilities by the pairs' indices
 * @throws UserError for a token id beyond the embedding or a position beyond the context
 */
export function uploadStep(model: Model, { indices, packed, lengths }: StepBatch, reference: ReferenceLogProbs): StepInputs {
  const own = (values: Float32Array): Float32Array => Float32Array.from(indices, (i) => values[i]);
  return {
    completions: uploadCompletions(model, packed),
    reference: uploadSides({ chosen: own(reference.chosen), rejected: own(reference.rejected) }),
    lengths: uploadSides(lengths),
  };
}

/** The batch's mean loss, and its `pairMetrics` beside it. */
export function stepLoss(
  model: Model,
  loss: PreferenceLoss,
  { recompute, beta, labelSmoothing }: Pick<RunConfig, 'recompute' | 'beta' | 'labelSmoothing'>,
  { completions, reference, lengths }: StepInputs,
): LossOutput & { aux: { metrics: tf.Tensor1D } } {
  const policy = completionLogProbsOf(model, completions, recompute === 'blocks');
  const result = loss.compute(policy, reference, { beta, labelSmoothing, lengths });
  return { loss: tf.mean(result.losses), aux: { metrics: pairMetrics(result, policy) } };
}

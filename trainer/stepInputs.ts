import * as tf from '@tensorflow/tfjs-core';
import { completionLengths, packPairs } from '../datasets/pack';
import type { PackedBatch, TokenizedPair } from '../datasets/types';
import { currentEngine, type ValueAndGrads } from '../engine/engine';
import { pairMetrics } from '../losses/metrics';
import type { PairLogProbs, PreferenceLoss } from '../losses/types';
import { trainedWeights } from '../models/adapters/attachAdapter';
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

/** What a run's losses are computed with. */
export interface StepSource {
  config: RunConfig;
  model: Model;
  /** Log-probabilities of all training pairs that the run uses. */
  reference: ReferenceLogProbs;
  loss: PreferenceLoss;
}

/** Loss, `pairMetrics` (as `metrics`) and gradients of a batch, as `valueAndGrads` gives them. */
export type BatchGradients = (batch: StepBatch) => ValueAndGrads;

/** The two parts of their computation: all that reads the host, and all that only works on the device. */
export interface RecordableStep {
  upload(batch: StepBatch): StepInputs;
  compute(inputs: StepInputs): ValueAndGrads;
}

/** Packs pairs given by index. @param splitTails as `packPairs` has it, where a run has --ld-alpha */
export function stepBatch(pairs: readonly TokenizedPair[], indices: readonly number[], splitTails = false): StepBatch {
  const members = indices.map((i) => pairs[i]);
  return { indices, packed: packPairs(members, splitTails), lengths: completionLengths(members) };
}

/** float32 [B] a side. */
export function uploadSides({ chosen, rejected }: Sides): PairLogProbs {
  return { chosen: tf.tensor1d(chosen), rejected: tf.tensor1d(rejected) };
}

/** @throws UserError for a token id beyond the embedding or a position beyond the context */
export function recordableStep({ model, loss, config, reference }: StepSource): RecordableStep {
  const weights = Object.values(trainedWeights(model));
  const { recompute, beta, labelSmoothing } = config;
  const counting = { tailWeight: config.ldAlpha, weighted: config.useWeighting };
  return {
    upload: ({ indices, packed, lengths }) => {
      const own = (values: Float32Array): Float32Array => Float32Array.from(indices, (i) => values[i]);
      return {
        completions: uploadCompletions(model, packed),
        reference: uploadSides({ chosen: own(reference.chosen), rejected: own(reference.rejected) }),
        lengths: uploadSides(lengths),
      };
    },
    compute: (inputs) =>
      currentEngine().valueAndGrads(() => {
        const policy = completionLogProbsOf(model, inputs.completions, recompute === 'blocks', counting);
        const result = loss.compute(policy, inputs.reference, { beta, labelSmoothing, lengths: inputs.lengths });
        return { loss: tf.mean(result.losses), aux: { metrics: pairMetrics(result, policy) } };
      }, weights),
  };
}

/** Gradients computed as they are. */
export function plainGradients({ upload, compute }: RecordableStep): BatchGradients {
  return (batch) => compute(upload(batch));
}

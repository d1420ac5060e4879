import type * as tf from '@tensorflow/tfjs-core';
import type { Divergence } from './divergence';

/** Summed log-probabilities of B completions a side, [B] each. */
export interface PairLogProbs {
  chosen: tf.Tensor1D;
  rejected: tf.Tensor1D;
  /** The policy's of the chosen completions with all tokens counting the same, where `chosen` has them otherwise. */
  wholeChosen?: tf.Tensor1D | undefined;
  /** Factors on the pairs' losses, [B], where pairs are weighted. */
  weights?: tf.Tensor1D | undefined;
}

export interface LossOptions {
  /** Strength of the pull to the reference. */
  beta: number;
  /** Share of pairs whose labels are taken to be swapped; 0 without. */
  labelSmoothing?: number;
  /** For the losses that average over a completion's tokens. */
  lengths?: CompletionLengths;
  /** What keeps the policy near its reference, for the losses that work on the margin alone; the reverse KL without. */
  divergence?: Divergence;
  /** DiscoPOP's temperature; 0.05 without. */
  discopopTau?: number;
}

/** Tokens of B completions a side, their end-of-sequence token included: float32 [B] each. */
export interface CompletionLengths {
  chosen: tf.Tensor1D;
  rejected: tf.Tensor1D;
}

/** What a preference loss gives, [B] each. Accuracy and margin follow from the rewards. */
export interface LossResult {
  losses: tf.Tensor1D;
  chosenRewards: tf.Tensor1D;
  rejectedRewards: tf.Tensor1D;
}

/** A pure function of the policy's and the reference's log-probabilities. */
export interface PreferenceLoss {
  /** False for losses that ignore the reference (SimPO, ORPO, …). */
  needsReference: boolean;
  /** Whether a pair's loss depends on the others of its batch. */
  ofBatch?: boolean;
  compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult;
}

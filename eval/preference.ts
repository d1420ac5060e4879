import * as tf from '@tensorflow/tfjs-core';
import { pairLogProbs, type PairSums } from '../datasets/pairLogProbs';
import type { TokenizedPair } from '../datasets/types';
import { sigmoid } from '../losses/sigmoid';
import type { Model } from '../models/types';
import { writeAtomic } from '../util/files';
import { silent, type Progress } from '../util/progress';
import type { PreferenceFigures } from './types';

export interface PreferenceOptions {
  /** Pairs at once. */
  batchSize: number;
  /** DPO's beta, for the loss and the margin. */
  beta: number;
  /** Where preference.jsonl is written. */
  file: string;
}

/**
 * Log-probabilities of both completions of every pair under the policy, and under the reference where there is one; writes
 * preference.jsonl, a line a pair in the order of the pairs.
 */
export async function preferenceTask(
  policy: Model,
  reference: Model | null,
  pairs: readonly TokenizedPair[],
  { batchSize, beta, file }: PreferenceOptions,
  progress: Progress = silent,
): Promise<PreferenceFigures> {
  const policySums = await pairLogProbs(policy, pairs, batchSize, progress, 'preference: policy');
  const referenceSums = reference && (await pairLogProbs(reference, pairs, batchSize, progress, 'preference: reference'));
  await writeAtomic(file, preferenceLines(policySums, referenceSums));
  return preferenceFigures(policySums, referenceSums, beta);
}

/** preference.jsonl: index from 0 and summed log-probabilities in nats; null where there is no reference. */
export function preferenceLines(policy: PairSums, reference: PairSums | null): string {
  const lines = Array.from(policy.chosen, (policyChosenLogp, index) =>
    JSON.stringify({
      index,
      policyChosenLogp,
      policyRejectedLogp: policy.rejected[index],
      referenceChosenLogp: reference ? reference.chosen[index] : null,
      referenceRejectedLogp: reference ? reference.rejected[index] : null,
    }),
  );
  return lines.map((line) => `${line}\n`).join('');
}

/**
 * Means over pairs: accuracy (share of pairs whose chosen completion has the larger reward), margin of the rewards
 * beta · log(p / p_ref), and the DPO loss. Null, all three, without a reference.
 */
export function preferenceFigures(policy: PairSums, reference: PairSums | null, beta: number): PreferenceFigures {
  const pairs = policy.chosen.length;
  if (!reference) return { pairs, accuracy: null, margin: null, loss: null };
  const [losses, margins] = tf.tidy(() => {
    const tensors = ({ chosen, rejected }: PairSums) => ({ chosen: tf.tensor1d(chosen), rejected: tf.tensor1d(rejected) });
    const result = sigmoid.compute(tensors(policy), tensors(reference), { beta });
    return [result.losses, tf.sub(result.chosenRewards, result.rejectedRewards)].map((values) => values.dataSync<'float32'>());
  });
  return {
    pairs,
    accuracy: mean(margins.map((margin) => Number(margin > 0))),
    margin: mean(margins),
    loss: mean(losses),
  };
}

function mean(values: Float32Array): number {
  // in double precision: a Float32Array's own reduce does that
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

import * as tf from '@tensorflow/tfjs-core';
import { packedAttention } from '../engine/ops/attention';
import { attentionIndex, type AttentionIndex, type AttentionLayout } from '../engine/ops/attentionIndex';
import { withoutGradient } from '../engine/ops/withoutGradient';
import { tokenLogProbs } from '../engine/ops/tokenLogProbs';
import { UserError } from '../util/errors';
import { recomputedBlocks } from './parts/recomputedBlocks';
import type { ForwardInput, Model } from './types';

/** Sequences in one row of T tokens, without padding. */
export interface PackedTokens {
  /** [T] */
  tokens: Int32Array;
  /** [T]: each token's place in its own sequence. */
  positions: Int32Array;
  layout: AttentionLayout;
}

/** What `completionLogProbs` needs of a packed batch of B pairs (datasets/types.ts PackedBatch). */
export interface CompletionTargets extends PackedTokens {
  pairs: number;
  /** [N]: the row that predicts each target. */
  predictors: Int32Array;
  /** [N] */
  targets: Int32Array;
  /** [N]: b for pair b's chosen completion, B + b for its rejected one, 2 B for padding, and 2 B + 1 more for what counts by `tailWeight`. */
  sequences: Int32Array;
}

export interface CompletionLogProbs {
  /** [B]: log-probability of each chosen completion, the sum over its tokens. */
  chosen: tf.Tensor1D;
  /** [B] */
  rejected: tf.Tensor1D;
  /** [B]: each chosen completion's with its tail counting as all else, where tails count otherwise. */
  wholeChosen?: tf.Tensor1D;
  /** [N]: of each target. */
  perToken: tf.Tensor1D;
  /** [B]: each pair's weight, where they are asked for; no gradient flows through it. */
  weights?: tf.Tensor1D;
}

/** How a completion's tokens count. */
export interface Counting {
  /** What tokens that are packed as tails count; undefined where none are. */
  tailWeight?: number | undefined;
  /**
   * Whether pairs have weights, those of WPO, Zhou et al. 2024, equation 2 (https://arxiv.org/abs/2406.11827), aligned as TRL has it: for each of
   * a pair's completions the exponential of the mean of log p(token) - log sum p², the sum over the vocabulary, and their product.
   */
  weighted?: boolean;
}

/** Positions and attention of independent sequences, one after the other. */
export function sequenceLayout(lengths: readonly number[]): { positions: Int32Array; layout: AttentionLayout } {
  const rows = lengths.reduce((sum, length) => sum + length, 0);
  const positions = new Int32Array(rows);
  let row = 0;
  for (const length of lengths) for (let i = 0; i < length; i++) positions[row++] = i;
  const all = Int32Array.from({ length: rows }, (_, i) => i);
  const segmentLengths = Int32Array.from(lengths);
  return { positions, layout: { rows, queryRows: all, queryLengths: segmentLengths, keyRows: all, keyLengths: segmentLengths } };
}

/** Rejects what the model has no embedding for, before a kernel reads out of bounds. @throws UserError */
export function checkTokens(model: Pick<Model, 'config' | 'folder'>, tokens: Int32Array): void {
  const { vocabulary } = model.config;
  const stranger = tokens.find((token) => token < 0 || token >= vocabulary);
  if (stranger !== undefined) {
    throw new UserError(
      `token id ${stranger} is beyond the embedding of ${model.folder}: it has ${vocabulary} rows; the tokenizer belongs to another model`,
    );
  }
}

/** The same for tokens and positions. @throws UserError */
export function checkRange(
  model: Pick<Model, 'config' | 'folder'>,
  { tokens, positions }: Pick<PackedTokens, 'tokens' | 'positions'>,
): void {
  checkTokens(model, tokens);
  const { maxPositions } = model.config;
  for (let row = 0; row < positions.length; row++) {
    if (positions[row] >= maxPositions) {
      throw new UserError(
        `a sequence of at least ${positions[row] + 1} tokens is longer than the context of ${model.folder}: ${maxPositions} tokens`,
      );
    }
  }
}

/** A packed batch on the engine's device. Its tensors are freed by the surrounding `tidy`. */
export interface PackedInputs {
  /** int32 [T] */
  tokens: tf.Tensor1D;
  positions: tf.Tensor1D;
  index: AttentionIndex;
}

/** What `completionLogProbsOf` computes from; the tensors hold all that differs from batch to batch of one shape. */
export interface CompletionInputs extends PackedInputs {
  pairs: number;
  /** int32 [N] each, as `CompletionTargets` has them. */
  predictors: tf.Tensor1D;
  targets: tf.Tensor1D;
  sequences: tf.Tensor1D;
  /** Rows whose logits are held at once, where not as `tokenLogProbs` has it. */
  chunkRows?: number;
}

/** @throws UserError for a token id beyond the embedding or a position beyond the context */
function uploadPacked(model: Model, batch: PackedTokens): PackedInputs {
  checkRange(model, batch);
  return {
    index: attentionIndex(batch.layout, model.config),
    tokens: tf.tensor1d(batch.tokens, 'int32'),
    positions: tf.tensor1d(batch.positions, 'int32'),
  };
}

/** Uploads a batch of pairs. @throws UserError as `packedHidden` */
export function uploadCompletions(model: Model, batch: CompletionTargets): CompletionInputs {
  // a completion's last token is predicted and never embedded: the packed tokens lack it
  checkTokens(model, batch.targets);
  return {
    ...uploadPacked(model, batch),
    pairs: batch.pairs,
    predictors: tf.tensor1d(batch.predictors, 'int32'),
    targets: tf.tensor1d(batch.targets, 'int32'),
    sequences: tf.tensor1d(batch.sequences, 'int32'),
  };
}

function hiddenOf(model: Model, { tokens, positions, index }: PackedInputs, tap?: ForwardInput['tap'], recompute = false): tf.Tensor2D {
  return model.architecture.forward(model.weights, model.config, {
    tokens,
    positions,
    attend: (_layer, q, k, v, options) => packedAttention(q, k, v, index, options),
    ...(tap && { tap }),
    ...(recompute && { recompute: recomputedBlocks(index) }),
  });
}

/**
 * Final hidden states of a packed batch: [T, D], after the last norm.
 * @throws UserError for a token id beyond the embedding or a position beyond the context
 */
export function packedHidden(model: Model, batch: PackedTokens, tap?: ForwardInput['tap']): tf.Tensor2D {
  return tf.tidy(() => hiddenOf(model, uploadPacked(model, batch), tap));
}

/**
 * Log-probabilities of a batch's completions; logits exist for completion tokens alone.
 * @param recompute whether blocks keep nothing for the backward pass and run again there
 */
export function completionLogProbsOf(
  model: Model,
  inputs: CompletionInputs,
  recompute = false,
  { tailWeight, weighted = false }: Counting = {},
): CompletionLogProbs {
  const { pairs, predictors, targets, sequences, chunkRows } = inputs;
  return tf.tidy(() => {
    const hidden = hiddenOf(model, inputs, undefined, recompute);
    const { weight, options } = model.architecture.head(model.weights, model.config);
    const rows = tf.gather(hidden, predictors);
    const perToken = tokenLogProbs(rows, weight, targets, options, chunkRows);
    const sides = (values: tf.Tensor1D, tails: number | undefined): tf.Tensor1D[] => {
      // one sum more than there are completions: padding's
      const completions = 2 * pairs + 1;
      if (tails === undefined) {
        const sums = tf.unsortedSegmentSum(values, sequences, completions);
        return [tf.slice(sums, 0, pairs), tf.slice(sums, pairs, pairs)];
      }
      const sums = tf.unsortedSegmentSum(values, sequences, 2 * completions);
      return [0, pairs].map((start) =>
        tf.add<tf.Tensor1D>(tf.slice(sums, start, pairs), tf.mul(tf.slice(sums, completions + start, pairs), tails)),
      );
    };
    const [chosen, rejected] = sides(perToken, tailWeight);
    const result = { chosen, rejected, perToken, ...(tailWeight !== undefined && { wholeChosen: sides(perToken, 1)[0] }) };
    if (!weighted) return result;
    const weights = withoutGradient((): tf.Tensor1D => {
      // with doubled logits a token has log p² - log sum p²
      const doubled = tokenLogProbs(rows, weight, targets, { ...options, sharpness: 2 }, chunkRows);
      const whole = tailWeight === undefined ? undefined : 1;
      const sums = sides(tf.sub(doubled, perToken), whole);
      const counts = sides(tf.onesLike(perToken), whole);
      const [first, second] = sums.map((sum, side) => tf.div<tf.Tensor1D>(sum, counts[side]));
      return tf.exp(tf.add<tf.Tensor1D>(first, second));
    });
    return { ...result, weights };
  });
}

/** The same of a batch that is on the host. @throws UserError as `packedHidden` */
export function completionLogProbs(model: Model, batch: CompletionTargets, recompute = false, counting: Counting = {}): CompletionLogProbs {
  return tf.tidy(() => ({ ...completionLogProbsOf(model, uploadCompletions(model, batch), recompute, counting) }));
}

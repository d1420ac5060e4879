import * as tf from '@tensorflow/tfjs-core';
import { tokenLogProbs } from '../engine/ops/tokenLogProbs';
import { packedHidden, type PackedTokens } from '../models/packedForward';
import type { Model } from '../models/types';
import { UserError } from '../util/errors';
import { silent, type Progress } from '../util/progress';

/** Samples of one prompt, which is computed once for all of them. */
interface Group {
  prompt: Int32Array;
  /** Indices of its continuations. */
  members: number[];
}

/** A packed batch and what to predict in it. */
interface FluencyBatch extends PackedTokens {
  /** The continuations in it, by index, and how many targets each has, in order. */
  members: number[];
  /** [N] */
  predictors: Int32Array;
  /** [N] */
  targets: Int32Array;
}

/**
 * Mean log-likelihood a token, in nats, of each continuation given its prompt: log p(continuation | prompt) / its tokens. What the
 * tokens must contain (no end-of-sequence token, say) is the caller's choice; all of them count.
 * @param prompts token ids with their start token, one for each continuation; equal ones are computed once
 * @param rowsAtOnce packed tokens of one batch, unless a single prompt with one continuation is longer
 * @returns null for an empty continuation
 * @throws UserError for a token id beyond the embedding, or a sequence beyond the context
 */
export async function continuationLogLikelihoods(
  model: Model,
  prompts: readonly Int32Array[],
  continuations: readonly Int32Array[],
  rowsAtOnce = 2048,
  progress: Progress = silent,
  stage = 'log-likelihood under the fluency model',
): Promise<(number | null)[]> {
  if (prompts.length !== continuations.length) throw new Error('internal: one prompt a continuation');
  if (prompts.some((prompt) => prompt.length === 0)) throw new Error('internal: a prompt needs at least one token to predict from');
  const result: (number | null)[] = continuations.map(() => null);
  const total = continuations.length;
  let done = continuations.filter((continuation) => continuation.length === 0).length;
  progress({ stage, done, total });
  for (const groups of batches(groupByPrompt(prompts, continuations), continuations, rowsAtOnce)) {
    const batch = pack(groups, continuations);
    // a last token is predicted and never embedded: the forward pass does not check it
    const stranger = batch.targets.find((token) => token < 0 || token >= model.config.vocabulary);
    if (stranger !== undefined)
      throw new UserError(`token id ${stranger} is beyond the embedding of ${model.folder}: it has ${model.config.vocabulary} rows`);
    const logProbs = tf.tidy(() => {
      const rows = tf.gather(packedHidden(model, batch), tf.tensor1d(batch.predictors, 'int32'));
      const { weight, options } = model.architecture.head(model.weights, model.config);
      return tokenLogProbs(rows, weight, tf.tensor1d(batch.targets, 'int32'), options);
    });
    const values = await logProbs.data<'float32'>();
    logProbs.dispose();
    let target = 0;
    for (const member of batch.members) {
      const { length } = continuations[member];
      let sum = 0;
      for (let i = 0; i < length; i++) sum += values[target++];
      result[member] = sum / length;
    }
    done += batch.members.length;
    progress({ stage, done, total });
  }
  return result;
}

/** Empty continuations left out; longest prompts first, so that a batch holds similar lengths. */
function groupByPrompt(prompts: readonly Int32Array[], continuations: readonly Int32Array[]): Group[] {
  const groups = new Map<string, Group>();
  prompts.forEach((prompt, i) => {
    if (continuations[i].length === 0) return;
    const key = prompt.join();
    const group = groups.get(key) ?? { prompt, members: [] };
    groups.set(key, group);
    group.members.push(i);
  });
  return [...groups.values()].sort((a, b) => b.prompt.length - a.prompt.length || a.members[0] - b.members[0]);
}

/** Groups to go together; one that is too large for a batch is cut, its prompt computed once a part. */
function* batches(groups: readonly Group[], continuations: readonly Int32Array[], rowsAtOnce: number): Generator<Group[]> {
  let batch: Group[] = [];
  let rows = 0;
  for (const { prompt, members } of groups) {
    let part: Group | undefined;
    for (const member of members) {
      const own = continuations[member].length - 1;
      if (rows > 0 && rows + own + (part ? 0 : prompt.length) > rowsAtOnce) {
        yield batch;
        batch = [];
        rows = 0;
        part = undefined;
      }
      if (!part) {
        part = { prompt, members: [] };
        batch.push(part);
        rows += prompt.length;
      }
      part.members.push(member);
      rows += own;
    }
  }
  if (batch.length > 0) yield batch;
}

/**
 * Rows: each prompt, then its continuations without their last token, which predicts nothing. Segments: each prompt on its own,
 * then each continuation's rows as queries to prompt and continuation (none where a single token leaves no row).
 */
function pack(groups: readonly Group[], continuations: readonly Int32Array[]): FluencyBatch {
  const tokens: number[] = [];
  const positions: number[] = [];
  const keyRows: number[] = [];
  const queryLengths: number[] = [];
  const keyLengths: number[] = [];
  const predictors: number[] = [];
  const targets: number[] = [];
  const members: number[] = [];
  const range = (start: number, length: number): number[] => Array.from({ length }, (_, i) => start + i);
  for (const group of groups) {
    const promptRows = range(tokens.length, group.prompt.length);
    tokens.push(...group.prompt);
    positions.push(...range(0, group.prompt.length));
    queryLengths.push(promptRows.length);
    keyLengths.push(promptRows.length);
    keyRows.push(...promptRows);
    for (const member of group.members) {
      const continuation = continuations[member];
      const rows = range(tokens.length, continuation.length - 1);
      tokens.push(...continuation.subarray(0, rows.length));
      positions.push(...range(promptRows.length, rows.length));
      if (rows.length > 0) {
        queryLengths.push(rows.length);
        keyLengths.push(promptRows.length + rows.length);
        keyRows.push(...promptRows, ...rows);
      }
      predictors.push(promptRows[promptRows.length - 1], ...rows);
      targets.push(...continuation);
      members.push(member);
    }
  }
  return {
    tokens: Int32Array.from(tokens),
    positions: Int32Array.from(positions),
    layout: {
      rows: tokens.length,
      // rows are laid out in the order of their segments
      queryRows: Int32Array.from(range(0, tokens.length)),
      queryLengths: Int32Array.from(queryLengths),
      keyRows: Int32Array.from(keyRows),
      keyLengths: Int32Array.from(keyLengths),
    },
    predictors: Int32Array.from(predictors),
    targets: Int32Array.from(targets),
    members,
  };
}

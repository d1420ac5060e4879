import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../engine/engine';
import { sampleTopP } from '../engine/ops/sampling';
import { logits } from '../engine/ops/tokenLogProbs';
import type { Model } from '../models/types';
import { UserError } from '../util/errors';
import { silent, type Progress } from '../util/progress';
import { randomStream, seedFrom, type Random } from '../util/random';
import { batchLimits } from './batchLimits';
import { decodeStep, disposeCache, keepRows, prefill } from './decoder';

export interface GenerateOptions {
  /** Continuations a prompt. */
  samples: number;
  maxNewTokens: number;
  /** 0: the most probable token each time. */
  temperature: number;
  topP: number;
  /** Continuations computed at once; by `batchLimits` where not given. */
  batchSize?: number;
  /** Tokens that end a continuation; they are not part of it. */
  stopIds: readonly number[];
  seed: number;
  /** What a continuation's random stream is derived from besides the seed, so that it is the same in any batch. */
  streamKey: (promptIndex: number, sampleIndex: number) => readonly (string | number)[];
  /** Continuations that are there already, by prompt and sample. */
  skip?: (promptIndex: number, sampleIndex: number) => boolean;
  /** Called with each finished batch, and awaited. */
  onBatch?: (batch: readonly Continuation[]) => Promise<void>;
}

export interface Continuation {
  /** Index of its prompt. */
  prompt: number;
  sample: number;
  /** Token ids, without the one that ended it. */
  tokens: Int32Array;
}

/** One continuation under way. */
interface Row {
  prompt: number;
  sample: number;
  /** Tokens of its prompt. */
  length: number;
  tokens: number[];
  random: Random;
  finished: boolean;
}

/** Bounds on what is computed at once: logits (half a GiB of float32), prompt tokens. */
const LOGITS_AT_ONCE = 2 ** 27;
const PROMPT_TOKENS_AT_ONCE = 2 ** 14;
/** Finished rows leave the batch when they are at least this share of it. */
const FINISHED_SHARE = 0.2;

/**
 * Continues each prompt `samples` times with a key/value cache; a prompt is computed once for all its samples in a batch.
 * Lets the event loop run after each token, so that a signal is heard.
 * @param prompts token ids, at least one each
 * @returns [prompt][sample] → token ids, without the token that ended it; nothing where `skip` said so
 * @throws UserError for a prompt that leaves no room in the model's context, or is empty
 */
export async function generate(
  model: Model,
  prompts: readonly Int32Array[],
  options: GenerateOptions,
  progress: Progress = silent,
): Promise<Int32Array[][]> {
  checkPrompts(model, prompts, options.maxNewTokens);
  const results: Int32Array[][] = prompts.map(() => new Array<Int32Array>(options.samples));
  const batches = planBatches(model, prompts, options);
  const total = prompts.length * options.samples;
  const started = Date.now();
  let done = total - batches.reduce((sum, batch) => sum + batch.length, 0);
  let tokens = 0;
  const report = (ahead: number): void =>
    progress({
      stage: 'generating',
      done: done + Math.floor(ahead),
      total,
      fields: { 'tokens/s': Math.round((1000 * tokens) / Math.max(1, Date.now() - started)) },
    });
  report(0);
  for (const batch of batches) {
    const steps = continueBatch(model, prompts, batch, options);
    try {
      for (let step = steps.next(); !step.done; step = steps.next()) {
        tokens += step.value.live;
        report((batch.length * (step.value.step + 1)) / (options.maxNewTokens + 1));
        await setImmediate();
      }
    } finally {
      // frees the caches where the batch was left before its end
      steps.return();
    }
    const finished = batch.map(({ prompt, sample, tokens: ids }): Continuation => ({ prompt, sample, tokens: Int32Array.from(ids) }));
    for (const { prompt, sample, tokens: ids } of finished) results[prompt][sample] = ids;
    await options.onBatch?.(finished);
    done += batch.length;
    report(0);
  }
  return results;
}

function checkPrompts(model: Model, prompts: readonly Int32Array[], maxNewTokens: number): void {
  const { maxPositions } = model.config;
  prompts.forEach((prompt, index) => {
    if (prompt.length === 0) throw new UserError(`prompt ${index} has no tokens, and the tokenizer adds none: nothing to continue`);
    if (prompt.length + maxNewTokens > maxPositions)
      throw new UserError(
        `prompt ${index} has ${prompt.length} tokens: with ${maxNewTokens} new ones it is longer than the context of ${model.folder}, ${maxPositions} tokens`,
      );
  });
}

/**
 * Rows of prompts alike in length, longest first, as many as `batchLimits` allows. Batches are of about equal size, and hold
 * all rows of a prompt where they can: then each prompt is computed once.
 */
function planBatches(model: Model, prompts: readonly Int32Array[], options: GenerateOptions): Row[][] {
  const { layers, keyValueHeads, headWidth } = model.config;
  const order = prompts.map((_, index) => index).sort((a, b) => prompts[b].length - prompts[a].length || a - b);
  const wanted = order.map((prompt) =>
    samples(options, prompt).map((sample): Row => {
      const random = randomStream(seedFrom(options.seed, ...options.streamKey(prompt, sample)));
      return { prompt, sample, length: prompts[prompt].length, tokens: [], random, finished: false };
    }),
  );
  const total = wanted.reduce((sum, { length }) => sum + length, 0);
  if (total === 0) return [];
  const limits = batchLimits(currentEngine(), model.config, options.maxNewTokens, options.batchSize);
  const equal = Math.ceil(total / Math.ceil(total / limits.rows));
  const places = Math.floor(limits.cacheNumbers / (layers * 2 * keyValueHeads * headWidth));
  const batches: Row[][] = [];
  let batch: Row[] = [];
  let fed = 0;
  const close = (): void => {
    if (batch.length > 0) batches.push(batch);
    batch = [];
    fed = 0;
  };
  for (const rows of wanted) {
    for (let start = 0; start < rows.length; start += limits.rows) {
      const part = rows.slice(start, start + limits.rows);
      const [longest, count] = [batch[0]?.length ?? part[0].length, batch.length + part.length];
      const held = (new Set(batch.map(({ prompt }) => prompt)).size + 1) * longest + count * options.maxNewTokens;
      const full = batch.length >= equal || count > limits.rows || held > places || fed + part[0].length > PROMPT_TOKENS_AT_ONCE;
      if (full) close();
      batch.push(...part);
      fed += part[0].length;
    }
  }
  close();
  return batches;
}

function samples(options: GenerateOptions, prompt: number): number[] {
  const all = Array.from({ length: options.samples }, (_, sample) => sample);
  return options.skip ? all.filter((sample) => !options.skip!(prompt, sample)) : all;
}

/** Fills the rows' tokens; gives control back after each step, with the rows that it computed. */
function* continueBatch(
  model: Model,
  prompts: readonly Int32Array[],
  batch: readonly Row[],
  options: GenerateOptions,
): Generator<{ step: number; live: number }, void, void> {
  const distinct = [...new Set(batch.map(({ prompt }) => prompt))];
  const sources = batch.map(({ prompt }) => distinct.indexOf(prompt));
  const texts = distinct.map((prompt) => prompts[prompt]);
  const { hidden: first, cache } = prefill(model, texts, sources, options.maxNewTokens - 1);
  let hidden = first;
  let rows = batch;
  // at first one row of logits a prompt, drawn from once a sample
  let from: readonly number[] = sources;
  try {
    for (let step = 0; ; step++) {
      takeTokens(rows, sampleRows(model, hidden, rows, from, options), options.stopIds);
      hidden.dispose();
      yield { step, live: rows.length };
      const live = rows.flatMap((row, i) => (row.finished ? [] : [i]));
      if (live.length === 0 || step + 1 === options.maxNewTokens) return;
      if (rows.length - live.length >= FINISHED_SHARE * rows.length) {
        keepRows(cache, live);
        rows = live.map((i) => rows[i]);
      }
      // a finished row that is still there is fed anything: nobody reads it
      const last = rows.map(({ tokens }) => tokens.at(-1) ?? 0);
      hidden = decodeStep(model, cache, last);
      from = rows.map((_, i) => i);
    }
  } finally {
    hidden.dispose();
    disposeCache(cache);
  }
}

function takeTokens(rows: readonly Row[], next: Int32Array, stopIds: readonly number[]): void {
  rows.forEach((row, i) => {
    if (row.finished) return;
    if (stopIds.includes(next[i])) row.finished = true;
    else row.tokens.push(next[i]);
  });
}

/** The next token of each row. @param hidden [N, D]  @param from the row of `hidden` that each row draws from */
function sampleRows(
  model: Model,
  hidden: tf.Tensor2D,
  rows: readonly Row[],
  from: readonly number[],
  options: GenerateOptions,
): Int32Array {
  const { weight, options: head } = model.architecture.head(model.weights, model.config);
  const [count, width] = hidden.shape;
  const result = new Int32Array(rows.length);
  // a number is drawn for finished rows too: a stream's place is its step
  const uniforms = rows.map(({ random }) => random());
  const size = Math.max(1, Math.floor(LOGITS_AT_ONCE / weight.shape[0]));
  for (let start = 0; start < count; start += size) {
    const end = Math.min(count, start + size);
    const mine = rows.flatMap((_, i) => (from[i] >= start && from[i] < end ? [i] : []));
    tf.tidy(() => {
      let part = size >= count ? hidden : tf.slice(hidden, [start, 0], [end - start, width]);
      // where nothing bends the logits, dividing the hidden states by the temperature saves a pass over all logits
      const early = options.temperature > 0 && options.temperature !== 1 && !head.softcap;
      if (early) part = tf.div(part, options.temperature);
      const tokens = sampleTopP(
        logits(part, weight, head),
        mine.map((i) => uniforms[i]),
        early ? { ...options, temperature: 1 } : options,
        mine.map((i) => from[i] - start),
      );
      mine.forEach((i, n) => (result[i] = tokens[n]));
    });
  }
  return result;
}

import * as tf from '@tensorflow/tfjs-core';
import { tokenLogProbs } from '../engine/ops/tokenLogProbs';
import { conditionalHidden } from '../models/encoderDecoders/conditionalHidden';
import { loadEncoderDecoder, disposeEncoderDecoder } from '../models/encoderDecoders/loadEncoderDecoder';
import type { EncoderDecoder } from '../models/encoderDecoders/types';
import { loadTokenizer } from '../models/tokenizer';
import { contentHash } from '../util/files';
import { silent, type Progress } from '../util/progress';
import type { EvalConfig } from './evalConfig';
import { rememberedValues } from './rememberedValues';
import type { Generation, Prompt } from './types';

/**
 * Mean log-likelihood a token, in nats, of each continuation given its prompt under an encoder-decoder: the encoder reads the prompt, the
 * decoder writes the continuation.
 * @param prompts token ids with the special tokens that the encoder expects, one for each continuation; equal ones of a batch are read once
 * @param rowsAtOnce packed tokens of one batch, of both halves, unless a single pair is longer
 * @returns null for an empty continuation
 * @throws UserError for a token id beyond the embedding
 */
export async function conditionalLogLikelihoods(
  model: EncoderDecoder,
  prompts: readonly Int32Array[],
  continuations: readonly Int32Array[],
  rowsAtOnce = 1024,
  progress: Progress = silent,
  stage = 'fluency',
): Promise<(number | null)[]> {
  const result: (number | null)[] = continuations.map(() => null);
  const keys = prompts.map((ids) => ids.join());
  const order = continuations.map((_, i) => i).filter((i) => continuations[i].length > 0);
  // equal prompts beside each other, similar lengths too
  order.sort((a, b) => prompts[b].length - prompts[a].length || (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : a - b));
  const total = continuations.length;
  const empty = total - order.length;
  progress({ stage, done: empty, total });
  for (let start = 0; start < order.length;) {
    const read = new Map<string, number>();
    const members: number[] = [];
    for (let rows = 0, place = start; place < order.length; place++) {
      const i = order[place];
      rows += continuations[i].length + (read.has(keys[i]) ? 0 : prompts[i].length);
      if (rows > rowsAtOnce && members.length > 0) break;
      if (!read.has(keys[i])) read.set(keys[i], read.size);
      members.push(i);
    }
    const distinct = [...read.keys()].map((key) => prompts[members.find((i) => keys[i] === key)!]);
    const written = members.map((i) => continuations[i]);
    const sources = members.map((i) => read.get(keys[i])!);
    const logProbs = tf.tidy(() => {
      const { weight, options } = model.architecture.head(model.weights, model.config);
      const targets = tf.tensor1d(
        written.flatMap((ids) => [...ids]),
        'int32',
      );
      return tokenLogProbs(conditionalHidden(model, distinct, written, sources), weight, targets, options);
    });
    const values = await logProbs.data<'float32'>();
    logProbs.dispose();
    let target = 0;
    for (const i of members) {
      const { length } = continuations[i];
      result[i] = values.subarray(target, target + length).reduce((sum, value) => sum + value, 0) / length;
      target += length;
    }
    start += members.length;
    progress({ stage, done: empty + start, total });
  }
  return result;
}

/**
 * The same for sampled continuations, from the cache where it has been computed before. The model's own tokenizer reads prompt and
 * continuation as text, each on its own; what it puts around a text stands around the prompt, and not around the continuation, which
 * may have been cut off anywhere.
 */
export async function conditionalFluencyValues(
  modelHash: string,
  prompts: readonly Prompt[],
  generations: readonly Generation[],
  config: EvalConfig & { fluencyModel: string },
  progress: Progress,
  say: (line: string) => void,
): Promise<(number | null)[]> {
  const tokenizer = await loadTokenizer(config.fluencyModel);
  const read = new Map(
    prompts.map(({ language, index, text }) => [`${language}/${index}`, Int32Array.from(tokenizer.encode(text, { specialTokens: true }))]),
  );
  const starts = generations.map(({ language, promptIndex }) => read.get(`${language}/${promptIndex}`)!);
  const continuations = generations.map(({ text }) => Int32Array.from(tokenizer.encode(text)));
  const key = contentHash(
    'conditional log-likelihoods 1',
    modelHash,
    config.precision,
    ...[...starts, ...continuations].map((ids) => ids.join()),
  );
  return rememberedValues(config.cache, key, generations.length, async () => {
    const model = await loadEncoderDecoder(config.fluencyModel, { cacheFolder: config.cache, warn: say }, progress);
    try {
      return await conditionalLogLikelihoods(model, starts, continuations, undefined, progress);
    } finally {
      disposeEncoderDecoder(model);
    }
  });
}

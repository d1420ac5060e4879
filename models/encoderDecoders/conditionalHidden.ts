import * as tf from '@tensorflow/tfjs-core';
import { checkTokens, sequenceLayout } from '../packedForward';
import type { EncoderDecoder, Tap } from './types';

/**
 * Hidden states that predict each token of texts given the texts before them, [N, D], N the tokens of all continuations: each is written by
 * the decoder from its start token on, and none of their last tokens is read.
 * @param prompts token ids, one at least; each is encoded once  @param continuations token ids, one at least
 * @param sources which prompt each continuation belongs to
 * @throws UserError for a token id beyond the embedding
 */
export function conditionalHidden(
  model: EncoderDecoder,
  prompts: readonly Int32Array[],
  continuations: readonly Int32Array[],
  sources: readonly number[],
  tap?: Tap,
): tf.Tensor2D {
  const { architecture, weights, config } = model;
  const joined = (parts: readonly Int32Array[]): Int32Array => Int32Array.from(parts.flatMap((ids) => [...ids]));
  const read = joined(prompts);
  const written = joined(continuations.map((ids) => Int32Array.of(config.startToken, ...ids.subarray(0, -1))));
  for (const ids of [read, ...continuations]) checkTokens(model, ids);
  const { layout: promptLayout } = sequenceLayout(prompts.map(({ length }) => length));
  const { layout } = sequenceLayout(continuations.map(({ length }) => length));
  let end = 0;
  const starts = prompts.map(({ length }) => (end += length) - length);
  const keyRows = sources.flatMap((source) => Array.from({ length: prompts[source].length }, (_, i) => starts[source] + i));
  const cross = {
    ...layout,
    bidirectional: true as const,
    keyRows: Int32Array.from(keyRows),
    keyLengths: Int32Array.from(sources, (source) => prompts[source].length),
  };
  return tf.tidy(() => {
    const encoded = architecture.encode(weights, config, tf.tensor1d(read, 'int32'), { ...promptLayout, bidirectional: true }, tap);
    return architecture.decode(weights, config, tf.tensor1d(written, 'int32'), layout, encoded, cross, tap);
  });
}

import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../fused';
import { maskFor, type AttentionIndex } from './attentionIndex';

export interface AttentionOptions {
  /** Factor on the dot products, usually 1/sqrt(D). */
  scale: number;
  /** Sliding window: a query at position p sees keys at p - window + 1 … p. */
  window?: number;
  /** Soft cap on the scores: cap * tanh(score / cap). */
  softcap?: number;
  /** ALiBi's slope of each head: slope * (key's position - query's position) is added to the scores; the masks hold it already. */
  alibiSlopes?: readonly number[];
}

/** [.., Hk, .., ..] → [.., Hk * groups, .., ..] along axis 1: each key/value head serves `groups` query heads in a row. */
function repeatHeads(x: tf.Tensor4D, groups: number): tf.Tensor4D {
  if (groups === 1) return x;
  const [batch, heads, length, width] = x.shape;
  // a head's values in one row: tfjs knows tile's gradient up to rank 4
  return tf.reshape(tf.tile(tf.reshape(x, [batch, heads, 1, length * width]), [1, 1, groups, 1]), [batch, heads * groups, length, width]);
}

/** softmax(scale · q kᵀ + mask) v. q [S,H,Q,D], k and v [S,Hk,K,D], mask broadcast to [S,H,Q,K]. */
function maskedAttention(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, mask: tf.Tensor, options: AttentionOptions): tf.Tensor4D {
  const groups = q.shape[1] / k.shape[1];
  let scores = tf.mul(tf.matMul(q, repeatHeads(k, groups), false, true), options.scale);
  if (options.softcap) scores = tf.mul(tf.tanh(tf.div(scores, options.softcap)), options.softcap);
  return tf.matMul(tf.softmax(tf.add(scores, mask)), repeatHeads(v, groups)) as tf.Tensor4D;
}

/**
 * Causal attention over packed segments.
 * @param q [T, H, D]  @param k [T, Hk, D]  @param v [T, Hk, D], Hk dividing H
 * @returns [T, H, D]
 */
export const packedAttention = fused(
  'packedAttention',
  (q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, index: AttentionIndex, options: AttentionOptions): tf.Tensor3D => {
    const [, heads, width] = q.shape;
    const split = (x: tf.Tensor3D, rows: tf.Tensor1D, longest: number): tf.Tensor4D =>
      tf.transpose(tf.reshape(tf.gather(x, rows), [index.segments, longest, x.shape[1], width]), [0, 2, 1, 3]);
    const mask = maskFor(index, options);
    const out = maskedAttention(
      split(q, index.queries, index.longestQuery),
      split(k, index.keys, index.longestKey),
      split(v, index.keys, index.longestKey),
      mask,
      options,
    );
    return tf.gather(tf.reshape(tf.transpose(out, [0, 2, 1, 3]), [index.segments * index.longestQuery, heads, width]), index.results);
  },
);

/**
 * Writes one place of a cache for every row, and gives the cache back. It may write in place: use the returned tensor alone.
 * @param cache [R, Hk, C, D]  @param place 0 … C-1  @param entry [R, Hk, D]
 */
export const cacheWrite = fused('cacheWrite', (cache: tf.Tensor4D, place: number, entry: tf.Tensor3D): tf.Tensor4D => {
  const [rows, heads, places, width] = cache.shape;
  return tf.concat(
    [
      tf.slice(cache, [0, 0, 0, 0], [rows, heads, place, width]),
      tf.expandDims(entry, 2),
      tf.slice(cache, [0, 0, place + 1, 0], [rows, heads, places - place - 1, width]),
    ],
    2,
  ) as tf.Tensor4D;
});

import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../engine';
import { fused } from '../fused';
import { linear } from './linear';
import { patchOf } from './weightPatches';

export interface HeadOptions {
  /** Soft cap on the logits (gemma2): cap * tanh(logit / cap). */
  softcap?: number;
  /** Factor on the logits, above 0 (cohere's logit_scale). */
  scale?: number;
  /** Factor on the logits as they then are. */
  sharpness?: number;
}

/** Next-token logits. @param hidden [N, D]  @param head [V, D]  @returns [N, V] */
export function logits(hidden: tf.Tensor2D, head: tf.Tensor2D, options: HeadOptions = {}): tf.Tensor2D {
  let result = linear(hidden, head);
  if (options.scale !== undefined && options.scale !== 1) result = tf.mul(result, options.scale);
  if (options.softcap) result = tf.mul(tf.tanh(tf.div(result, options.softcap)), options.softcap);
  if (options.sharpness !== undefined) result = tf.mul(result, options.sharpness);
  return result;
}

/** log softmax(logits)[n, targets[n]]. @param values [N, V]  @param targets int32 [N]  @returns [N] */
export const selectedLogProbs = fused('selectedLogProbs', (values: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D => {
  const [rows, vocabulary] = values.shape;
  const flat = tf.add(targets, tf.range(0, rows * vocabulary, vocabulary, 'int32'));
  return tf.sub(tf.gather(tf.reshape(values, [rows * vocabulary]), flat), tf.logSumExp(values, 1)) as tf.Tensor1D;
});

/** Logits held at once: 2^27 of them, half a gigabyte in float32. More rows than that go chunk by chunk. */
export const LOGITS_AT_ONCE = 2 ** 27;

/** Rows whose logits are held at once. */
export const rowsAtOnce = (vocabulary: number): number => Math.max(1, Math.floor(LOGITS_AT_ONCE / vocabulary));

/** As `tokenLogProbs`, chunk size given; the fused operation behind it. */
export const chunkedLogProbs = fused(
  'chunkedLogProbs',
  (hidden: tf.Tensor2D, head: tf.Tensor2D, targets: tf.Tensor1D, options: HeadOptions, chunkRows: number): tf.Tensor1D =>
    inChunks(hidden, targets, chunkRows, (h, t, w) => selectedLogProbs(logits(h, w, options), t), head),
);

/** f over chunks of rows, each computed again in the backward pass where there are several. @param shared tensors that every chunk reads */
function inChunks<S extends tf.Tensor[]>(
  hidden: tf.Tensor2D,
  targets: tf.Tensor1D,
  chunkRows: number,
  f: (hidden: tf.Tensor2D, targets: tf.Tensor1D, ...shared: S) => tf.Tensor1D,
  ...shared: S
): tf.Tensor1D {
  const rows = hidden.shape[0];
  if (rows <= chunkRows) return f(hidden, targets, ...shared);
  const starts = Array.from({ length: Math.ceil(rows / chunkRows) }, (_, i) => i * chunkRows);
  // all slices before all chunks: the engine then pushes the chunks' gradients back through the model once, together
  const parts = starts.map((start) => tf.slice(hidden, [start, 0], [Math.min(chunkRows, rows - start), hidden.shape[1]]));
  return tf.concat(
    starts.map((start, i) => currentEngine().recomputed(f, [parts[i], tf.slice(targets, [start], [parts[i].shape[0]]), ...shared])),
  );
}

/**
 * The log-probability of each target under its row's next-token distribution, without ever holding more logits than a chunk:
 * where there are several chunks, each is computed again in the backward pass.
 * @param hidden [N, D]  @param head [V, D]  @param targets int32 [N]  @param chunkRows rows a chunk
 * @returns [N], float32
 */
export function tokenLogProbs(
  hidden: tf.Tensor2D,
  head: tf.Tensor2D,
  targets: tf.Tensor1D,
  options: HeadOptions = {},
  chunkRows = rowsAtOnce(head.shape[0]),
): tf.Tensor1D {
  // what is patched onto the head is found by the tensor: no chunk may be given another for it
  if (patchOf(head)?.linear) return inChunks(hidden, targets, chunkRows, (h, t) => selectedLogProbs(logits(h, head, options), t));
  return chunkedLogProbs(hidden, head, targets, options, chunkRows);
}

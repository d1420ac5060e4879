import * as tf from '@tensorflow/tfjs-core';
import { embedding } from '../../engine/ops/linear';

export interface BucketOptions {
  buckets: number;
  /** From this distance on all share a bucket. */
  longest: number;
  bidirectional: boolean;
}

/**
 * T5's bucket of a key's place less the query's: one each for the first distances, then ever wider ones. Half of them are for keys behind
 * the query where it sees those. In float32, as transformers computes it: an edge lies at whole numbers.
 */
export function positionBucket(distance: number, { buckets, longest, bidirectional }: BucketOptions): number {
  const own = bidirectional ? buckets >> 1 : buckets;
  const offset = bidirectional && distance > 0 ? own : 0;
  const far = bidirectional ? Math.abs(distance) : Math.max(0, -distance);
  const exact = own >> 1;
  if (far < exact) return offset + far;
  const share = Math.fround(Math.fround(Math.log(Math.fround(far / exact))) / Math.fround(Math.log(longest / exact)));
  return offset + Math.min(own - 1, exact + Math.trunc(Math.fround(share * (own - exact))));
}

/** The biases of heads by bucket as they are added to scores. @param table [buckets, H] @returns [1, H, queries, keys] */
export function positionBias(table: tf.Tensor, queries: number, keys: number, options: BucketOptions): tf.Tensor4D {
  const ids = Int32Array.from({ length: queries * keys }, (_, i) => positionBucket((i % keys) - Math.floor(i / keys), options));
  return tf.tidy(() => {
    const rows = tf.reshape(embedding(tf.tensor1d(ids, 'int32'), table), [queries, keys, table.shape[1]!]);
    return tf.expandDims(tf.transpose(rows, [2, 0, 1]), 0) as tf.Tensor4D;
  });
}

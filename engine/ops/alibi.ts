import * as tf from '@tensorflow/tfjs-core';

/**
 * The slope of each head's linear bias (Press et al. 2022, arXiv 2108.12409), as transformers and llama.cpp compute them: for a
 * power of two n, 2^(-8i/n) for i = 1 … n; between two powers, the lower one's, then every second one of the higher's.
 */
export function alibiSlopes(heads: number): number[] {
  const lower = 2 ** Math.floor(Math.log2(heads));
  const of = (count: number, i: number): number => 2 ** ((-8 * i) / count);
  return Array.from({ length: heads }, (_, i) => (i < lower ? of(lower, i + 1) : of(2 * lower, 2 * (i - lower) + 1)));
}

/**
 * An additive mask with ALiBi's bias: slope · (key's position - query's position). BLOOM's own code adds slope · key's position: a
 * constant more a query, which a softmax forgets; relative distances keep near keys exact where the mask becomes bf16.
 * @param mask [N, 1, Q, K]  @param distances key's less query's position, [N, 1, Q, K]
 * @returns [N, H, Q, K]
 */
export function withAlibi(mask: tf.Tensor4D, distances: tf.Tensor4D, slopes: readonly number[]): tf.Tensor4D {
  return tf.tidy(() => tf.add(mask, tf.mul(distances, tf.tensor4d([...slopes], [1, slopes.length, 1, 1]))));
}

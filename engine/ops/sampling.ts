import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../fused';
import { drawTokens } from './nucleus';
import { blockWidth, checkFinite, eachNucleus, notFinite, type SamplingOptions } from './nucleusSearch';

/**
 * Draws a token a row by nucleus sampling (Holtzman et al. 2020, arXiv 1904.09751), exactly: the kept set is that of
 * transformers' TemperatureLogitsWarper and TopPLogitsWarper, over the whole vocabulary, the token that crosses `topP`
 * included; the draw is the inverse of the kept tokens' distribution function at the row's uniform number.
 * @param logits [R, V]
 * @param uniforms numbers in [0, 1), one a draw
 * @param rows the row of each draw; draw n is from row n by default
 * @returns a token id a draw
 * @throws UserError where a row's logits are not finite: the model is broken
 */
export function sampleTopP(
  logits: tf.Tensor2D,
  uniforms: ArrayLike<number>,
  options: SamplingOptions,
  rows?: ArrayLike<number>,
): Int32Array {
  const result = new Int32Array(uniforms.length);
  const rowOf = (draw: number): number => (rows ? rows[draw] : draw);
  if (options.temperature === 0) {
    const top = tf.argMax(logits, 1);
    const best = top.dataSync<'int32'>();
    top.dispose();
    for (let n = 0; n < result.length; n++) result[n] = best[rowOf(n)];
    return result;
  }
  if (options.topP >= 1) return sampleAll(logits, uniforms, options.temperature, rowOf);
  const tokens = nucleusTokens(
    logits,
    Float64Array.from(uniforms),
    Int32Array.from(result, (_, n) => rowOf(n)),
    options,
  );
  if (!tokens) throw notFinite();
  return tokens;
}

/**
 * `sampleTopP` where there is a nucleus to draw from, temperature and top-p above 0; the fused operation behind it.
 * @param rows the row of each draw
 * @returns undefined where a row's logits are not finite
 */
export const nucleusTokens = fused(
  'nucleusTokens',
  (logits: tf.Tensor2D, uniforms: Float64Array, rows: Int32Array, options: SamplingOptions): Int32Array | undefined => {
    const result = new Int32Array(uniforms.length);
    const draws: number[][] = Array.from({ length: logits.shape[0] }, () => []);
    rows.forEach((row, n) => draws[row].push(n));
    eachNucleus(logits, options, (row, nucleus) => {
      const tokens = drawTokens(
        nucleus,
        draws[row].map((n) => uniforms[n]),
      );
      draws[row].forEach((n, i) => (result[n] = tokens[i]));
    });
    return result;
  },
);

/** The first place whose running sum is above `target`, by bisection; the last where rounding leaves none. */
function firstAbove(cumulative: ArrayLike<number>, target: number): number {
  let [low, high] = [0, cumulative.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cumulative[middle] > target) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Without a nucleus no order is needed: by the sums of the row's blocks to a block, and in it to a token, in the vocabulary's order. */
function sampleAll(logits: tf.Tensor2D, uniforms: ArrayLike<number>, temperature: number, rowOf: (draw: number) => number): Int32Array {
  const result = new Int32Array(uniforms.length);
  tf.tidy(() => {
    const most = tf.max(logits, 1, true);
    most.dataSync<'float32'>().forEach(checkFinite);
    const weights = tf.exp(tf.div(tf.sub(logits, most), temperature)) as tf.Tensor2D;
    const width = blockWidth(logits.shape[1]);
    const padded =
      logits.shape[1] % width === 0
        ? weights
        : tf.pad(
            weights,
            [
              [0, 0],
              [0, width - (logits.shape[1] % width)],
            ],
            0,
          );
    const count = padded.shape[1] / width;
    const flat = tf.reshape(padded, [logits.shape[0] * count, width]);
    const sums = tf.sum(flat, 1).dataSync<'float32'>();
    const running = new Float64Array(sums.length);
    for (let i = 0; i < sums.length; i++) running[i] = sums[i] + (i % count === 0 ? 0 : running[i - 1]);
    const found = Array.from(uniforms, (uniform, n) => {
      const row = running.subarray(rowOf(n) * count, (rowOf(n) + 1) * count);
      const target = uniform * row[count - 1];
      const block = firstAbove(row, target);
      return { block, rest: target - (block > 0 ? row[block - 1] : 0) };
    });
    const chosen = tf.gather(
      flat,
      tf.tensor1d(
        found.map(({ block }, n) => rowOf(n) * count + block),
        'int32',
      ),
    );
    const values = chosen.dataSync<'float32'>();
    found.forEach(({ block, rest }, n) => {
      let sum = 0;
      let last = 0;
      for (let i = 0; i < width; i++) {
        const value = values[n * width + i];
        if (value === 0) continue;
        last = i;
        sum += value;
        if (sum > rest) break;
      }
      result[n] = block * width + last;
    });
  });
  return result;
}

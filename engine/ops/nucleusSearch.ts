import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../util/errors';
import { nucleusOf, type Nucleus } from './nucleus';

export interface SamplingOptions {
  /** Logits are divided by it; 0 takes the most probable token. */
  temperature: number;
  /** The smallest set of most probable tokens with at least this mass is kept; 1 keeps all. */
  topP: number;
}

/** How many blocks of a row are looked at first, and how many when those hold too little mass; then the whole row. */
const BLOCKS = [64, 512];
/** About as wide a block as makes the maxima few and the blocks small. */
const BLOCK_WIDTH = 64;
/** Rows up to this many tokens are read back whole. */
const SMALL_VOCABULARY = 4096;
/** Probabilities held at once: 64 MiB of them. */
const VALUES_AT_ONCE = 2 ** 24;

type Visit = (row: number, nucleus: Nucleus) => void;

/**
 * Visits each row's nucleus, in any order. The whole row is read on the device alone, for the probabilities and for the maxima of its
 * blocks; the blocks with the largest maxima come back. Every token more probable than the least of those maxima is in them, since a
 * block left out has none above it: the nucleus is known once such tokens hold `topP`. Rows where they hold less are looked at more widely.
 * @param logits [R, V]
 */
export function eachNucleus(logits: tf.Tensor2D, options: SamplingOptions, visit: Visit): void {
  const [rows, vocabulary] = logits.shape;
  // some rows at a time: the probabilities are as large as the logits, and memory touched anew costs more than their arithmetic
  const size = Math.max(1, Math.floor(VALUES_AT_ONCE / vocabulary));
  for (let start = 0; start < rows; start += size) {
    const part = Math.min(size, rows - start);
    const mine = (): tf.Tensor2D => (part === rows ? logits : tf.slice(logits, [start, 0], [part, vocabulary]));
    tf.tidy(() => eachOf(mine(), options, (row, nucleus) => visit(start + row, nucleus)));
  }
}

function eachOf(logits: tf.Tensor2D, { temperature, topP }: SamplingOptions, visit: Visit): void {
  const [rows, vocabulary] = logits.shape;
  const probabilities = tf.softmax(temperature === 1 ? logits : (tf.div(logits, temperature) as tf.Tensor2D));
  let open = Array.from({ length: rows }, (_, row) => row);
  if (vocabulary > SMALL_VOCABULARY) {
    const width = blockWidth(vocabulary);
    const blocks = blocked(probabilities, width);
    const count = blocks.shape[1];
    const maxima: tf.Tensor2D = tf.max(blocks, 2);
    const flat = tf.reshape<tf.Rank.R2>(blocks, [rows * count, width]);
    for (const level of BLOCKS.filter((k) => 2 * k <= count))
      if (open.length > 0) open = lookInBlocks(flat, maxima, open, level, topP, visit);
  }
  if (open.length > 0) lookAtAll(probabilities, open, topP, visit);
}

/** Probabilities of a broken model are NaN, all of a row's. */
export function checkFinite(value: number): void {
  if (Number.isNaN(value)) throw notFinite();
}

/** A broken model. */
export function notFinite(): UserError {
  return new UserError('the model gives logits that are not finite: its weights are damaged or training has diverged');
}

/** Finds what it can among the `level` blocks with the largest maxima. @returns the rows that need more */
function lookInBlocks(flat: tf.Tensor2D, maxima: tf.Tensor2D, rows: number[], level: number, topP: number, visit: Visit): number[] {
  const count = maxima.shape[1];
  const width = flat.shape[1];
  let places: ArrayLike<number> = [];
  let least: ArrayLike<number> = [];
  let values: Float32Array | undefined;
  // nothing read is returned from a tidy: it would look for tensors in every element
  tf.tidy(() => {
    const mine = rows.length === maxima.shape[0] ? maxima : tf.gather(maxima, tf.tensor1d(rows, 'int32'));
    const best = tf.topk(mine, level, true);
    const starts = tf.tensor2d(
      rows.map((row) => row * count),
      [rows.length, 1],
      'int32',
    );
    values = tf.gather(flat, tf.reshape(tf.add(best.indices, starts), [rows.length * level])).dataSync<'float32'>();
    places = best.indices.dataSync<'int32'>();
    least = tf.slice(best.values, [0, level - 1], [rows.length, 1]).dataSync<'float32'>();
  });
  const each = level * width;
  return rows.filter((row, n) => {
    checkFinite(least[n]);
    const tokenOf = (i: number): number => places[n * level + Math.floor(i / width)] * width + (i % width);
    const mine = values!.subarray(n * each, (n + 1) * each);
    const nucleus = nucleusOf({ probabilities: mine, tokenOf, least: least[n] }, topP, false);
    if (nucleus) visit(row, nucleus);
    return !nucleus;
  });
}

/** Finds the nuclei of rows that nothing less showed. */
function lookAtAll(probabilities: tf.Tensor2D, rows: number[], topP: number, visit: Visit): void {
  const vocabulary = probabilities.shape[1];
  let values: Float32Array | undefined;
  tf.tidy(() => {
    const mine = rows.length === probabilities.shape[0] ? probabilities : tf.gather(probabilities, tf.tensor1d(rows, 'int32'));
    values = mine.dataSync<'float32'>();
  });
  rows.forEach((row, n) => {
    const mine = values!.subarray(n * vocabulary, (n + 1) * vocabulary);
    checkFinite(mine[0]);
    visit(row, nucleusOf({ probabilities: mine, tokenOf: (i) => i, least: -1 }, topP, true)!);
  });
}

/** The divisor of `vocabulary` that makes the best blocks, or one to pad to where none is near. */
export function blockWidth(vocabulary: number): number {
  for (let away = 0; away <= BLOCK_WIDTH; away++)
    for (const width of [BLOCK_WIDTH + away, BLOCK_WIDTH - away]) if (width >= 16 && vocabulary % width === 0) return width;
  return BLOCK_WIDTH;
}

function blocked(x: tf.Tensor2D, width: number): tf.Tensor3D {
  const [rows, vocabulary] = x.shape;
  const count = Math.ceil(vocabulary / width);
  const whole =
    count * width === vocabulary
      ? x
      : tf.pad(
          x,
          [
            [0, 0],
            [0, count * width - vocabulary],
          ],
          -1,
        );
  return tf.reshape(whole, [rows, count, width]);
}

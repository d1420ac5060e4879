import * as tf from '@tensorflow/tfjs-core';
import { withAlibi } from '../engine/ops/alibi';
import { attentionIndex, cachedAttention, cacheWrite, MASKED, packedAttention } from '../engine/ops/attention';
import { sequenceLayout } from '../models/packedForward';
import type { Attend, Model } from '../models/types';

/*
 * R rows (continuations), P prompts, C places of the cache: `prefix` places for the prompt, filled from the left, then one
 * place for each new token, the same for every row. Places between a short prompt's end and `prefix` stay masked.
 */

/** Keys and values of the rows under way. */
export interface DecoderCache {
  /** A layer each, [R, Hk, C, D]. */
  keys: tf.Tensor4D[];
  values: tf.Tensor4D[];
  /** Tokens of each row's prompt, [R]. */
  lengths: number[];
  prefix: number;
  /** New tokens written so far. */
  written: number;
  places: number;
}

/**
 * Computes prompts once, packed without padding, and gives each row the keys and values of its prompt.
 * @param sources the prompt of each row, [R]
 * @param room new tokens that the cache has places for
 * @returns the hidden states [P, D] of the prompts' last tokens, and the cache; the caller frees both
 */
export function prefill(
  model: Model,
  prompts: readonly Int32Array[],
  sources: readonly number[],
  room: number,
): { hidden: tf.Tensor2D; cache: DecoderCache } {
  const lengths = prompts.map((prompt) => prompt.length);
  const prefix = Math.max(...lengths);
  const places = prefix + room;
  const cache: DecoderCache = { keys: [], values: [], lengths: sources.map((p) => lengths[p]), prefix, written: 0, places };
  const { positions, layout } = sequenceLayout(lengths);
  const tokens = new Int32Array(layout.rows);
  const starts: number[] = [];
  for (let p = 0, start = 0; p < prompts.length; start += lengths[p++]) {
    tokens.set(prompts[p], start);
    starts.push(start);
  }
  const rowPlaces = new Int32Array(sources.length * prefix);
  // places past a prompt's end repeat its last token: anything finite, they are masked
  sources.forEach((p, row) => {
    for (let i = 0; i < prefix; i++) rowPlaces[row * prefix + i] = starts[p] + Math.min(i, lengths[p] - 1);
  });
  try {
    const hidden = tf.tidy(() => {
      const index = attentionIndex(layout, model.config.windows, model.config.alibiSlopes);
      const gathered = tf.tensor1d(rowPlaces, 'int32');
      const spread = (x: tf.Tensor3D): tf.Tensor4D =>
        tf.keep(
          tf.tidy(() => {
            const rows = tf.reshape(tf.gather(x, gathered), [sources.length, prefix, x.shape[1], x.shape[2]]);
            const split = tf.transpose(rows, [0, 2, 1, 3]) as tf.Tensor4D;
            return room === 0
              ? split
              : (tf.pad(split, [
                  [0, 0],
                  [0, 0],
                  [0, room],
                  [0, 0],
                ]) as tf.Tensor4D);
          }),
        );
      const attend: Attend = (layer, q, k, v, options) => {
        cache.keys[layer] = spread(k);
        cache.values[layer] = spread(v);
        return packedAttention(q, k, v, index, options);
      };
      const all = model.architecture.forward(model.weights, model.config, {
        tokens: tf.tensor1d(tokens, 'int32'),
        positions: tf.tensor1d(positions, 'int32'),
        attend,
      });
      const last = starts.map((start, p) => start + lengths[p] - 1);
      return tf.gather(all, tf.tensor1d(last, 'int32'));
    });
    return { hidden, cache };
  } catch (error) {
    disposeCache(cache);
    throw error;
  }
}

/**
 * Feeds one token a row.
 * @param tokens [R]
 * @returns hidden states [R, D]; the caller frees them
 */
export function decodeStep(model: Model, cache: DecoderCache, tokens: readonly number[]): tf.Tensor2D {
  const place = cache.prefix + cache.written;
  if (place >= cache.places) throw new Error(`internal: the cache has ${cache.places} places, all of them written`);
  return tf.tidy(() => {
    const masks = new Map([0, ...model.config.windows].map((window) => [window, stepMask(cache, window, model.config.alibiSlopes)]));
    const write = (caches: tf.Tensor4D[], layer: number, entry: tf.Tensor3D): tf.Tensor4D => {
      const before = caches[layer];
      const after = cacheWrite(before, place, entry);
      if (after !== before) {
        caches[layer] = tf.keep(after);
        before.dispose();
      }
      return caches[layer];
    };
    const attend: Attend = (layer, q, k, v, options) => {
      const keys = write(cache.keys, layer, k);
      const values = write(cache.values, layer, v);
      return cachedAttention(q, keys, values, masks.get(options.window ?? 0)!, options);
    };
    const hidden = model.architecture.forward(model.weights, model.config, {
      tokens: tf.tensor1d(Int32Array.from(tokens), 'int32'),
      positions: tf.tensor1d(
        cache.lengths.map((length) => length + cache.written),
        'int32',
      ),
      attend,
    });
    cache.written++;
    return hidden;
  });
}

/** What the token now being fed sees: its row's prompt and the row's new tokens up to itself, within the window (0: all); ALiBi's biases. */
function stepMask(cache: DecoderCache, window: number, alibiSlopes?: readonly number[]): tf.Tensor4D {
  const { lengths, prefix, written, places } = cache;
  const mask = new Float32Array(lengths.length * places).fill(MASKED);
  lengths.forEach((length, row) => {
    const start = row * places;
    const firstSeen = window > 0 ? Math.max(0, length + written - window + 1) : 0;
    mask.fill(0, start + Math.min(firstSeen, length), start + length);
    mask.fill(0, start + prefix + Math.max(0, firstSeen - length), start + prefix + written + 1);
  });
  const shape: [number, number, number, number] = [lengths.length, 1, 1, places];
  const seen = tf.tensor4d(mask, shape);
  if (!alibiSlopes) return seen;
  const distances = new Float32Array(mask.length);
  lengths.forEach((length, row) => {
    for (let i = 0; i < prefix + written; i++) distances[row * places + i] = i < prefix ? i - length - written : i - prefix - written;
  });
  return withAlibi(seen, tf.tensor4d(distances, shape), alibiSlopes);
}

/** Goes on with these rows alone. */
export function keepRows(cache: DecoderCache, rows: readonly number[]): void {
  tf.tidy(() => {
    const kept = tf.tensor1d([...rows], 'int32');
    for (const caches of [cache.keys, cache.values])
      caches.forEach((before, layer) => {
        caches[layer] = tf.keep(tf.gather(before, kept));
        before.dispose();
      });
  });
  cache.lengths = rows.map((row) => cache.lengths[row]);
}

/** Frees the cache. */
export function disposeCache(cache: DecoderCache): void {
  tf.dispose([...cache.keys, ...cache.values]);
}
